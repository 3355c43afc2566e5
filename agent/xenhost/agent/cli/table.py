"""Tables for people: with rich on a terminal, plain aligned columns elsewhere."""

import sys
from collections.abc import Mapping, Sequence
from shutil import get_terminal_size
from typing import Any

import click

_COLOURS = {
    "running": "green",
    "succeeded": "green",
    "attached": "green",
    "halted": "bright_black",
    "paused": "yellow",
    "attaching": "yellow",
    "detaching": "yellow",
    "cancelling": "yellow",
    "failed": "red",
    "cancelled": "red",
}


def show_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[tuple[str, str]], empty: str, optional: Sequence[str] = ()
) -> None:
    """Print rows; `columns` are (field, title). A terminal that is too narrow does without the optional ones."""
    if not rows:
        click.echo(empty, err=True)
        return
    if sys.stdout.isatty():
        left = list(optional)
        while left and _width(rows, columns) > get_terminal_size().columns:
            columns = [column for column in columns if column[0] != left[0]]
            left.pop(0)
        _show_rich([[_text(row.get(name)) for name, _ in columns] for row in rows], [title for _, title in columns])
        return
    cells = [[_text(row.get(name)) for name, _ in columns] for row in rows]
    titles = [title.upper() for _, title in columns]
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    for line in [titles, *cells]:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def show_fields(fields: Sequence[tuple[str, Any]]) -> None:
    """Print (title, value) lines; a value that is a list takes one line for each item. Empty values are left out."""
    shown = [(title, value) for title, value in fields if value not in (None, "", [], ())]
    width = max((len(title) for title, _ in shown), default=0)
    for title, value in shown:
        lines = [_text(item) for item in value] if isinstance(value, list | tuple) else [_text(value)]
        for number, line in enumerate(lines):
            click.echo(f"{title if number == 0 else '':<{width}}  {_styled(line)}")


def _width(rows: Sequence[Mapping[str, Any]], columns: Sequence[tuple[str, str]]) -> int:
    longest = (max(len(title), *(len(_text(row.get(name))) for row in rows)) for name, title in columns)
    return sum(width + 2 for width in longest) + 1


def _show_rich(cells: Sequence[Sequence[str]], titles: Sequence[str]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1), collapse_padding=True)
    for number, title in enumerate(titles):
        last = number == len(titles) - 1  # only the last one is broken into lines: the rest is names and numbers
        table.add_column(title, overflow="fold", no_wrap=not last)
    for line in cells:
        # Text, not str: names come from users and guests, and must not be taken for markup
        table.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in line))
    Console().print(table)


def _styled(text: str) -> str:
    colour = _COLOURS.get(text)
    return click.style(text, fg=colour) if colour else text


def _text(value: object) -> str:
    """One line without control characters: a foreign domain's name must not drive the terminal."""
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(map(str, value)) or "-"
        case _:
            return "".join(char if char.isprintable() else "?" for char in str(value))
