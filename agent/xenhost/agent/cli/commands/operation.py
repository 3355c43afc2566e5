"""xenhost operation"""

from __future__ import annotations

from typing import Any

import click

from xenhost.agent.cli.commands.common import pass_session
from xenhost.agent.cli.session import Session, json_option


@click.group()
def operation() -> None:
    """Long-running operations."""


@operation.command("list")
@json_option
@pass_session
def list_(session: Session) -> None:
    """List the operations that the agent knows, oldest first."""
    from xenhost.agent.cli.shapes import operation_shape

    with session.client() as client:
        rows = [operation_shape(each) for each in client.operations()]
    if not session.as_json:
        for row in rows:
            row["percent"] = f"{row['progress']:.0%}"
            row["problem"] = row["error"]["message"] if row["error"] else row["step"]
            row["target_name"] = row["target_name"] or row["target"] or row["target_kind"]
            row["when"] = (row["started"] or "")[:19].replace("T", " ")
    columns = [
        ("id", "Id"),
        ("kind", "Kind"),
        ("target_name", "Object"),
        ("state", "State"),
        ("percent", "Done"),
        ("when", "Started"),
        ("problem", "Step or error"),
    ]
    session.rows(rows, columns, "no operations", optional=("when", "percent"))


@operation.command()
@click.argument("id")
@json_option
@pass_session
def show(session: Session, id: str) -> None:
    """Show one operation."""
    with session.client() as client:
        _print(session, client.operation(_name(id)))


@operation.command()
@click.argument("id")
@json_option
@pass_session
def wait(session: Session, id: str) -> None:
    """Wait for an operation. Ctrl-C cancels it; a second one leaves it running. Fails if it fails."""
    from xenhost.agent.cli.waiting import wait_for

    with session.client() as client:
        _print(session, wait_for(session, client, client.operation(_name(id))))


@operation.command()
@click.argument("id")
@json_option
@pass_session
def cancel(session: Session, id: str) -> None:
    """Ask an operation to stop and undo itself. Returns at once; see `wait`."""
    with session.client() as client:
        client.cancel(_name(id))
        if session.as_json:
            _print(session, client.operation(_name(id)))
    session.say(f"{id} is asked to cancel; see `xenhost operation wait {id}`")


def _print(session: Session, found: Any) -> None:
    from xenhost.agent.cli.shapes import operation_shape

    row = operation_shape(found)
    session.one(
        row,
        [
            ("id", row["id"]),
            ("kind", row["kind"]),
            (row["target_kind"].upper(), f"{row['target_name']} ({row['target']})".strip() if row["target"] else ""),
            ("state", row["state"]),
            ("progress", f"{row['progress']:.0%}"),
            ("step", row["step"]),
            ("started", row["started"]),
            ("ended", row["ended"]),
            ("request", row["request_id"]),
            ("error", row["error"] and f"{row['error']['reason']}: {row['error']['message']}"),
        ],
    )


def _name(untrusted_id: str) -> str:
    return f"operations/{untrusted_id.removeprefix('operations/')}"
