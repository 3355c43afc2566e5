"""Files stay short enough to read in one sitting."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 450
"""Lines. About 300 is a good size; past this a file is split by noun."""


def test_no_file_has_outgrown_one_sitting() -> None:
    tracked = subprocess.run(["git", "ls-files", "*.py", "*.c"], cwd=ROOT, capture_output=True, text=True, check=True)
    long = {
        name: lines
        for name in tracked.stdout.splitlines()
        if "_pb2" not in name and (lines := len((ROOT / name).read_text().splitlines())) > LIMIT
    }
    assert not long
