"""How the demo looks: a line for each step as it happens, a table at the end."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_LINE: Final = 140
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""What a shell sends to a terminal beside text."""


class Unexpected(Exception):
    """Something is not as it should be."""


class Step:
    """One step under way."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """What is worth saying of it."""
        self.notes.append(text)

    def expect(self, what: str, actual: object, wanted: object) -> None:
        """Raises Unexpected if they differ."""
        if actual != wanted:
            raise Unexpected(f"{what} is {actual!r}, expected {wanted!r}")


class Stage:
    """Prints, and remembers for the table."""

    def __init__(self) -> None:
        console = Console(highlight=False)
        self._console: Final = console if console.is_terminal else Console(highlight=False, width=120)
        self._steps: list[tuple[str, float, str, bool]] = []
        self._failed = False

    def title(self, text: str) -> None:
        """The first line."""
        self._console.print(f"[bold]{escape(text)}[/bold]")

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time it, and print how it ended."""
        step, begun = Step(), time.monotonic()
        try:
            yield step
        except BaseException:
            self._done(name, time.monotonic() - begun, "", False)
            raise
        self._done(name, time.monotonic() - begun, "; ".join(step.notes), True)

    def guest(self, untrusted_line: str) -> None:
        """A line that the guest wrote to its console."""
        shown = "".join(char for char in _ESCAPES.sub("", untrusted_line)[:_LINE] if char.isprintable())
        self._console.print(f"            [cyan]guest |[/cyan] [dim]{escape(shown)}[/dim]", soft_wrap=True)

    def failed(self, message: str, log: Sequence[str]) -> None:
        """It ended here, and this is why."""
        self._failed = True
        self._console.print(f"[bold red]not as expected:[/bold red] {escape(message)}")
        for line in log:
            self._console.print(f"  [dim]log | {escape(line[:200])}[/dim]", soft_wrap=True)

    def summary(self) -> int:
        """The table; the exit status of the demo."""
        table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
        table.add_column("step")
        table.add_column("seconds", justify="right")
        table.add_column("result")
        for name, seconds, notes, good in self._steps:
            table.add_row(escape(name), f"{seconds:.3f}", escape(notes) if good else "[red]failed[/red]")
        self._console.print(table)
        good = not self._failed and all(step[3] for step in self._steps)
        if good:
            total = sum(step[1] for step in self._steps)
            self._console.print(f"[green]all {len(self._steps)} steps as expected[/green], {total:.1f} s")
        else:
            self._console.print("[bold red]the demo failed[/bold red]")
        return 0 if good else 1

    def _done(self, name: str, seconds: float, notes: str, good: bool) -> None:
        self._steps.append((name, seconds, notes, good))
        mark = "[green]ok[/green]  " if good else "[red]FAIL[/red]"
        self._console.print(
            f"{mark} {seconds:7.3f} s  {escape(name)}[dim]{escape(': ' + notes) if notes else ''}[/dim]"
        )
