"""Run the tests marked ``xen`` in dom0: most together, those with PVH or HVM guests each on a machine of its own."""

import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bed import flake, results
from bed.bed import CONSOLE_LOG, Bed
from bed.channel import Output
from bed.dom0 import Dom0
from bed.image import Image
from bed.report import BedError, Progress
from bed.results import Outcome, Result, Session
from bed.spec import Spec

DEFAULT_PATHS = ("tests/xen", "tests/bare", "tests/contract")
BARE_PATHS = ("tests/bare",)
NO_TESTS = 5  # pytest's exit status
RESULTS = "results.jsonl"
STUCK_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, and how often a test spoiled by the emulator is tried again."""

    whole: float = 2400.0
    test: float = 420.0
    retries: int = 4
    unsteady: int = 8
    """Failed tests that are tried once more; if there are more, it is no accident."""


@dataclass(frozen=True, slots=True)
class TestRun:
    """One ``bed test``."""

    bed: Bed
    image: Image
    spec: Spec
    files: Path  # the run's directory on the host
    arguments: Sequence[str]  # for pytest
    limits: Limits
    peer: bool
    output: Output
    long: bool = False  # also those marked xen_long or bare_long
    paths: Sequence[str] = ()  # what is tested, if not all
    env: Mapping[str, str] = field(default_factory=dict)  # what else tests are told

    def run(self) -> int:
        """Run everything; the exit status for the tool."""
        deadline = time.monotonic() + self.limits.whole
        archive = self.bed.archive(self.files / "project.tar")
        try:
            together = self._session("together", archive, self._selection(), deadline)
            every = dict(together.results)
            for number, node in enumerate(together.alone, start=1):
                every[node] = self._alone(number, node, archive, deadline)
            failed = [result for result in every.values() if result.outcome is Outcome.FAILED]
            if together.status is not None and len(failed) <= self.limits.unsteady:
                for number, first in enumerate(failed, start=len(together.alone) + 1):
                    every[first.node] = results.tried_again(first, self._alone(number, first.node, archive, deadline))
        finally:
            archive.unlink(missing_ok=True)
        return self._conclude(together, list(every.values()))

    def _selection(self) -> list[str]:
        if any(word.split("::")[0].startswith("tests/") for word in self.arguments):
            return list(self.arguments)
        paths = self.paths or (BARE_PATHS if self.spec.bare else DEFAULT_PATHS)
        return [*self.arguments, *(path for path in paths if (self.bed.project / path).exists())]

    def _marked(self) -> str:
        if self.spec.bare:
            return "bare" if self.long else "bare and not bare_long"
        return "xen" if self.long else "xen and (not xen_long or xen_core)"

    def _session(self, name: str, archive: Path, arguments: Sequence[str], deadline: float) -> Session:
        files = self.files / name
        files.mkdir(parents=True)
        left = deadline - time.monotonic()
        phase = "together" if name == "together" else "alone"
        try:
            if left <= 0:
                raise BedError(f"the time for the whole run ({self.limits.whole:.0f} s) is over")
            if self.peer:
                with self.bed.pair(self.image, self.spec, files, archive) as (dom0, other):
                    self._pytest(dom0, phase, arguments, left)
                    other.gather_logs()
            else:
                with self.bed.dom0(self.image, self.spec, files, archive) as dom0:
                    self._pytest(dom0, phase, arguments, left)
        except BedError as error:
            self.output(f"{name}: {error}\n".encode())
        return results.read(files / RESULTS)

    def _pytest(self, dom0: Dom0, phase: str, arguments: Sequence[str], left: float) -> None:
        argv = ["pytest", "-p", "bed_plugin", "-p", "no:cacheprovider"]
        argv += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # plugins are imported already: warm
        argv += [
            "-m",
            self._marked(),
            f"--timeout={self.limits.test}",
            "--basetemp=/tmp/bed-tests",
        ]
        if phase == "together":
            argv.append("-v")
        else:
            argv += ["-q", "--no-header"]
        if sys.stdout.isatty():
            argv.append("--color=yes")
        env = {
            "BED_RESULTS": f"/mnt/host/{RESULTS}",
            "BED_PHASE": phase,
            "PYTHONPATH": "/opt/xenhost/project/bed:/opt/xenhost/src/tests",
            "PYTHONUNBUFFERED": "1",
        }
        if self.peer:
            env["XENHOST_BED_PEER"] = "10.0.0.2"
        env |= self.env
        idle = max(2 * self.limits.test, STUCK_SECONDS)
        try:
            dom0.run([*argv, *arguments], timeout=left, output=self.output, env=env, warm=True, idle=idle)
        finally:
            dom0.gather_logs()

    def _alone(self, number: int, node: str, archive: Path, deadline: float) -> Result:
        flakes = 0
        while True:
            name = f"alone-{number:02d}" + (f"-again-{flakes}" if flakes else "")
            self.bed.progress.say(f"{node}: alone on a fresh machine")
            session = self._session(name, archive, [node], deadline)
            result = session.results.get(node) or Result(node, Outcome.FAILED, text="it did not run")
            signs = flake.signs(self.files / name / CONSOLE_LOG)
            if signs and result.outcome is not Outcome.FAILED:
                self.output(f"{node}: {result.outcome} in spite of an emulator flake: {signs[0]}\n".encode())
            if result.outcome is not Outcome.FAILED or not signs:
                break
            flakes += 1
            self.bed.progress.say(f"{node}: emulator flake {flakes}: {signs[0]}")
            if flakes > self.limits.retries:
                result.text += f"\nspoiled by the emulator {flakes} times in a row; given up"
                break
        result.flakes = flakes
        return result

    def _conclude(self, together: Session, every: list[Result]) -> int:
        results.write_junit(every, self.files / "junit.xml")
        for result in every:
            if result.unsteady:
                self.output(f"UNSTEADY {result.node}: failed, and passed alone on a fresh machine\n".encode())
        failed = [r for r in every if r.outcome is Outcome.FAILED]
        for result in failed:
            self.output(f"FAILED {result.node}\n".encode())
        finished = together.status in (0, 1, NO_TESTS)
        if not finished:
            self.output(f"pytest did not finish properly: status {together.status}\n".encode())
        self.output(f"results and logs: {self.files}\n".encode())
        self.output(f"{results.summary(every)}\n".encode())
        if failed or not finished:
            return 1
        return 0 if every else NO_TESTS


def new_directory(build: Path, progress: Progress) -> Path:
    """A directory for one run's results under ``build/xen``, also reached as ``latest``; old ones go."""
    parent = build / "xen"
    parent.mkdir(parents=True, exist_ok=True)
    number = 0
    while True:
        stamp = time.strftime("%Y%m%d-%H%M%S") + (f"-{number}" if number else "")
        try:
            (parent / stamp).mkdir()
            break
        except FileExistsError:
            number += 1
    latest = parent / "latest"
    if latest.is_symlink() or not latest.exists():
        made = parent / f"latest-{stamp}"
        made.symlink_to(stamp)
        made.replace(latest)  # another run may begin at this moment
    _forget_old(parent, progress)
    return parent / stamp


def _forget_old(parent: Path, progress: Progress, keep: int = 20) -> None:
    runs = sorted(p for p in parent.iterdir() if p.is_dir() and not p.is_symlink())
    for old in runs[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
        progress.say(f"removed the results of {old.name}")
