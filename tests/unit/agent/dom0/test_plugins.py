"""Plugins and extensions, as executables."""

import asyncio
import os
import shutil
import time
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from kit.scripts import ROOT, script
from xenhost.agent.dom0.config import PluginSettings
from xenhost.agent.dom0.plugins import MAX_OUTPUT, Answer, Plugins, extension_answer, plugin_answer
from xenhost.sm.command import Commands
from xenhost.system import xmlrpc

EXAMPLE = ROOT / "docs/howto/examples/host-plugin/space"


def runner(folder: Path, seconds: float = 20.0) -> Plugins:
    settings = PluginSettings((folder / "plugins", folder / "ours"), (folder / "extensions",), seconds)
    return Plugins(settings, Commands(), structlog.get_logger("test"))


def success(value: xmlrpc.Value) -> str:
    return xmlrpc.dump_response({"Status": "Success", "Value": value})


async def test_the_example_of_the_howto_answers(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    shutil.copy(EXAMPLE, tmp_path / "plugins/space")
    plugins = runner(tmp_path)
    with capture_logs() as logs:
        answer = await plugins.call("space", "free", "OpaqueRef:s", {"path": str(tmp_path)})
    assert answer.failure == ()
    assert int(str(answer.value)) > 0
    assert [entry["stderr"] for entry in logs] == [f"looked at {tmp_path}\n"]
    missing = await plugins.call("space", "free", "", {"path": "/nowhere"})
    assert missing.failure == ("NO_SUCH_PLACE", "/nowhere", "No such file or directory")
    unknown = await plugins.call("space", "used", "", {})
    assert unknown.failure == ("UNKNOWN_XENAPI_PLUGIN_FUNCTION", "used")


async def test_a_plugin_gets_the_call_as_its_only_argument(tmp_path: Path) -> None:
    script(tmp_path / "ours", "say", f'printf "%s" "$*" > {tmp_path}/call\nprintf "%s" "{success("yes")}"')
    answer = await runner(tmp_path).call("say", "fn", "OpaqueRef:s", {"a": "<&>", "ü": "\n"})
    assert answer == Answer("yes")
    call = xmlrpc.load_call((tmp_path / "call").read_text())
    assert (call.method, call.params) == ("fn", ("OpaqueRef:s", {"a": "<&>", "ü": "\n"}))


@pytest.mark.parametrize(
    "name", ["../plugins/say", "/bin/true", ".", "..", "", "say\0", "folder", "not-executable", "x" * 9999]
)
async def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    script(tmp_path / "plugins", "say", "echo")
    (tmp_path / "plugins/folder").mkdir()
    (tmp_path / "plugins/not-executable").touch()
    answer = await runner(tmp_path).call(name, "fn", "", {})
    assert answer.failure == ("XENAPI_MISSING_PLUGIN", name[:4096])


@pytest.mark.parametrize(
    ("lines", "failure"),
    [
        ("echo out; echo err >&2; exit 3", ("XENAPI_PLUGIN_FAILURE", "non-zero exit", "out\n", "err\n")),
        ("kill -SEGV $$", ("XENAPI_PLUGIN_FAILURE", "signal: SIGSEGV", "", "")),
        ("echo nonsense", ("XENAPI_PLUGIN_FAILURE", "failed to parse plugin output", "nonsense\n")),
        ("head -c 2000000 /dev/zero", ("XENAPI_PLUGIN_FAILURE", "too much output", "")),
    ],
)
async def test_a_plugin_that_fails_says_how(tmp_path: Path, lines: str, failure: tuple[str, ...]) -> None:
    script(tmp_path / "plugins", "bad", lines)
    answer = await runner(tmp_path).call("bad", "fn", "", {})
    assert answer.failure[: len(failure)] == failure
    assert all(len(item) <= MAX_OUTPUT for item in answer.failure)


async def test_a_plugin_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    script(tmp_path / "plugins", "slow", f"sleep 60 & echo $! > {tmp_path}/child\necho begun\nwait")
    answer = await runner(tmp_path, 0.5).call("slow", "fn", "", {})
    assert answer.failure[:3] == ("XENAPI_PLUGIN_FAILURE", "timeout", "begun\n")
    await gone(int((tmp_path / "child").read_text()))


async def test_a_plugin_whose_caller_has_gone_is_killed(tmp_path: Path) -> None:
    script(tmp_path / "plugins", "slow", f"echo $$ > {tmp_path}/part; mv {tmp_path}/part {tmp_path}/pid; sleep 60")
    calling = asyncio.create_task(runner(tmp_path).call("slow", "fn", "", {}))
    while not (tmp_path / "pid").exists():
        await asyncio.sleep(0.02)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    await gone(int((tmp_path / "pid").read_text()))


async def test_arguments_are_bounded(tmp_path: Path) -> None:
    script(tmp_path / "plugins", "say", "echo")
    plugins = runner(tmp_path)
    for args in ({"a": "x" * 200_000}, {"a": "\x01"}):
        answer = await plugins.call("say", "fn", "", args)
        assert answer.failure[:2] == ("XENAPI_PLUGIN_FAILURE", "unexpected argument")


async def test_an_extension_reads_its_call_and_may_answer_anything(tmp_path: Path) -> None:
    answer = success({"list": [1, 2.5, True], "text": "t"})
    script(tmp_path / "extensions", "Test.hello", f'cat > {tmp_path}/call\necho "$1" > {tmp_path}/arg\necho "{answer}"')
    plugins = runner(tmp_path)
    assert await plugins.has_extension("Test.hello")
    assert not await plugins.has_extension("Test.bye")
    found = await plugins.extend("Test.hello", ["you", {"k": [1]}])
    assert found == Answer({"list": [1, 2.5, True], "text": "t"})
    assert (tmp_path / "arg").read_text() == "--xmlrpc\n"
    call = xmlrpc.load_call((tmp_path / "call").read_bytes())
    assert (call.method, call.params) == ("Test.hello", ("you", {"k": [1]}))
    assert (await plugins.extend("Test.bye", [])).failure == ("MESSAGE_METHOD_UNKNOWN", "Test.bye")


async def test_an_extension_that_fails_is_an_internal_error(tmp_path: Path) -> None:
    path = script(tmp_path / "extensions", "Bad.exit", "echo out; exit 1")
    answer = await runner(tmp_path).extend("Bad.exit", [])
    assert answer.failure == ("INTERNAL_ERROR", str(path), "non-zero exit", "out\n", "")


def test_what_plugins_print_is_read_as_xapi_reads_it() -> None:
    failure = xmlrpc.dump_response({"Status": "Failure", "ErrorDescription": ["CODE", "a", "b"]})
    assert plugin_answer(failure).failure == ("CODE", "a", "b")
    assert extension_answer("p", failure).failure == ("CODE", "a", "b")
    plain = xmlrpc.dump_response({"Status": "Failure", "ErrorDescription": "CODE"})
    assert extension_answer("p", plain).failure == ("CODE",)
    for odd in (xmlrpc.dump_response("text"), success(1), xmlrpc.dump_response({"Status": "Failure"})):
        assert plugin_answer(odd).failure[:2] == ("XENAPI_PLUGIN_FAILURE", "unexpected XMLRPC result")
    assert extension_answer("p", xmlrpc.dump_response([])).failure[0] == "EXTENSION_PROTOCOL_FAILURE"
    fault = "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>7</int></value></member>"
    fault += "<member><name>faultString</name><value>why</value></member></struct></value></fault></methodResponse>"
    assert plugin_answer(fault).failure == ("XENAPI_PLUGIN_FAILURE", "fault", "7", "why")


async def gone(pid: int) -> None:
    """Wait until a process has ended; a zombie has."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if ") Z " in Path(f"/proc/{pid}/stat").read_text():
                return
        except (ProcessLookupError, FileNotFoundError):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"process {pid} still runs")
