"""xenhost event"""

from __future__ import annotations

import time
from typing import Any, Final

import click

from xenhost.agent.cli.commands.common import pass_session
from xenhost.agent.cli.failure import ExitCode, Failure
from xenhost.agent.cli.session import Session, json_option

RETRY_SECONDS: Final = 1.0
"""Between two attempts to reach an agent that has gone away."""
_KINDS: Final = (
    *("host", "vm", "domain", "operation", "sr", "vdi"),
    *("network", "pif", "bond", "vlan", "tunnel", "network_sriov", "vm_guest_metrics", "message", "sm"),
)


@click.group()
def event() -> None:
    """Follow what changes."""


@event.command()
@click.option("--token", default="", metavar="TOKEN", help="Resume after the message that carried this token.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(_KINDS),
    help="Only these objects. Repeatable.",
)
@click.option("--once", is_flag=True, help="End when the agent goes away, instead of waiting for it to come back.")
@json_option
@pass_session
def follow(session: Session, token: str, kinds: tuple[str, ...], once: bool) -> None:
    """Print changes as they happen, until Ctrl-C.

    A change is a reference and a revision; `xenhost vm show` and the others show the object. When the connection
    breaks it is resumed where it ended; if changes were lost meanwhile, a line says so.
    """
    from xenhost.agent.cli.shapes import shape
    from xenhost.api.host.v1 import event_service_pb2

    wanted = [event_service_pb2.ObjectKind.Value(f"OBJECT_KIND_{kind.upper()}") for kind in kinds]
    connected = False
    try:
        with session.client() as client:
            while True:
                try:
                    for message in client.events(token, wanted):
                        connected, token = True, message.resume_token
                        for change in message.events:
                            _print(session, shape(change) | {"resume_token": token})
                except Failure as failure:
                    if connected and failure.reason == "EVENTS_LOST":
                        token = ""
                        _lost(session)
                        continue
                    if once or not connected or failure.exit_code != ExitCode.UNREACHABLE:
                        raise
                if once:
                    return
                time.sleep(RETRY_SECONDS)
    except KeyboardInterrupt:
        hint = f"resume with `xenhost event follow --token {token}`" if token else ""
        raise Failure("interrupted", ExitCode.INTERRUPTED, hint) from None


def _print(session: Session, row: dict[str, Any]) -> None:
    if session.as_json:
        session.line(row)
    else:
        click.echo(f"{row['revision']:>8}  {row['kind']:<13}  {row['change']:<8}  {row['id']}")


def _lost(session: Session) -> None:
    if session.as_json:
        session.line({"lost": True})
    else:
        click.echo("    lost  some changes were missed: look at the objects again", err=True)
