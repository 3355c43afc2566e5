"""`make test`: every test this machine can run, then one summary. Prints what was left out and why.

The tests that run on the machine itself, and beside them, inside an emulated machine of one processor, those that need
a dom0 but no Xen; then those that need real Xen. A few failures are tried once more, with nothing beside them; what
passes then is printed as UNSTEADY (docs/adr/0006).
"""

import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PYTHON: Final = str(ROOT / ".venv/bin/python")
REPORTS: Final = ROOT / "build/test"
NOT_XEN: Final = "not xen and not xen_pvh and not xen_hvm"
LIMIT: Final = 3600
"""Seconds for the tests on this machine: one that hangs where its own timeout does not reach, as while it is taken
down, is interrupted, so that it is said which and what had failed before."""
BED: Final = ("env", "PYTHONPATH=tests/dom0", PYTHON, "-m", "bed", "test")


@dataclass(frozen=True, slots=True)
class Phase:
    """Some of the tests."""

    title: str
    report: Path
    """Its JUnit file."""
    command: tuple[str, ...]
    limit: float | None = None
    """Seconds; None if the command has its own."""

    def run(self) -> int:
        """Its exit status."""
        print(f"== {self.title}", flush=True)
        self.report.unlink(missing_ok=True)
        with subprocess.Popen(self._whole_command(), cwd=ROOT) as running:
            try:
                return running.wait(self.limit)
            except subprocess.TimeoutExpired:
                running.send_signal(signal.SIGINT)
                return running.wait()

    @contextmanager
    def beside(self, statuses: list[int]) -> Iterator[None]:
        """Run it while something else runs; then print what it said, and add its exit status."""
        self.report.unlink(missing_ok=True)
        log = self.report.with_suffix(".log")
        with log.open("wb") as out:
            running = subprocess.Popen(self._whole_command(), cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
        try:
            yield
            statuses.append(running.wait())
        finally:
            running.terminate()
        print(f"== {self.title}\n{log.read_text(errors='replace')}", flush=True)

    def _whole_command(self) -> list[str]:
        return [*self.command, f"--junitxml={self.report}"]


HERE: Final = Phase("tests on this machine", REPORTS / "here.xml", (PYTHON, "-m", "pytest", "-q", "-m", NOT_XEN), LIMIT)
AGAIN: Final = Phase(
    "what failed on this machine, alone", REPORTS / "again.xml", (*HERE.command, "--last-failed"), LIMIT
)
UNSTEADY: Final = 4
"""Failed tests that are tried once more; if there are more, it is no accident."""
BARE: Final = Phase(
    "tests on a machine like a dom0, without Xen", REPORTS / "bare.xml", (*BED, "--bare", "--limit", "3600")
)
XEN: Final = Phase("tests on real Xen", REPORTS / "xen.xml", (*BED, "--limit", "2700"))


def main() -> int:
    REPORTS.mkdir(parents=True, exist_ok=True)
    statuses: list[int] = []
    with BARE.beside(statuses):
        here = HERE.run()
    unsteady = _tried_again() if here == pytest.ExitCode.TESTS_FAILED else []
    statuses.append(0 if unsteady else here)
    statuses.append(XEN.run())
    passed = failed = skipped = 0
    for phase in (HERE, BARE, XEN):
        counts, reasons = read(phase.report)
        passed, failed, skipped = (a + b for a, b in zip((passed, failed, skipped), counts, strict=True))
        for reason in reasons:
            print(f"left out: {reason}")
    passed, failed = passed + len(unsteady), failed - len(unsteady)
    for name in unsteady:
        print(f"UNSTEADY {name}: failed, and passed alone; its failure is above, and in {HERE.report}")
    print("left out: the tests marked bare_long, more than an hour under emulation: `make test-bare ARGS=--long`")
    print("left out: the tests marked xen_long, hours under emulation: `make test-xen ARGS=--long`")
    broken = any(statuses) or not passed
    if broken and not failed:
        failed = 1
        print(f"a run ended badly without a failed test: exit codes {', '.join(map(str, statuses))}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if broken else 0


def _tried_again() -> list[str]:
    """The tests that failed here, if they are few and all pass alone; else none."""
    names = [
        f"{case.get('classname')}.{case.get('name')}"
        for case in ET.parse(HERE.report).getroot().iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]
    return names if len(names) <= UNSTEADY and AGAIN.run() == pytest.ExitCode.OK else []


def read(report: Path) -> tuple[tuple[int, int, int], list[str]]:
    """(passed, failed, skipped) and why each was skipped, of a JUnit report; zeros if there is none."""
    if not report.exists():
        return (0, 0, 0), []
    passed = failed = 0
    reasons = []
    for case in ET.parse(report).getroot().iter("testcase"):
        skip = case.find("skipped")
        if skip is not None:
            reasons.append(f"{case.get('classname')}.{case.get('name')}: {skip.get('message')}")
        elif case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        else:
            passed += 1
    return (passed, failed, len(reasons)), reasons


if __name__ == "__main__":
    sys.exit(main())
