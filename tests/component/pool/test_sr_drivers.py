"""Types of SRs: told by agents as SM records, refused where their driver cannot, in a whole pool master."""

import asyncio
import shutil
import xmlrpc.client
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master, reporting
from component.pool.test_certificates import Pool, pool
from component.pool.test_storage import uuid
from component.pool.test_vms import vdi_record
from kit.plugins import EXAMPLE
from kit.thin_cli import xe
from xenhost.api.host.v1 import storage_pb2
from xenhost.core.events import ChangeKind, ObjectKind, ObjectRef
from xenhost.pool.call import NULL_REF, Ref
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.drivers import put_drivers


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.02)


async def records(found: Pool) -> dict[str, dict[str, Any]]:
    return {record["type"]: record for record in (await found.call("SM.get_all_records")).values()}


async def test_a_pool_knows_the_types_of_srs_that_its_hosts_can_drive(tmp_path: Path) -> None:
    async with pool(tmp_path, https=False) as found:
        database = found.master.database
        await until(lambda: database.rows("SM"))
        there = await records(found)
        assert set(there) == {"dummy", "file"} == set(await found.call("SR.get_supported_types"))
        file, dummy = there["file"], there["dummy"]
        own = {info.type: info for info in await found.agent.storage.drivers()}["file"]
        assert file["features"] == {str(word): version for word, version in own.capabilities.items()}
        assert set(file["capabilities"]) == set(file["features"])
        assert (file["features"]["VDI_RESET_ON_BOOT"], dummy["features"]["VDI_SNAPSHOT"]) == (2, 1)
        assert (file["name_label"], file["vendor"]) == (own.name, "xenhost")
        assert set(file["supported_image_formats"]) == {"qcow2", "raw", "vhd"}
        assert "location" in file["configuration"]
        assert "host_pending_features" not in file
        port = found.master.front.listener.http_ports[0]
        listed = await xe(port, "sm-list", "params=type", "--minimal", "username=root", "password=x")
        assert set(listed.out[0].split(",")) == {"dummy", "file"}
        gone = next(ref for ref, record in database.rows("SM").items() if record["type"] == "dummy")
        await database.change(lambda t: t.delete("SM", gone))
        found.agent.engine.hub.publish(ObjectRef(ObjectKind.SM, "dummy"), ChangeKind.ADDED)
        await until(lambda: {record["type"] for record in database.rows("SM").values()} == {"dummy", "file"})
        before = {kind: record["uuid"] for kind, record in (await records(found)).items()}
    async with pool(tmp_path, https=False) as found:
        assert {kind: record["uuid"] for kind, record in (await records(found)).items()} == before


async def test_a_host_that_is_destroyed_takes_its_drivers_along(master: Master, agent: HostAgent) -> None:
    host = master.only("host").ref
    driver = storage_pb2.SmDriver(type="dummy")
    await master.database.change(lambda t: put_drivers(Book(t, host), [driver]))
    master.agents.forget(host)
    await master.call("host.destroy", host)
    assert not master.database.rows("SM")


async def dummy_sr(master: Master) -> Ref:
    return await master.ref("SR.create", master.only("host").ref, {}, 0, "d", "", "Dummy", "user", False, {})


async def test_an_sr_of_a_type_that_nobody_knows_is_not_made(master: Master, agent: HostAgent) -> None:
    host = master.only("host").ref
    for kind in ("nosuch", "../no such"):
        error = await master.refused("SR_UNKNOWN_DRIVER", "SR.create", host, {}, 0, "x", "", kind, "user", False, {})
        assert error[1:] == [kind]
        assert (await master.refused("SR_UNKNOWN_DRIVER", "SR.probe", host, {}, kind, {}))[1:] == [kind]
    assert not master.database.rows("SR")


async def test_a_driver_says_how_it_attaches_a_vdi_alone(
    master: Master, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sm").mkdir()
    shutil.copy(EXAMPLE, tmp_path / "sm")
    monkeypatch.setenv("XAPI_SOCKET", str(tmp_path / "var/lib/xcp/xapi"))
    toml = f'[storage]\ntypes = ["dir", "dummy"]\nsmapiv1 = "{tmp_path}/sm"\n'
    async with reporting(tmp_path, master, None, toml):
        host, config = master.only("host").ref, {"location": str(tmp_path / "data")}
        sr = await master.ref("SR.create", host, config, 0, "dir", "", "dir", "user", False, {})
        vdi = await master.ref("VDI.create", vdi_record(sr))
        assert "generate_config" in await master.call("VDI.get_allowed_operations", vdi)
        config_of: tuple[Any, str | None] = xmlrpc.client.loads(await master.call("VDI.generate_config", host, vdi))
        (params,), command = config_of
        assert command == "vdi_attach_from_config"
        assert params["device_config"] == config
        assert params["vdi_uuid"] == uuid(master, "VDI", vdi)
        assert await master.call("VDI.get_current_operations", vdi) == {}
        await master.refused("HANDLE_INVALID", "VDI.generate_config", host, NULL_REF)
        other = await dummy_sr(master)
        error = await master.refused(
            "SR_OPERATION_NOT_SUPPORTED", "VDI.generate_config", host, await master.ref("VDI.create", vdi_record(other))
        )
        assert error[1:] == [other]


async def test_what_a_driver_cannot_do_is_not_allowed_and_refused_with_the_sr(master: Master, agent: HostAgent) -> None:
    sr = await dummy_sr(master)
    assert master.database.get("SR", sr)["type"] == "dummy"
    vdi = await master.ref("VDI.create", vdi_record(sr))
    for method, *params in (("enable_cbt",), ("data_destroy",), ("set_on_boot", "reset")):
        error = await master.refused("SR_OPERATION_NOT_SUPPORTED", f"VDI.{method}", vdi, *params)
        assert error == ["SR_OPERATION_NOT_SUPPORTED", sr], method
    allowed = set(await master.call("VDI.get_allowed_operations", vdi))
    assert {"snapshot", "clone", "resize", "destroy"} <= allowed
    assert not {"enable_cbt", "set_on_boot", "resize_online"} & allowed
    allowed = set(await master.call("SR.get_allowed_operations", sr))
    assert {"scan", "vdi_create", "vdi_destroy", "vdi_resize", "vdi_clone", "vdi_snapshot"} <= allowed
    assert not {"vdi_enable_cbt", "vdi_data_destroy", "vdi_set_on_boot", "vdi_revert"} & allowed
    task = await master.ref("Async.VDI.enable_cbt", vdi)
    await master.until(lambda: master.database.get("task", task)["status"] == "failure")
    assert await master.call("task.get_error_info", task) == ("SR_OPERATION_NOT_SUPPORTED", sr)
    assert uuid(master, "SR", sr) != sr
