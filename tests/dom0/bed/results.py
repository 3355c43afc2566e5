"""Test results: read from the lines that the plugin in dom0 wrote, summed up, written as JUnit XML."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml


class Outcome(StrEnum):
    """How a test ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(slots=True)
class Result:
    """One test."""

    node: str
    outcome: Outcome
    seconds: float = 0.0
    text: str = ""
    flakes: int = 0  # attempts spoiled by the emulator
    unsteady: str = ""  # what the first attempt failed with, if the second passed


@dataclass(slots=True)
class Session:
    """One run of pytest in dom0."""

    results: dict[str, Result] = field(default_factory=dict)
    alone: list[str] = field(default_factory=list)  # tests put aside for machines of their own
    status: int | None = None  # pytest's exit status; None: it did not finish


def read(path: Path) -> Session:
    """What the plugin wrote. A test that started and never ended counts as failed."""
    session = Session()
    running: str | None = None
    for event in _events(path):
        match event["event"]:
            case "start":
                running = event["node"]
            case "report":
                _add(session.results, event)
                if event["when"] == "teardown":
                    running = None
            case "collect-error":
                node = event["node"] or "collection"
                session.results[node] = Result(node, Outcome.FAILED, text=event["text"])
            case "alone":
                session.alone = event["nodes"]
            case "finish":
                session.status = event["status"]
    if running is not None:
        text = "the machine or pytest ended, or the time was up, while this test ran"
        session.results[running] = Result(running, Outcome.FAILED, text=text)
    return session


def _events(path: Path) -> Iterable[dict[str, Any]]:
    if not path.exists():
        return
    for line in path.read_text(errors="replace").splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # the last line of a machine that died
            continue


def _add(results: dict[str, Result], event: dict[str, Any]) -> None:
    node = event["node"]
    result = results.setdefault(node, Result(node, Outcome.PASSED))
    result.seconds += event["seconds"]
    match event["outcome"]:
        case "failed":
            result.outcome = Outcome.FAILED
            parts = [f"[{event['when']}]", event["text"]]
            parts += [f"--- {title}\n{content}" for title, content in event["sections"]]
            result.text += "\n".join(parts)
        case "skipped" if result.outcome is not Outcome.FAILED:
            result.outcome = Outcome.SKIPPED
            result.text = "expected failure" if event["xfail"] else event["text"]


def tried_again(first: Result, second: Result) -> Result:
    """What counts of a test that failed and was tried once more."""
    if second.outcome is Outcome.FAILED:
        second.text = f"{first.text}\n--- and again, alone on a fresh machine:\n{second.text}"
    else:
        second.unsteady = first.text or "failed"
    second.flakes += first.flakes
    return second


def summary(results: Iterable[Result]) -> str:
    """``N passed, N failed, N skipped`` and, where there were any, what passed only when it was tried again."""
    every = list(results)
    counts = {o: sum(r.outcome is o for r in every) for o in Outcome}
    text = ", ".join(f"{counts[o]} {o}" for o in Outcome)
    flakes = sum(r.flakes for r in every)
    if flakes:
        tests = sum(r.flakes > 0 for r in every)
        text += f" ({flakes} emulator flakes in {tests} tests, retried)"
    if unsteady := sum(r.unsteady != "" for r in every):
        text += f" ({unsteady} passed only at a second attempt)"
    return text


def write_junit(results: Iterable[Result], path: Path) -> None:
    """JUnit XML of all results."""
    every = list(results)
    suite = Xml.Element("testsuite", name="xen", tests=str(len(every)))
    for outcome, name in ((Outcome.FAILED, "failures"), (Outcome.SKIPPED, "skipped")):
        suite.set(name, str(sum(r.outcome is outcome for r in every)))
    suite.set("time", f"{sum(r.seconds for r in every):.3f}")
    for result in every:
        file, _, name = result.node.partition("::")
        classname = file.removesuffix(".py").replace("/", ".")
        case = Xml.SubElement(suite, "testcase", classname=classname, name=name or file)
        case.set("time", f"{result.seconds:.3f}")
        text = _legal(result.text)
        if result.outcome is Outcome.FAILED:
            Xml.SubElement(case, "failure", message=text[:200]).text = text
        elif result.outcome is Outcome.SKIPPED:
            Xml.SubElement(case, "skipped", message=text[:200])
        if result.flakes or result.unsteady:
            Xml.SubElement(case, "system-out").text = f"emulator flakes: {result.flakes}\n{_legal(result.unsteady)}"
    root = Xml.Element("testsuites")
    root.append(suite)
    Xml.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _legal(text: str) -> str:
    """Without what XML has no form for."""
    return "".join(c for c in text if c in "\n\t" or c >= " ")
