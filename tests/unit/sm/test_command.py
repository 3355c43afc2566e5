import asyncio
import os
import time
from pathlib import Path

import pytest

from xenhost.sm.command import CommandError, Commands, CommandTimeout


async def test_a_program_leaves_its_status_and_what_it_wrote() -> None:
    result = await Commands().run("sh", "-c", "cat; echo bad >&2; exit 3", stdin=b"text", timeout=10, check=False)
    assert (result.status, result.stdout, result.complaint()) == (3, b"text", "bad")


async def test_only_so_much_of_the_output_is_kept_and_all_of_it_is_read() -> None:
    result = await Commands().run("head", "-c", "1000000", "/dev/zero", timeout=10, max_output=10)
    assert (result.status, len(result.stdout)) == (0, 10)


async def test_a_daemon_that_keeps_the_pipes_open_is_not_waited_for() -> None:
    began = time.monotonic()
    result = await Commands().run("sh", "-c", "sleep 20 & echo $!", timeout=15)
    assert time.monotonic() - began < 10
    os.kill(int(result.text()), 9)


async def test_what_takes_too_long_is_killed_with_its_children_and_what_it_said_is_kept() -> None:
    with pytest.raises(CommandTimeout, match="did not end within") as caught:
        await Commands().run("sh", "-c", "sleep 987654 & echo $! ; echo waiting >&2; wait", timeout=0.5)
    assert caught.value.result is not None
    assert caught.value.result.complaint() == "waiting"
    child = int(caught.value.result.text())
    for _ in range(50):
        if not _runs(child):
            return
        await asyncio.sleep(0.1)
    pytest.fail("the child lives on")


def _runs(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().split()[2] != "Z"


async def test_a_program_that_is_not_there_is_an_error() -> None:
    with pytest.raises(CommandError, match="cannot be run"):
        await Commands().run("/nonexistent", timeout=1)


async def test_no_file_descriptor_is_left_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        await Commands().run("true", timeout=10)
    assert len(os.listdir("/proc/self/fd")) == before
