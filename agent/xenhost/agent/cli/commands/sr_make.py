"""xenhost sr types, probe, create, introduce"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from xenhost.agent.cli.commands.common import (
    complete_sr_type,
    operation_options,
    pass_session,
    request_id_option,
)
from xenhost.agent.cli.parse import CONFIG, PAIR, SIZE, ConfigArg
from xenhost.agent.cli.session import Session, json_option

Command = TypeVar("Command", bound=Callable[..., Any])
PROBE_SECONDS = 90.0
"""A server that does not answer takes that long to be given up."""


def config_options(command: Command) -> Command:
    """What an SR is reached with."""
    options: list[Callable[[Any], Any]] = [
        click.option(
            *("--device-config", "-c"),
            type=CONFIG,
            multiple=True,
            help="KEY=VALUE, or KEY=@FILE to read a secret from a file; `xenhost sr types TYPE` shows the keys. "
            "Repeatable.",
        ),
        click.option("--sm-config", type=PAIR, multiple=True, help="KEY=VALUE. Repeatable."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def record_options(command: Command) -> Command:
    """What is recorded of an SR."""
    options: list[Callable[[Any], Any]] = [
        click.option(
            "--type", "type_", required=True, shell_complete=complete_sr_type, help="Its type; see `xenhost sr types`."
        ),
        click.option("--description", default="", help="What it is for."),
        click.option("--content-type", default="", help="user, or iso for CD images."),
        click.option("--shared", is_flag=True, help="Other hosts use it too."),
        click.option("--other-config", type=PAIR, multiple=True, help="KEY=VALUE. Repeatable."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("type_", metavar="[TYPE]", required=False, shell_complete=complete_sr_type)
@json_option
@pass_session
def types(session: Session, type_: str | None) -> None:
    """List the types of SRs, or show one with the keys of its device-config."""
    from xenhost.agent.cli.failure import ExitCode, Failure
    from xenhost.agent.cli.shapes import shape

    with session.client() as client:
        rows = [shape(driver) for driver in client.drivers() if type_ in (None, driver.type)]
    if type_ is None:
        columns = [("type", "Type"), ("name", "Name"), ("description", "Description"), ("filename", "Plugin")]
        session.rows(rows, columns, "no types of SRs: no driver could be loaded", optional=("name",))
        return
    if not rows:
        raise Failure(f"there is no type of SR {type_!r}", ExitCode.NOT_FOUND, "`xenhost sr types` shows what there is")
    row = rows[0]
    session.one(
        row,
        [
            ("type", row["type"]),
            ("name", row["name"]),
            ("description", row["description"]),
            ("vendor", row["vendor"]),
            ("version", row["version"]),
            ("plugin", row["filename"]),
            ("images", ", ".join(row["image_formats"])),
            ("device config", [_key(key) for key in row["configuration"]]),
            ("capabilities", [", ".join(row["capabilities"])]),
        ],
    )


@click.command()
@click.argument("type_", metavar="TYPE", shell_complete=complete_sr_type)
@config_options
@json_option
@pass_session
def probe(
    session: Session, type_: str, device_config: tuple[ConfigArg, ...], sm_config: tuple[tuple[str, str], ...]
) -> None:
    """Find SRs, or the next choice to make, with what is known so far. Changes nothing.

    \b
    xenhost sr probe nfs -c server=10.0.0.1
    xenhost sr probe lvmoiscsi -c target=10.0.0.1
    """
    from xenhost.agent.cli.probing import choices, next_commands
    from xenhost.agent.cli.shapes import shape
    from xenhost.api.host.v1.sr_service_pb2 import ProbeSrRequest

    request = ProbeSrRequest(
        type=type_, device_config={each.key: each.value for each in device_config}, sm_config=dict(sm_config)
    )
    with session.client() as client:
        found = shape(client.call(client.srs.ProbeSr, request, PROBE_SECONDS))
        keys = [] if session.as_json else [shape(each) for each in client.drivers() if each.type == type_]
    if session.as_json:
        session.line(found)
        return
    columns, rows = choices(found, {each.key for each in device_config})
    if rows:
        session.rows(rows, columns, "", optional=("description",))
    for line in next_commands(type_, device_config, sm_config, found, keys[0]["configuration"] if keys else []):
        click.echo(line)


@click.command()
@click.argument("name")
@record_options
@config_options
@click.option("--size", type=SIZE, default=0, help="How big; default: all there is.")
@click.option("--id", "id_", default="", metavar="UUID", help="Its UUID; default: a new one.")
@operation_options
@pass_session
def create(session: Session, name: str, size: int, id_: str, no_wait: bool, request_id: str, **options: Any) -> None:
    """Make an empty SR, and attach it. Nothing that is there is overwritten.

    \b
    xenhost sr create local --type file -c location=/srv/sr
    xenhost sr create nas --type nfs --shared -c server=10.0.0.1 -c serverpath=/export
    """
    from xenhost.agent.cli.waiting import carry_out
    from xenhost.api.host.v1.sr_service_pb2 import CreateSrRequest

    request = CreateSrRequest(sr=_message(name, id_, options), size_bytes=size, request_id=request_id)
    with session.client() as client:
        done = "{name} is created and attached, UUID {id}"
        carry_out(session, client, client.call(client.srs.CreateSr, request), no_wait, done)


@click.command()
@click.argument("uuid")
@click.option("--name", required=True, help="What to call it.")
@record_options
@config_options
@request_id_option
@json_option
@pass_session
def introduce(session: Session, uuid: str, name: str, request_id: str, **options: Any) -> None:
    """Record an SR that exists, by its UUID as `probe` shows it. `attach` makes it usable."""
    from xenhost.agent.cli.shapes import shape
    from xenhost.api.host.v1.sr_service_pb2 import IntroduceSrRequest

    request = IntroduceSrRequest(sr=_message(name, uuid, options), request_id=request_id)
    with session.client() as client:
        made = client.call(client.srs.IntroduceSr, request)
    if session.as_json:
        session.line(shape(made))
    else:
        click.echo(f"{made.name} is known; attach it with `xenhost sr attach {made.id}`")


def _message(name: str, uuid: str, options: dict[str, Any]) -> Any:
    from xenhost.api.host.v1 import storage_pb2

    device_config: Sequence[ConfigArg] = options["device_config"]
    return storage_pb2.Sr(
        id=uuid,
        name=name,
        type=options["type_"],
        description=options["description"],
        content_type=options["content_type"],
        shared=options["shared"],
        device_config={each.key: each.value for each in device_config},
        sm_config=dict(options["sm_config"]),
        other_config=dict(options["other_config"]),
    )


def _key(key: dict[str, Any]) -> str:
    marks = [word for word in ("required", "secret") if key[word]]
    return f"{key['name']}{' (' + ', '.join(marks) + ')' if marks else ''}: {key['description']}"
