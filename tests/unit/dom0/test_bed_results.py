"""What the bed makes of the lines that its plugin writes in dom0."""

import json
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from bed import flake, results
from bed.results import Outcome, Result


def write(path: Path, *events: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def report(node: str, when: str, outcome: str, **more: object) -> dict[str, object]:
    event = {"event": "report", "node": node, "when": when, "outcome": outcome, "seconds": 0.5}
    return {**event, "xfail": False, "text": "", "sections": [], **more}


def passed(node: str) -> list[dict[str, object]]:
    start: dict[str, object] = {"event": "start", "node": node}
    return [start, *(report(node, when, "passed") for when in ("setup", "call", "teardown"))]


def test_a_passed_test_is_passed_and_its_phases_add_up(tmp_path: Path) -> None:
    session = results.read(write(tmp_path / "r", *passed("t.py::a"), {"event": "finish", "status": 0}))
    assert session.results["t.py::a"].outcome is Outcome.PASSED
    assert session.results["t.py::a"].seconds == pytest.approx(1.5)
    assert session.status == 0


@pytest.mark.parametrize("when", ["setup", "call", "teardown"])
def test_a_failure_in_any_phase_is_a_failure(tmp_path: Path, when: str) -> None:
    events = passed("t.py::a")
    failed = report("t.py::a", when, "failed", text="boom", sections=[["Captured log", "why"]])
    events = [failed if e.get("when") == when else e for e in events]
    result = results.read(write(tmp_path / "r", *events)).results["t.py::a"]
    assert result.outcome is Outcome.FAILED
    assert "boom" in result.text
    assert "why" in result.text


def test_a_test_that_never_ended_is_a_failure(tmp_path: Path) -> None:
    events = [*passed("t.py::a"), *passed("t.py::b")[:1]]
    session = results.read(write(tmp_path / "r", *events))
    assert session.results["t.py::b"].outcome is Outcome.FAILED
    assert session.status is None


def test_a_line_cut_by_the_death_of_the_machine_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "r", *passed("t.py::a"))
    path.write_text(path.read_text() + '{"event": "rep')
    assert list(results.read(path).results) == ["t.py::a"]


def test_no_file_is_no_results_and_not_finished(tmp_path: Path) -> None:
    session = results.read(tmp_path / "none")
    assert session.results == {}
    assert session.status is None


def test_a_module_that_cannot_be_collected_is_a_failure(tmp_path: Path) -> None:
    event: dict[str, object] = {"event": "collect-error", "node": "t.py", "text": "ImportError"}
    assert results.read(write(tmp_path / "r", event)).results["t.py"].outcome is Outcome.FAILED


def test_the_summary_counts_outcomes_and_never_hides_flakes() -> None:
    every = [
        Result("a", Outcome.PASSED),
        Result("b", Outcome.PASSED, flakes=2),
        Result("c", Outcome.FAILED),
        Result("d", Outcome.SKIPPED),
    ]
    assert results.summary(every[2:]) == "0 passed, 1 failed, 1 skipped"
    assert results.summary(every) == ("2 passed, 1 failed, 1 skipped (2 emulator flakes in 1 tests, retried)")


def test_junit_has_every_test_with_its_outcome(tmp_path: Path) -> None:
    every = [
        Result("tests/xen/test_a.py::test_x", Outcome.PASSED, 1.0),
        Result("tests/xen/test_a.py::test_y", Outcome.FAILED, text="bad \x1b[31mred"),
        Result("tests/xen/test_a.py::test_z", Outcome.SKIPPED, text="not here"),
    ]
    results.write_junit(every, tmp_path / "j.xml")
    suite = Xml.parse(tmp_path / "j.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    assert [case.get("name") for case in suite] == ["test_x", "test_y", "test_z"]
    assert {case.get("classname") for case in suite} == {"tests.xen.test_a"}


def test_the_flake_is_seen_on_xens_console(tmp_path: Path) -> None:
    log = tmp_path / "console"
    log.write_text("(XEN) d1v0 Triple fault - invoking HVM shutdown action 1\nother\n")
    assert flake.signs(log) == ["(XEN) d1v0 Triple fault - invoking HVM shutdown action 1"]


def test_an_ordinary_console_shows_no_flake(tmp_path: Path) -> None:
    log = tmp_path / "console"
    log.write_text("(XEN) d1 crashed\nKernel panic\n")
    assert flake.signs(log) == []
    assert flake.signs(tmp_path / "none") == []


def test_what_passes_only_at_a_second_attempt_is_said(tmp_path: Path) -> None:
    first = Result("t.py::a", Outcome.FAILED, text="too slow")
    once = results.tried_again(first, Result("t.py::a", Outcome.PASSED))
    assert (once.outcome, once.unsteady) == (Outcome.PASSED, "too slow")
    assert results.summary([once]) == "1 passed, 0 failed, 0 skipped (1 passed only at a second attempt)"
    results.write_junit([once], tmp_path / "j.xml")
    assert "too slow" in (Xml.parse(tmp_path / "j.xml").getroot().findtext(".//system-out") or "")


def test_what_fails_twice_has_failed_with_both_reasons() -> None:
    first = Result("t.py::a", Outcome.FAILED, text="too slow", flakes=1)
    twice = results.tried_again(first, Result("t.py::a", Outcome.FAILED, text="broken"))
    assert (twice.outcome, twice.unsteady, twice.flakes) == (Outcome.FAILED, "", 1)
    assert "too slow" in twice.text
    assert "broken" in twice.text
