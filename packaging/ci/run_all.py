"""`make test`: every test this machine can run, then one summary. Prints what was left out and why.

First the tests that run on the machine itself, then those that need real Xen, inside an emulated dom0.
"""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PYTHON: Final = str(ROOT / ".venv/bin/python")
HERE: Final = ROOT / "build/test/here.xml"
XEN: Final = ROOT / "build/test/xen.xml"
NOT_XEN: Final = "not xen and not xen_pvh and not xen_hvm"


def main() -> int:
    HERE.parent.mkdir(parents=True, exist_ok=True)
    for report in (HERE, XEN):
        report.unlink(missing_ok=True)
    print("== tests on this machine", flush=True)
    here = subprocess.run([PYTHON, "-m", "pytest", "-q", "-m", NOT_XEN, f"--junitxml={HERE}"], cwd=ROOT)
    print("== tests on real Xen", flush=True)
    bed = [PYTHON, "-m", "bed", "test", f"--junitxml={XEN}"]
    xen = subprocess.run(bed, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT / "tests/dom0")})
    passed = failed = skipped = 0
    for report in (HERE, XEN):
        counts, reasons = read(report)
        passed, failed, skipped = (a + b for a, b in zip((passed, failed, skipped), counts, strict=True))
        for reason in reasons:
            print(f"left out: {reason}")
    print("left out: the tests marked xen_long, hours under emulation: `make test-xen ARGS=--long`")
    broken = here.returncode or xen.returncode or not passed
    if broken and not failed:
        failed = 1
        print(f"a run ended badly without a failed test: exit codes {here.returncode} and {xen.returncode}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if broken else 0


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
