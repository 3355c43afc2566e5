"""What every command has at hand: the agent to talk to, and how to print."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from xenhost.agent.cli.table import show_fields, show_table
from xenhost.agent.cli.target import Target

if TYPE_CHECKING:
    from xenhost.agent.cli.client import Client

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(slots=True)
class Session:
    """One run of the client."""

    target: Target = field(default_factory=Target)
    as_json: bool = False

    def client(self) -> Client:
        """A new connection; close it."""
        from xenhost.agent.cli.client import Client  # gRPC is slow to import, and not every command needs it

        return Client(self.target)

    def rows(
        self,
        rows: Iterable[Mapping[str, Any]],
        columns: Sequence[tuple[str, str]],
        empty: str,
        optional: Sequence[str] = (),
    ) -> None:
        """Print a list: one JSON object per line, or a table of (field, title); see `show_table`."""
        if self.as_json:
            for row in rows:
                self.line(row)
        else:
            show_table(list(rows), columns, empty, optional)

    def one(self, shape: Mapping[str, Any], fields: Sequence[tuple[str, Any]]) -> None:
        """Print one object: JSON, or (title, value) lines."""
        if self.as_json:
            self.line(shape)
        else:
            show_fields(fields)

    def line(self, shape: Mapping[str, Any]) -> None:
        """Print one JSON object on one line."""
        click.echo(json.dumps(shape, ensure_ascii=False))

    def say(self, text: str) -> None:
        """Print a remark for people; nothing with --json."""
        if not self.as_json:
            click.echo(text)


def json_option(command: Command) -> Command:
    """Adds --json to a command; the session knows it."""

    def remember(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
        if value:
            ctx.ensure_object(Session).as_json = True

    option: Callable[[Command], Command] = click.option(
        "--json", is_flag=True, expose_value=False, callback=remember, help="Print JSON instead of tables."
    )
    return option(command)
