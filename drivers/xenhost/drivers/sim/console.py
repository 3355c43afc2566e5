"""A serial console: a real pseudo-terminal with a small scripted guest behind it."""

import asyncio
import os
import tty
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

_LONGEST_LINE: Final = 256


class SimConsole:
    """One console. The near end is a terminal that anyone in dom0 may open, as with xenconsoled."""

    def __init__(self, name: str, banner: str, commands: Mapping[str, Callable[[], str]]) -> None:
        self._prompt: Final = f"{name}:~# "
        self._banner: Final = banner
        self._commands: Final = commands
        self._line = ""
        self._master = -1
        self._slave = -1
        self.path = ""
        """`/dev/pts/N` while open."""

    def open(self) -> None:
        """Make the terminal and let the guest speak. Raises OSError if there are no more terminals."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)  # the guest's end does the echo, as a real one does
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        asyncio.get_running_loop().add_reader(self._master, self._readable)
        self._say(self._banner + self._prompt)

    def close(self) -> None:
        """Hang up: readers see the end."""
        if self._master >= 0:
            asyncio.get_running_loop().remove_reader(self._master)
            os.close(self._master)
            os.close(self._slave)
            self._master = self._slave = -1
            self.path = ""

    def _readable(self) -> None:
        with suppress(BlockingIOError, OSError):
            for char in os.read(self._master, 4096).decode("latin-1"):
                self._typed(char)
                if self._master < 0:
                    return

    def _typed(self, char: str) -> None:
        match char:
            case "\r" | "\n":
                line, self._line = self._line.strip(), ""
                self._say("\n" + self._answer(line))
                self._say(self._prompt)
            case "\x7f" | "\b":
                if self._line:
                    self._line = self._line[:-1]
                    self._say("\b \b")
            case "\x03":
                self._line = ""
                self._say("^C\n" + self._prompt)
            case _ if char.isprintable() and len(self._line) < _LONGEST_LINE:
                self._line += char
                self._say(char)

    def _answer(self, line: str) -> str:
        word, _, rest = line.partition(" ")
        if not word:
            return ""
        if word == "echo":
            return rest + "\n"
        if word == "help":
            return " ".join(sorted([*self._commands, "echo", "help"])) + "\n"
        command = self._commands.get(word)
        return f"{word}: not found; try help\n" if command is None else command()

    def _say(self, text: str) -> None:
        with suppress(OSError):  # nobody reads and the terminal is full, or it was closed by what was typed: lost
            os.write(self._master, text.replace("\n", "\r\n").encode("latin-1", "replace"))
