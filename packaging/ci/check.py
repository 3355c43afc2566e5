"""`make check`: run every check, also after one has failed, and list those that did."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
BIN: Final = ROOT / ".venv/bin"

CHECKS: Final[dict[str, list[str]]] = {
    "style": [f"{BIN}/ruff", "check", "--quiet"],
    "format": [f"{BIN}/ruff", "format", "--quiet", "--check"],
    "types": [f"{BIN}/mypy"],
    "layers": [f"{BIN}/lint-imports", "--no-cache"],
    "generated code": [f"{BIN}/python", "proto/generate.py", "--check"],
    "C warnings and sanitizers": ["make", "-s", "-C", "native", "check", f"PYTHON={BIN}/python"],
}


def main() -> int:
    failed = []
    for name, command in CHECKS.items():
        start = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        verdict = "FAILED" if done.returncode else "ok"
        print(f"{name:30} {verdict:8}{time.monotonic() - start:6.1f} s", flush=True)
        if done.returncode:
            failed.append(name)
            print(done.stdout)
    print(f"{len(CHECKS) - len(failed)} checks passed, {len(failed)} failed{': ' if failed else ''}{', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
