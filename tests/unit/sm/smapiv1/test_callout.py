from pathlib import Path

import pytest

from xenhost.core.errors import NotImplementedHere
from xenhost.core.storage_errors import SrBackendFailure
from xenhost.sm.command import Commands
from xenhost.sm.smapiv1.callout import HostPlugins


def plugin(folder: Path, *lines: str) -> HostPlugins:
    path = folder / "tapdisk-pause"
    path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    path.chmod(0o755)
    return HostPlugins(folder, Commands())


def answer(members: str) -> str:
    value = f"<value><struct>{members}</struct></value>"
    return f"echo '<methodResponse><params><param>{value}</param></params></methodResponse>'"


STATUS = "<member><name>Status</name><value>{}</value></member>"


async def test_a_plugin_is_given_the_session_and_its_arguments(tmp_path: Path) -> None:
    said = answer(STATUS.format("Success") + "<member><name>Value</name><value>True</value></member>")
    plugins = plugin(tmp_path, f'printf %s "$1" >{tmp_path}/seen', said)
    assert await plugins.call("tapdisk-pause", "OpaqueRef:s", "pause", {"vdi_uuid": "v"}) == "True"
    seen = (tmp_path / "seen").read_text()
    assert all(word in seen for word in ("<methodName>pause<", "OpaqueRef:s", "vdi_uuid", ">v<"))


@pytest.mark.parametrize("name", ["missing", "../tapdisk-pause", "", "a/b", "x" * 100])
async def test_a_plugin_that_is_not_there_is_a_clear_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotImplementedHere, match="there is no plugin"):
        await plugin(tmp_path, "exit 0").call(name, "s", "f", {})


@pytest.mark.parametrize("line", ["exit 1", "echo hello", answer(STATUS.format("Failure")), "kill -9 $$"])
async def test_a_plugin_that_fails_is_an_error(tmp_path: Path, line: str) -> None:
    with pytest.raises(SrBackendFailure):
        await plugin(tmp_path, line).call("tapdisk-pause", "s", "f", {})
