"""The terminal of `xenhost vm console`: keys go to the guest as they are typed, Ctrl-] leaves."""

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

ESCAPE: Final = b"\x1d"
"""Ctrl-], as with virsh and xl."""


class Terminal:
    """Standard input and output, raw while entered if they are a terminal. A pipe works too: its end leaves."""

    def __init__(self, fd_in: int | None = None, fd_out: int | None = None) -> None:
        self._in: Final = sys.stdin.fileno() if fd_in is None else fd_in
        self._out: Final = sys.stdout.fileno() if fd_out is None else fd_out
        self._before: list[object] | None = None
        self._wake_read, self._wake_write = -1, -1

    def __enter__(self) -> Self:
        self._wake_read, self._wake_write = os.pipe()
        if os.isatty(self._in):
            self._before = termios.tcgetattr(self._in)
            tty.setraw(self._in)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            termios.tcsetattr(self._in, termios.TCSADRAIN, self._before)  # type: ignore[arg-type]  # as it was given
        os.close(self._wake_write)  # `keys` ends, if the guest did first

    def keys(self) -> Iterator[bytes]:
        """What is typed, until Ctrl-], the end of input, or the end of the console. Runs in a thread of gRPC."""
        try:
            while True:
                # A signal (the window was resized, say) does not end this: Python calls select again
                readable, _, _ = select.select([self._in, self._wake_read], [], [])
                if self._in not in readable:
                    return
                typed = os.read(self._in, 1024)
                before, escape, _ = typed.partition(ESCAPE)
                if before:
                    yield before
                if escape or not typed:
                    return
        finally:
            os.close(self._wake_read)

    def show(self, output: bytes) -> None:
        """What the guest says, as it is: the terminal is its own."""
        while output:
            output = output[os.write(self._out, output) :]

    def remark(self, text: str) -> None:
        """A line of ours, on standard error."""
        end = "\r\n" if self._before is not None else "\n"
        os.write(2, f"{text}{end}".encode())
