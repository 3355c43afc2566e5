"""The agent's storage is killed again and again while it works on a real `file` SR: images, records and data agree."""

import asyncio
import contextlib
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from crash.storage.busy import ALIVE, KEPT, SR, Host
from xenhost.core.storage import AttachMode, VdiId
from xenhost.core.units import MIB
from xenhost.sm.command import Commands
from xenhost.sm.transfer.opening import open_disk

LIVES: Final = 8
pytestmark = pytest.mark.skipif(shutil.which("qemu-storage-daemon") is None, reason="qemu-storage-daemon is missing")


@pytest.fixture
def run_dir() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="xh-", dir="/tmp"))  # sockets have short names
    yield folder
    for pid in folder.glob("image/*/pid"):  # of a failed test
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.kill(int(pid.read_text()), signal.SIGKILL)
    shutil.rmtree(folder)


async def live(folder: Path, run_dir: Path, seed: int, seconds: float) -> None:
    """One life, ended by SIGKILL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "crash.storage.busy",
        *(str(folder), str(run_dir), str(seed)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    said = b""
    assert process.stdout is not None
    try:
        while ALIVE.encode() not in (line := await process.stdout.readline()):
            said += line
            assert line, said.decode()
        reading = asyncio.ensure_future(process.stdout.read())
        await asyncio.sleep(seconds)
        assert process.returncode is None, (await reading).decode()[-3000:]
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()
    said += await reading
    assert b"internal error" not in said, said.decode()[-3000:]


async def content(host: Host, vdi: VdiId) -> str:
    async with (
        host.engine.open_for_transfer(vdi, AttachMode.RO) as backend,
        open_disk(backend, writable=False) as disk,
    ):
        return hashlib.sha256(await disk.read(0, 8 * MIB)).hexdigest()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1])
async def test_everything_agrees_after_many_deaths(tmp_path: Path, run_dir: Path, seed: int) -> None:
    luck = random.Random(seed)
    await live(tmp_path, run_dir, seed, 0.2)
    host = Host(tmp_path, run_dir)
    await host.start()
    async with (
        host.engine.open_for_transfer(KEPT, AttachMode.RW) as backend,
        open_disk(backend, writable=True) as disk,
    ):
        await disk.write(MIB, random.Random(seed).randbytes(MIB))
    kept = await content(host, KEPT)
    await host.close()
    for number in range(LIVES):
        await live(tmp_path, run_dir, seed * 100 + number, luck.uniform(0.1, 1.5))
    host = Host(tmp_path, run_dir)
    await host.start()
    for tracked in host.operations:
        while not tracked.settled:
            await asyncio.sleep(0.05)
    kinds = [tracked.kind for tracked in host.operations]
    assert len(kinds) > 20
    for datapath in host.engine.datapaths():
        await host.engine.disconnect(datapath)
    while host.engine.datapath_views():
        await asyncio.sleep(0.05)
    assert await content(host, KEPT) == kept
    assert not await host.images.find()
    report = await host.engine._services.attached(SR).scan()
    assert not report.ignored
    assert all(not vdi.problem for vdi in report.vdis)
    recorded = {view.vdi.id: view.vdi.virtual_size for view in host.engine.vdis() if view.vdi.managed}
    assert recorded == {vdi.id: vdi.virtual_size for vdi in report.vdis if vdi.managed}
    await host.close()
    for image in (tmp_path / "sr").glob("*.qcow2"):
        await Commands().run("qemu-img", "check", "-f", "qcow2", str(image), timeout=30)
