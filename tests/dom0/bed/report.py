"""What the tool tells its user while it works."""

import sys
import time


class Progress:
    """Short lines with the seconds since the start, on standard error."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        """Print one progress line."""
        if not self._quiet:
            sys.stderr.write(f"[bed {time.monotonic() - self._start:6.1f}] {text}\n")
            sys.stderr.flush()


class BedError(Exception):
    """The bed cannot do what was asked; the message says why and what would help."""
