"""VDIs served to backup tools."""

import asyncio
import json
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest

from component.harness.client import Client, refused
from xenhost.api.host.v1 import storage_pb2
from xenhost.api.host.v1.vdi_service_pb2 import (
    EnableCbtRequest,
    ExportNbdRequest,
    SnapshotVdiRequest,
    UnexportNbdRequest,
)
from xenhost.core.units import MIB

pytestmark = pytest.mark.skipif(shutil.which("nbdinfo") is None, reason="needs nbdinfo (libnbd-bin)")


@pytest.fixture
def configuration(tmp_path: Path) -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return f'''
[storage.nbd]
address = "127.0.0.1"
port = {port}
names = ["localhost"]
tls_dir = "{tmp_path}/tls"
'''


async def info(*words: str) -> Any:
    ended = await asyncio.to_thread(subprocess.run, ["nbdinfo", "--json", *words], capture_output=True, check=True)
    return json.loads(ended.stdout)


async def test_a_backup_tool_reads_a_vdi_and_what_changed(client: Client, sr: storage_pb2.Sr, tmp_path: Path) -> None:
    await client.create_vdi("local", "root", 2 * MIB)
    await client.vdi_done(client.vdis.EnableCbt(EnableCbtRequest(id="root")))
    first = await client.vdi_done(client.vdis.SnapshotVdi(SnapshotVdiRequest(id="root", name="one")))
    second = await client.vdi_done(client.vdis.SnapshotVdi(SnapshotVdiRequest(id="root", name="two")))
    export = await client.vdis.ExportNbd(ExportNbdRequest(id=second.id, since_id=first.id))
    assert export.vdi_id == second.id
    assert export.bitmap.startswith("qemu:dirty-bitmap:")
    assert "BEGIN CERTIFICATE" in export.cert
    uri = f"nbds://localhost:{export.port}/{export.exportname}?tls-certificates={tmp_path}/tls"
    (served,) = (await info(uri))["exports"]
    assert (served["export-size"], served["is_read_only"]) == (2 * MIB, True)
    extents = await info(f"--map={export.bitmap}", uri)
    assert {extent["type"] for extent in extents} == {0}
    await client.vdis.UnexportNbd(UnexportNbdRequest(id=second.id))
    await client.vdis.UnexportNbd(UnexportNbdRequest(id=second.id))
    with pytest.raises(subprocess.CalledProcessError):
        await info(uri)


async def test_what_is_not_related_is_refused(client: Client, sr: storage_pb2.Sr) -> None:
    one, other = await client.create_vdi("local", "one"), await client.create_vdi("local", "other")
    call = client.vdis.ExportNbd(ExportNbdRequest(id=one.id, since_id=other.id))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    await refused(client.vdis.ExportNbd(ExportNbdRequest(id="nothing")), "HANDLE_INVALID", grpc.StatusCode.NOT_FOUND)
