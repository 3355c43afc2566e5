"""A process that outlives its parent is found, watched and ended, and never leaked."""

import asyncio
import contextlib
import fcntl
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from xenhost.core.errors import EmulatorFailed
from xenhost.core.ids import DomId
from xenhost.drivers.xen.emulator.emulators import EmulatorConfig, Emulators
from xenhost.system.process import LongLivedProcess

PROGRAM = 'import os,sys,time; open(sys.argv[1],"w").write(str(os.getpid())); time.sleep(60)'


def command_lines() -> list[bytes]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes())
    return found


def command(process: LongLivedProcess) -> list[str]:
    return [sys.executable, "-S", "-c", PROGRAM, str(process.pidfile)]


async def test_a_started_process_is_found_again_by_another_life_of_the_agent(tmp_path: Path) -> None:
    first = LongLivedProcess(tmp_path / "p")
    first.start(command(first), tmp_path / "log", [])
    second = LongLivedProcess(tmp_path / "p")
    assert await second.find()
    assert second.alive()
    await second.stop()
    assert not first.alive()
    assert not (tmp_path / "p").exists()
    first.forget()


async def test_one_that_is_not_ready_yet_is_found_and_ended(tmp_path: Path) -> None:
    first = LongLivedProcess(tmp_path / "p")
    first.start([sys.executable, "-S", "-c", "import time; time.sleep(60)"], tmp_path / "log", [], slow=True)
    second = LongLivedProcess(tmp_path / "p")
    assert await second.find()
    await second.stop()
    assert not first.alive()
    first.forget()


async def test_stop_is_a_no_op_without_a_process(tmp_path: Path) -> None:
    process = LongLivedProcess(tmp_path / "p")
    await process.stop()
    await process.stop()
    assert not await process.find()


async def test_an_emulator_without_a_pid_file_holds_up_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xenhost.system.process.PID_WAIT", 0.05)
    emulators = Emulators(EmulatorConfig(run_dir=tmp_path, log_dir=tmp_path), lambda domid: None)
    (tmp_path / "7").mkdir()
    with (tmp_path / "7/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not await emulators.adopt(DomId(7))
        with pytest.raises(EmulatorFailed, match="names no process"):
            await emulators.stop(DomId(7))
    await emulators.stop(DomId(7))
    assert not (tmp_path / "7").exists()


async def test_its_end_is_noticed_without_polling(tmp_path: Path) -> None:
    process = LongLivedProcess(tmp_path / "p")
    process.start(command(process), tmp_path / "log", [])
    ended = asyncio.Event()
    assert await process.find()
    process.watch(ended.set)
    while not process.pidfile.exists():
        await asyncio.sleep(0.01)
    other = LongLivedProcess(tmp_path / "p")
    await other.stop()
    async with asyncio.timeout(5):
        await ended.wait()
    process.forget()


async def test_a_stale_pid_file_of_a_reused_pid_is_not_believed(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "lock").touch()
    (folder / "pid").write_text(str(os.getpid()))
    process = LongLivedProcess(folder)
    assert not await process.find()
    await process.stop()  # must not kill this very test
    assert not folder.exists()


@pytest.mark.parametrize("delay", [0.0, 0.05])
async def test_a_starter_that_is_killed_at_once_leaks_nothing(tmp_path: Path, delay: float) -> None:
    script = textwrap.dedent(f"""
        import os, signal, sys, time
        from pathlib import Path
        from xenhost.system.process import LongLivedProcess
        process = LongLivedProcess(Path({str(tmp_path / "p")!r}))
        words = [sys.executable, "-S", "-c", {PROGRAM!r}, str(process.pidfile)]
        process.start(words, Path({str(tmp_path / "log")!r}), [])
        time.sleep({delay})
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    subprocess.run([sys.executable, "-c", script], check=False)
    successor = LongLivedProcess(tmp_path / "p")
    assert await successor.find()
    await successor.stop()
    deadline = time.monotonic() + 5
    while any(str(tmp_path).encode() in words for words in command_lines()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
