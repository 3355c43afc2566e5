"""The conformance suite: our examples keep every promise, and a plugin that breaks one is found out."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from kit.scripts import ROOT, example, script
from xenhost.sm.sdk.conformance import promises, promises_scripts
from xenhost.sm.sdk.conformance.__main__ import main
from xenhost.sm.sdk.conformance.report import BROKEN, Outcome
from xenhost.sm.sdk.conformance.scripts import ScriptFolder, ScriptPlace
from xenhost.sm.sdk.conformance.suite import attempt, named


@pytest.mark.timeout(300)
def test_the_smapiv3_example_keeps_every_promise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = example(tmp_path / "root")
    (tmp_path / "sr").mkdir()
    junit = tmp_path / "report.xml"
    status = main([str(root), "--device-config", f"path={tmp_path}/sr", "--json", "--junit", str(junit)])
    outcomes = json.loads(capsys.readouterr().out)
    assert [each for each in outcomes if each["result"] == BROKEN] == []
    assert status == 0
    assert len(outcomes) > 30
    assert not list((tmp_path / "sr").iterdir())
    suite = ElementTree.parse(junit).getroot()
    assert (suite.get("failures"), suite.get("tests")) == ("0", str(len(outcomes)))


@pytest.mark.timeout(300)
def test_a_smapiv1_executable_is_tried_through_a_host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = ROOT / "docs/howto/examples/DirSR"
    some = ("--only", "written", "--only", "destroyed", "--only", "clone", "--only", "shrink")
    status = main([str(program), "--device-config", f"location={tmp_path}/sr", "--json", *some])
    outcomes = json.loads(capsys.readouterr().out)
    assert [each for each in outcomes if each["result"] == BROKEN] == []
    assert status == 0
    assert len(outcomes) == 7


def _tried(tmp_path: Path, root: Path, *wanted: str) -> Sequence[Outcome]:
    (tmp_path / "sr").mkdir()
    datapaths = {"rawdir": ScriptFolder(root / "datapath/rawdir", 10)}
    plugin = ScriptFolder(root / "volume/org.xenhost.storage.rawdir", 10)
    place = ScriptPlace(plugin, datapaths, {"path": f"{tmp_path}/sr"})
    place.create_sr()
    place.attach_sr()
    all_of_them = dict([*named(promises_scripts.PROMISES, place), *named(promises.PROMISES, place)])
    return [attempt(name, all_of_them[name]) for name in wanted]


def _replaced(root: Path, method: str, lines: str) -> None:
    path = root / "volume/org.xenhost.storage.rawdir" / method
    path.unlink()
    script(path.parent, method, lines)


@pytest.mark.parametrize(
    ("method", "lines", "promise", "text"),
    [
        ("SR.stat", "sleep 30", "the_sr_record_names_the_sr", "no answer within"),
        ("SR.stat", "kill -11 $$", "a_new_sr_is_empty_and_healthy", "exit status -11"),
        ("SR.stat", "echo done; exit 0", "a_new_sr_is_empty_and_healthy", "one JSON value"),
        ("SR.stat", "echo '{\"oops\": 1}'; exit 1", "a_new_sr_is_empty_and_healthy", "a failure must print"),
        ("Volume.resize", "echo null", "a_volume_grows_and_keeps_its_content", "not grown"),
        ("Volume.destroy", "echo null", "a_destroyed_volume_is_gone", "still lists"),
        ("Volume.stat", "echo '{}'", "keys_with_slashes_and_dots_lead_nowhere", "must not name a volume"),
        ("Volume.set", "echo null", "keys_are_kept_with_a_volume", "the keys are {}"),
        ("Volume.set", "echo '5'; exit 1", "every_method_reports_a_missing_volume", "a failure must print"),
        ("SR.probe", "echo '[]'", "a_probe_finds_the_sr_and_changes_nothing", "not among"),
        ("SR.create", "echo '{}'", "an_sr_is_not_made_on_top_of_another", "must fail, and did not"),
        ("Volume.revert", "echo null", "reverting_brings_back_what_was_and_keeps_the_snapshot", "other bytes"),
    ],
)
def test_a_broken_promise_is_named(tmp_path: Path, method: str, lines: str, promise: str, text: str) -> None:
    root = example(tmp_path / "root")
    if method == "SR.create":  # the first creation is needed
        lines = f'[ -e {tmp_path}/sr/sr.json ] && {{ {lines}; exit; }}; exec "$(dirname $0)/plugin.py" SR.create --json'
    _replaced(root, method, lines)
    (found,) = _tried(tmp_path, root, promise)
    assert found.result == BROKEN
    assert text in found.text


def test_a_snapshot_that_shares_its_data_with_its_origin_is_found_out(tmp_path: Path) -> None:
    root = example(tmp_path / "root")
    program = root / "volume/org.xenhost.storage.rawdir/plugin.py"
    program.write_text(
        program.read_text().replace("copy(data(sr, key), data(sr, new))", "os.link(data(sr, key), data(sr, new))")
    )
    found = _tried(
        tmp_path, root, "a_snapshot_is_read_only_and_keeps_what_was", "a_clone_and_its_origin_are_independent"
    )
    assert [each.result for each in found] == [BROKEN, BROKEN]


def test_what_cannot_be_run_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([str(tmp_path)], [str(tmp_path / "none")], [str(tmp_path), "--device-config", "x"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
    assert "must hold one volume plugin" in capsys.readouterr().err


def test_one_plugin_of_several_is_chosen_by_its_type(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = example(tmp_path / "root")
    shutil.copytree(root / "volume/org.xenhost.storage.rawdir", root / "volume/org.example.other", symlinks=True)
    with pytest.raises(SystemExit):
        main([str(root)])
    assert "org.example.other, org.xenhost.storage.rawdir" in capsys.readouterr().err
    assert main([str(root), "--plugin", "rawdir", "--device-config", "path=/nowhere"]) == 1
    assert "/nowhere is not a directory" in capsys.readouterr().out
