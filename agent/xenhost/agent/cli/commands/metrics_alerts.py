"""xenhost metrics alerts, xenhost metrics messages"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from xenhost.agent.cli.commands.common import pass_session
from xenhost.agent.cli.failure import ExitCode, Failure
from xenhost.agent.cli.metrics_args import complete_owner, owner_of
from xenhost.agent.cli.session import Session, json_option


@click.group()
def alerts() -> None:
    """Limits that are watched once a minute; what is exceeded becomes a message ALARM."""


@alerts.command("list")
@json_option
@pass_session
def list_(session: Session) -> None:
    """List what is watched."""
    from xenhost.agent.cli.shapes import shape
    from xenhost.api.host.v1 import metrics_service_pb2

    with session.client() as client:
        answer = client.call(client.metrics.ListAlerts, metrics_service_pb2.ListAlertsRequest())
    rows = [{**shape(each.owner), "config": each.config} for each in answer.alerts]
    session.rows(rows, [("kind", "Kind"), ("id", "Id"), ("config", "Configuration")], "nothing is watched")


@alerts.command("set")
@click.argument("words", nargs=-1, metavar="OWNER FILE", shell_complete=complete_owner)
@json_option
@pass_session
def set_(session: Session, words: tuple[str, ...]) -> None:
    """Watch what FILE (- is standard input) says: XenServer's `perfmon` configuration.

    \b
    <config><variable>
      <name value="cpu_usage"/><alarm_trigger_level value="0.9"/>
    </variable></config>
    """
    owner, (file,) = owner_of(words, 1)
    try:
        config = sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"cannot read {file}: {error}", ExitCode.USAGE) from None
    _set(session, owner, config, f"{' '.join(words[:-1])} is watched")


@alerts.command()
@click.argument("words", nargs=-1, metavar="OWNER", shell_complete=complete_owner)
@json_option
@pass_session
def clear(session: Session, words: tuple[str, ...]) -> None:
    """Watch nothing of an owner any more."""
    owner, _ = owner_of(words, 0)
    _set(session, owner, "", f"{' '.join(words)} is not watched")


@click.group()
def messages() -> None:
    """What the host had to say: alarms, bonds that lost a link."""


@messages.command("list")
@json_option
@pass_session
def list_messages(session: Session) -> None:
    """List the messages, oldest first."""
    from xenhost.agent.cli.shapes import shape
    from xenhost.api.host.v1 import metrics_service_pb2

    with session.client() as client:
        answer = client.call(client.metrics.ListMessages, metrics_service_pb2.ListMessagesRequest())
    rows = [shape(each) for each in answer.messages]
    if not session.as_json:
        for row in rows:
            row["body"] = row["body"].splitlines()[0] if row["body"] else ""
    columns = [
        *(("time", "Time"), ("name", "Name"), ("priority", "Priority"), ("class_name", "Class")),
        *(("object_id", "Object"), ("id", "Id"), ("body", "Body")),
    ]
    session.rows(rows, columns, "there are no messages", optional=("id", "object_id"))


@messages.command()
@click.argument("id")
@json_option
@pass_session
def delete(session: Session, id: str) -> None:
    """Delete a message that was read."""
    from xenhost.api.host.v1 import metrics_service_pb2

    with session.client() as client:
        client.call(client.metrics.DeleteMessage, metrics_service_pb2.DeleteMessageRequest(id=id))
    session.say("deleted")


def _set(session: Session, owner: object, config: str, done: str) -> None:
    from xenhost.agent.cli.shapes import shape
    from xenhost.api.host.v1 import metrics_service_pb2

    request = metrics_service_pb2.SetAlertsRequest(owner=owner, config=config)  # type: ignore[arg-type] # imported late
    with session.client() as client:
        answer = client.call(client.metrics.SetAlerts, request)
    if session.as_json:
        session.line({**shape(answer.owner), "config": answer.config})
    else:
        click.echo(done)
