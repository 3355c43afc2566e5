import asyncio
import time
from pathlib import Path

import pytest
import structlog

from xenhost.core.errors import XenhostError
from xenhost.core.storage import SrId, VdiId
from xenhost.core.storage_errors import (
    SrBackendFailure,
    SrDeviceInUse,
    SrNotEmpty,
    SrOperationNotSupported,
    VdiInUse,
    VdiMissing,
)
from xenhost.sm.command import Commands
from xenhost.sm.smapiv1.failures import Subject
from xenhost.sm.smapiv1.plugin import Plugin
from xenhost.sm.smapiv1.request import Request

SUBJECT = Subject("vdi_attach", SrId("the-sr"), VdiId("the-vdi"))
NIL = "<methodResponse><params><param><value><nil/></value></param></params></methodResponse>"


def plugin(folder: Path, *lines: str, factor: float = 1.0) -> Plugin:
    path = folder / "XSR"
    path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    path.chmod(0o755)
    return Plugin(path, "host", Commands(), structlog.get_logger(), factor)


async def failure(it: Plugin) -> XenhostError:
    with pytest.raises(XenhostError) as caught:
        await it.call(Request("vdi_attach"), SUBJECT)
    return caught.value


def fault(number: int, text: str = "so it is") -> str:
    members = (
        f"<member><name>faultCode</name><value><int>{number}</int></value></member>"
        f"<member><name>faultString</name><value>{text}</value></member>"
    )
    return f"echo '<methodResponse><fault><value><struct>{members}</struct></value></fault></methodResponse>'"


async def test_a_plugin_gets_one_argument_no_input_and_the_originator(tmp_path: Path) -> None:
    it = plugin(tmp_path, f'echo "$#,$ORIGINATOR,$(cat)" >{tmp_path}/seen', f"echo '{NIL}'")
    assert await it.call(Request("sr_attach"), SUBJECT) is None
    assert (tmp_path / "seen").read_text() == "1,SM,\n"


@pytest.mark.parametrize(
    ("number", "error"),
    [(38, SrOperationNotSupported), (39, SrNotEmpty), (24, VdiInUse), (16, SrDeviceInUse), (144, VdiMissing)],
)
async def test_five_faults_are_errors_of_their_own(tmp_path: Path, number: int, error: type[XenhostError]) -> None:
    assert isinstance(await failure(plugin(tmp_path, fault(number))), error)


async def test_other_faults_keep_their_number_their_text_and_stderr(tmp_path: Path) -> None:
    found = await failure(plugin(tmp_path, "echo 'and more' >&2", fault(107)))
    assert found.as_xenapi() == ["SR_BACKEND_FAILURE_107", "", "so it is", "and more\n"]


@pytest.mark.parametrize("number", [0, -5, 99999999])
async def test_a_number_that_cannot_be_is_a_general_failure(tmp_path: Path, number: int) -> None:
    found = await failure(plugin(tmp_path, fault(number)))
    assert found.reason == "SR_BACKEND_FAILURE_1200"


async def test_a_status_is_told_with_both_outputs(tmp_path: Path) -> None:
    found = await failure(plugin(tmp_path, "echo half; echo why >&2; exit 3"))
    assert found.as_xenapi() == ["SR_BACKEND_FAILURE", "non-zero exit", "half", "why\n"]


async def test_a_plugin_that_crashes_is_told_with_its_signal(tmp_path: Path) -> None:
    found = await failure(plugin(tmp_path, "kill -SEGV $$"))
    assert found.as_xenapi()[1] == "received signal: 11"


@pytest.mark.parametrize("output", ["", "hello", "<methodResponse>", f"noise {NIL}"])
async def test_an_answer_that_cannot_be_read_is_told(tmp_path: Path, output: str) -> None:
    found = await failure(plugin(tmp_path, f"echo '{output}'"))
    assert found.as_xenapi()[1].startswith("its answer cannot be read")
    assert found.as_xenapi()[2] == output


async def test_a_hung_plugin_is_killed_and_what_it_said_is_told(tmp_path: Path) -> None:
    began = time.monotonic()
    found = await failure(plugin(tmp_path, "echo waiting for the server >&2", "sleep 1000", factor=0.002))
    assert time.monotonic() - began < 10
    assert found.as_xenapi()[1].startswith("timeout")
    assert found.as_xenapi()[3] == "waiting for the server\n"


async def test_a_plugin_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    it = plugin(tmp_path, "true")
    it.path.unlink()
    assert "does not start" in str(await failure(it))


async def test_endless_output_is_bounded(tmp_path: Path) -> None:
    found = await failure(plugin(tmp_path, "yes | head -c 40000000"))
    assert isinstance(found, SrBackendFailure)
    assert len(found.values["msg"]) < 20000


async def test_cancelling_kills_it(tmp_path: Path) -> None:
    it = plugin(tmp_path, f"echo $$ >{tmp_path}/pid", "exec sleep 1000")
    task = asyncio.create_task(it.call(Request("vdi_attach"), SUBJECT))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    pid = int((tmp_path / "pid").read_text())
    assert not Path(f"/proc/{pid}").exists()
