"""`make demo`: what a newcomer sees first."""

import asyncio
import os
import shutil
import sys

import pytest


async def demo(*words: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "xenhost.agent.demo", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "COLUMNS": "200"},
    )
    output, _ = await asyncio.wait_for(process.communicate(), 170)
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.timeout(180)
async def test_the_demo_does_the_main_job_through_the_pool_master_and_says_so() -> None:
    code, said = await demo()
    assert code == 0, said
    assert "the Management API is at http://127.0.0.1:" in said
    for step in (
        "hot plug a second disk",
        "snapshot it while it runs",
        "kill -9 xenhostd",
        "the VM did not notice",
        "kill -9 xenpoold",
        "shut it down cleanly",
        "revert it to its snapshot",
    ):
        assert step in said
    assert "steps as expected" in said
    assert "guest |" in said


@pytest.mark.timeout(180)
async def test_the_demo_does_the_main_job_by_the_agent_alone() -> None:
    code, said = await demo("--agent")
    assert code == 0, said
    for step in (
        "hot plug a second disk",
        "move the second network card",
        "kill -9 xenhostd",
        "the VM did not notice",
        "shut it down cleanly",
    ):
        assert step in said
    assert ("snapshot its disk while it runs" in said) is bool(shutil.which("qemu-storage-daemon"))
    assert "steps as expected" in said
    assert "guest |" in said


@pytest.mark.timeout(180)
async def test_a_demo_that_goes_wrong_says_where_and_exits_with_1() -> None:
    code, said = await demo("--agent", "--bridge", "nobridge")
    assert code == 1
    assert "there is no network or bridge 'nobridge'" in said
    assert "the demo failed" in said


@pytest.mark.skipif(os.path.exists("/proc/xen/capabilities"), reason="this machine runs on Xen")
@pytest.mark.timeout(180)
async def test_a_demo_without_a_hypervisor_says_so() -> None:
    code, said = await demo("--hypervisor", "xen", "--kernel", sys.executable, "--ramdisk", sys.executable)
    assert code == 1
    assert "xenhostd ended at once" in said
