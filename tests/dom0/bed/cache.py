"""Results of slow work, kept on disk under a name made of everything that went into them.

An entry is a directory ``KIND-KEY``. It is made in a temporary directory and renamed when complete, so that an
entry that exists is whole. Makers of the same entry wait for each other on a file lock.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

KEEP_PER_KIND = 3
KEEP_SECONDS = 3600.0


def default_root() -> Path:
    """The cache directory: ``$XENHOST_BED_CACHE`` or ``~/.cache/xenhost-bed``."""
    configured = os.environ.get("XENHOST_BED_CACHE")
    return Path(configured) if configured else Path.home() / ".cache" / "xenhost-bed"


def key_of(*parts: str | bytes | Path) -> str:
    """A short content key. Paths count with name, mode and content (directories with all they hold)."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            for name, file in _files(part):
                data = file.read_bytes()
                executable = bool(file.stat().st_mode & 0o100)
                digest.update(f"file {name} {executable} {len(data)}\n".encode())
                digest.update(data)
        else:
            data = part.encode() if isinstance(part, str) else part
            digest.update(f"data {len(data)}\n".encode())
            digest.update(data)
    return digest.hexdigest()[:16]


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield str(file.relative_to(path)), file
    else:
        yield path.name, path


class Cache:
    """A directory of content-addressed entries, safe for concurrent use by several processes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, kind: str, key: str, make: Callable[[Path], None]) -> Path:
        """The entry's directory; ``make`` fills it first where it does not exist. Old entries of the kind go."""
        self.root.mkdir(parents=True, exist_ok=True)
        entry = self.root / f"{kind}-{key}"
        if not entry.is_dir():
            with self.lock(entry.name):
                if not entry.is_dir():
                    self._make(entry, make)
                    self._prune(kind, entry)
        os.utime(entry)
        return entry

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the named lock; waits for other processes without limit (their work is bounded)."""
        locks = self.root / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / name).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def clean(self) -> None:
        """Forget everything."""
        shutil.rmtree(self.root, ignore_errors=True)

    def _make(self, entry: Path, make: Callable[[Path], None]) -> None:
        unfinished = self.root / f"unfinished-{entry.name}"
        shutil.rmtree(unfinished, ignore_errors=True)  # of a maker that was killed: we hold its lock
        unfinished.mkdir()
        try:
            make(unfinished)
            unfinished.rename(entry)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise

    def _prune(self, kind: str, keep: Path) -> None:
        entries = [e for e in self.root.glob(f"{kind}-*") if e.is_dir() and e != keep]
        entries.sort(key=lambda e: e.stat().st_mtime, reverse=True)
        for old in entries[KEEP_PER_KIND - 1 :]:
            if time.time() - old.stat().st_mtime > KEEP_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
