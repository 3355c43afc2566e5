"""The user's terminal, for an interactive shell in dom0."""

import contextlib
import os
import sys
import termios
import tty
from collections.abc import Iterator


def size() -> tuple[int, int]:
    """Rows and columns; 24 by 80 where there is no terminal."""
    try:
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        return 24, 80
    return rows, columns


@contextlib.contextmanager
def raw(fd: int) -> Iterator[None]:
    """Every key, ctrl-C included, goes to the other side; restored in any case. No-op on what is no terminal."""
    if not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
