"""Supervision of the helper process, with a program that behaves as its request says."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from xenhost.drivers.xen.helper import HelperLost, Helpers
from xenhost.native.domain_helper import BuildRequest, BuildResult, GuestKind, HelperFailure, Progress, Save

PROGRAM = """#!{python} -S
import os, signal, sys, time
def say(line):
    print(line, flush=True)
say("ready 1 4.17")
lines = []
for line in sys.stdin:
    lines.append(line.split(" ", 1)[0].strip() and line.strip().partition(" ")[::2])
    if lines[-1]:
        continue
    request = dict(lines[:-1]); lines = []
    match request.get("kernel", request["op"]):
        case "save":
            with open(int(request["fd"]), "w") as image:
                image.write("saved " + request["domid"])
            say("progress 40 memory")
            say("error failed 28 domain:save full" if request["domid"] == "28" else "result")
        case "/good":
            say("progress 50 image")
            say("log debug something")
            pid = str(os.getpid())
            say(f"result store_port=1 store_frame=2 console_port=3 console_frame=4 guest_os={{pid}} parse_us=5")
            say("result")
        case "/bad":
            say("error failed 12 dom:memory no%20memory")
        case "/crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "/exit":
            sys.exit(3)
        case "/rubbish":
            say("what is this")
        case "/hang":
            time.sleep(3600)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "helper"
    path.write_text(PROGRAM.format(python=sys.executable))
    path.chmod(0o755)
    return path


@pytest.fixture
async def helpers(program: Path) -> AsyncIterator[Helpers]:
    helpers = Helpers(program, 2)
    await helpers.open()
    yield helpers
    await helpers.close()


def request(behaviour: str) -> BuildRequest:
    return BuildRequest(7, GuestKind.PV, 1 << 20, 1 << 20, 1 << 20, 1, kernel=f"/{behaviour}")


async def build(helpers: Helpers, behaviour: str, seen: list[Progress] | None = None) -> BuildResult | HelperFailure:
    async with helpers.helper() as helper:
        result = await helper.build(request(behaviour), (seen if seen is not None else []).append)
        if isinstance(result, BuildResult):
            await helper.released()
        return result


def alive(pid: str) -> bool:
    return os.path.exists(f"/proc/{pid}")


async def pid_of(helpers: Helpers) -> str:
    result = await build(helpers, "good")
    assert isinstance(result, BuildResult)
    return result.guest_os


async def test_a_build_tells_its_progress_and_result(helpers: Helpers) -> None:
    seen: list[Progress] = []
    result = await build(helpers, "good", seen)
    assert isinstance(result, BuildResult)
    assert (result.store_port, result.console_frame, result.phases) == (1, 4, (("parse", 5),))
    assert seen == [Progress(50, "image")]


async def test_a_helper_serves_one_build_after_another(helpers: Helpers) -> None:
    assert len({await pid_of(helpers) for _ in range(6)}) <= 2


async def test_a_guest_is_saved_by_a_helper_of_its_own_that_has_the_file(helpers: Helpers, tmp_path: Path) -> None:
    told: list[Progress] = []
    for domid, failure in ((7, None), (28, HelperFailure("failed", 28, "domain:save", "full"))):
        with (tmp_path / "image").open("wb") as image:
            async with helpers.alone(image.fileno()) as helper:
                assert await helper.save(Save(domid, image.fileno()), told.append) == failure
        assert (tmp_path / "image").read_text() == f"saved {domid}"
    assert told == [Progress(40, "memory")] * 2
    assert isinstance(await build(helpers, "good"), BuildResult)


async def test_a_failed_build_is_told_and_its_helper_goes_on(helpers: Helpers) -> None:
    failure = await build(helpers, "bad")
    assert failure == HelperFailure("failed", 12, "dom:memory", "no memory")
    assert isinstance(await build(helpers, "good"), BuildResult)


@pytest.mark.parametrize(
    ("behaviour", "words"), [("crash", "SIGSEGV"), ("exit", "status 3"), ("rubbish", "no proper reply")]
)
async def test_a_helper_that_dies_or_raves_costs_one_build_only(helpers: Helpers, behaviour: str, words: str) -> None:
    with pytest.raises(HelperLost, match=words):
        await build(helpers, behaviour)
    assert isinstance(await build(helpers, "good"), BuildResult)


async def test_a_cancelled_build_kills_its_helper(helpers: Helpers) -> None:
    pids = {await pid_of(helpers)}
    async with helpers.helper(), helpers.helper():
        pass  # both were started
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await build(helpers, "hang")
    again = {await pid_of(helpers) for _ in range(4)}
    assert again
    assert pids


async def test_no_more_builds_run_at_once_than_there_are_helpers(helpers: Helpers) -> None:
    async with helpers.helper(), helpers.helper():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await build(helpers, "good")
    assert isinstance(await build(helpers, "good"), BuildResult)


async def test_no_helper_outlives_the_driver(program: Path) -> None:
    helpers = Helpers(program, 2)
    await helpers.open()
    pids = {await pid_of(helpers) for _ in range(3)}
    hanging = asyncio.create_task(build(helpers, "hang"))
    await asyncio.sleep(0.05)
    await helpers.close()
    with pytest.raises(HelperLost):
        await hanging
    assert not any(alive(pid) for pid in pids)
    await helpers.close()


async def test_a_program_that_is_missing_or_broken_is_noticed_at_once(tmp_path: Path) -> None:
    with pytest.raises(HelperLost, match="cannot be run"):
        await Helpers(tmp_path / "absent", 1).open()
    with pytest.raises(HelperLost, match="status 0"):
        await Helpers(Path("/bin/true"), 1).open()
