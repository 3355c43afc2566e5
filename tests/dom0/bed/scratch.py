"""Trees of hard links, to work in a copy of a big directory without copying it."""

import shutil
import subprocess
from pathlib import Path

from bed.report import BedError


class Scratch:
    """A copy of a tree in hard links: new files may be made in it, existing ones must not be written to."""

    def __init__(self, tree: Path, scratch: Path) -> None:
        self._tree = tree
        self._scratch = scratch

    def __enter__(self) -> Path:
        hardlink(self._tree, self._scratch)
        return self._scratch

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)


def hardlink(source: Path, target: Path) -> None:
    """Link a tree to a new place, file by file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["cp", "-al", str(source), str(target)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BedError(f"cannot copy {source}: {done.stderr[-1000:]}")
