"""Plugins written with the SDK speak SMAPIv3."""

import io
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from kit.scripts import EXAMPLE, ROOT, example
from xenhost.sm.sdk import (
    ActivatedOnAnotherHost,
    BackendFailure,
    BlockDevice,
    ChangedBlocks,
    DatapathPlugin,
    File,
    Nbd,
    PluginInfo,
    ProbeResult,
    SrStat,
    Volume,
    VolumeDoesNotExist,
    VolumePlugin,
    XenDisk,
)
from xenhost.sm.sdk.dispatch import run


class Small(VolumePlugin):
    """Overrides a few methods."""

    info = PluginInfo(plugin="small", name="Small", features=["VDI_REVERT"], configuration={"path": "where"})

    def sr_attach(self, configuration: Mapping[str, str]) -> str:
        """Attach it."""
        print("a stray print")
        return configuration["path"]

    def sr_stat(self, sr: str) -> SrStat:
        return SrStat(sr, "n", "d", 1, 2, health="Recovering", health_text="why")

    def sr_ls(self, sr: str) -> Sequence[Volume]:
        return (Volume("k", "n", "d", 5, ["x:///k"], keys={"a": "b"}),)

    def sr_probe(self, configuration: Mapping[str, str]) -> Sequence[ProbeResult]:
        return [ProbeResult({"a": "b"}, complete=True, sr=self.sr_stat("s"))]

    def volume_destroy(self, sr: str, key: str) -> None:
        errors: dict[str, Exception] = {
            "gone": VolumeDoesNotExist(key),
            "full": BackendFailure(44, "full"),
            "busy": ActivatedOnAnotherHost("host"),
            "odd": KeyError("oops"),
        }
        if key in errors:
            raise errors[key]

    def volume_list_changed_blocks(self, sr: str, key: str, key2: str, offset: int, length: int) -> ChangedBlocks:
        return ChangedBlocks(65536, b"\x80")


class Path_(DatapathPlugin):
    """All ways."""

    info = PluginInfo(plugin="way", name="Way")

    def attach(self, uri: str, domain: str) -> Sequence[BlockDevice | File | Nbd | XenDisk]:
        return [BlockDevice("/dev/x"), File("/x"), Nbd("/sock", "e"), XenDisk("/dev/x")]


def _call(plugin: VolumePlugin | DatapathPlugin, method: str, **arguments: object) -> tuple[int, Any]:
    out = io.StringIO()
    status = run(plugin, [f"/somewhere/{method}", "--json"], io.StringIO(json.dumps(arguments)), out)
    return status, json.loads(out.getvalue())


def test_the_name_of_the_script_is_the_method_whatever_its_case() -> None:
    for name in ("SR.attach", "sr.ATTACH"):
        assert _call(Small(), name, dbg="d", configuration={"path": "/p"}) == (0, "/p")


def test_records_are_written_as_the_protocol_has_them() -> None:
    assert _call(Small(), "SR.stat", sr="s")[1]["health"] == ["Recovering", "why"]
    (volume,) = _call(Small(), "SR.ls", sr="s")[1]
    assert (volume["read_write"], volume["volume_type"], volume["uuid"]) == (True, "Data", None)
    (found,) = _call(Small(), "SR.probe", configuration={})[1]
    assert (found["complete"], found["sr"]["total_space"], found["extra_info"]) == (True, 2, {})
    changed = _call(Small(), "Volume.list_changed_blocks", sr="s", key="a", key2="b", offset=0, length=-1)[1]
    assert changed == {"granularity": 65536, "bitmap": "gA=="}
    query = _call(Small(), "Plugin.Query", dbg="")[1]
    assert (query["plugin"], query["features"], query["required_api_version"]) == ("small", ["VDI_REVERT"], "5.0")
    assert _call(Path_(), "Datapath.attach", uri="u", domain="d")[1] == {
        "implementations": [
            ["BlockDevice", {"path": "/dev/x"}],
            ["File", {"path": "/x"}],
            ["Nbd", {"uri": "nbd:unix:/sock:exportname=e"}],
            ["XenDisk", {"params": "/dev/x", "backend_type": "vbd", "extra": {}}],
        ]
    }


def test_a_method_without_an_answer_answers_null() -> None:
    assert _call(Small(), "Volume.destroy", sr="s", key="k") == (0, None)


@pytest.mark.parametrize(
    ("key", "code", "params"),
    [
        ("gone", "Volume_does_not_exist", ["gone"]),
        ("full", "SR_BACKEND_FAILURE_44", ["full"]),
        ("busy", "Activated_on_another_host", ["host"]),
        ("odd", "SR_BACKEND_FAILURE", ["KeyError", "'oops'"]),
    ],
)
def test_an_exception_becomes_a_report(key: str, code: str, params: list[str]) -> None:
    status, report = _call(Small(), "Volume.destroy", sr="s", key=key)
    assert (status, report["code"], report["params"]) == (1, code, params)
    assert report["backtrace"]["files"]
    assert len(report["backtrace"]["files"]) == len(report["backtrace"]["lines"])


def test_an_argument_that_is_missing_is_named_and_one_too_many_is_left_out() -> None:
    status, report = _call(Small(), "Volume.destroy", sr="s")
    assert (status, report["params"]) == (1, ["Volume.destroy needs key"])
    assert _call(Small(), "Volume.destroy", sr="s", key="k", new="x") == (0, None)


def test_a_method_that_is_not_overridden_is_unimplemented() -> None:
    out = io.StringIO()
    assert run(Small(), ["plugin.py", "SR.create", "--json"], io.StringIO("{}"), out) == 1
    assert json.loads(out.getvalue())["code"] == "Unimplemented"


def test_a_method_can_be_called_by_hand() -> None:
    out = io.StringIO()
    argv = ["plugin.py", "SR.attach", "static-vdis", "--configuration", "path", "/p", "--configuration", "b", "c"]
    assert run(Small(), argv, io.StringIO(), out) == 0
    assert json.loads(out.getvalue()) == "/p"
    out = io.StringIO()
    argv = ["Volume.list_changed_blocks", "dbg", "s", "a", "b", "0", "-1"]
    assert run(Small(), argv, io.StringIO(), out) == 0


def test_help_lists_the_methods() -> None:
    out = io.StringIO()
    assert run(Small(), ["plugin.py", "--help"], io.StringIO(), out) == 0
    assert "SR.attach" in out.getvalue()
    assert "Attach it." in out.getvalue()
    assert "SR.create" not in out.getvalue()


def test_the_example_installs_links_for_what_it_can(tmp_path: Path) -> None:
    root = example(tmp_path)
    links = {path.name for path in (root / "volume" / "org.xenhost.storage.rawdir").iterdir() if path.is_symlink()}
    assert {"SR.attach", "Volume.snapshot", "Plugin.Query"} <= links
    assert not {"Volume.list_changed_blocks", "Plugin.diagnostics"} & links


def test_a_print_in_a_plugin_does_not_spoil_its_answer(tmp_path: Path) -> None:
    program = tmp_path / "plugin.py"
    source = (EXAMPLE / "volume/org.xenhost.storage.rawdir/plugin.py").read_text()
    program.write_text(
        source.replace(
            "        path = directory(configuration)\n",
            '        path = directory(configuration)\n        print("stray")\n',
        )
    )
    done = subprocess.run(
        [sys.executable, program, "SR.probe", "--json"],
        input=json.dumps({"configuration": {"path": str(tmp_path)}}),
        env={"PYTHONPATH": str(ROOT / "sm")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)[0]["complete"] is True
    assert "stray" in done.stderr


def test_the_sdk_needs_only_the_standard_library() -> None:
    code = "import sys, xenhost.sm.sdk, xenhost.sm.sdk.conformance.__main__; print(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": str(ROOT / "sm")},
        capture_output=True,
        text=True,
        check=True,
    )
    roots = {name.partition(".")[0] for name in done.stdout.split()} - {"xenhost", "__main__", "sitecustomize"}
    assert roots <= set(sys.stdlib_module_names)
    ours = {
        name for name in done.stdout.split() if name.startswith("xenhost.") and not name.startswith("xenhost.sm.sdk")
    }
    assert ours == {"xenhost.sm"}
