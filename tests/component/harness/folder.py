"""A folder for an agent: a short one, as sockets lie in it. Image servers outlive the agent, and are ended with it."""

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def short_folder() -> Iterator[Path]:
    """It is removed at last, and nothing runs in it any more."""
    with TemporaryDirectory(prefix="xh-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            yield folder
        finally:
            for pidfile in folder.rglob("run/xenhost/sm/*/*/pid"):
                with contextlib.suppress(OSError, ValueError):
                    os.kill(int(pidfile.read_text()), signal.SIGKILL)
