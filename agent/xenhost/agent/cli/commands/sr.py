"""xenhost sr"""

from __future__ import annotations

from typing import Any

import click

from xenhost.agent.cli.commands.common import (
    complete_sr,
    operation_options,
    pass_session,
    rate_option,
    request_id_option,
    sr_argument,
)
from xenhost.agent.cli.commands.sr_make import create, introduce, probe, types
from xenhost.agent.cli.parse import PAIR
from xenhost.agent.cli.session import Session, json_option
from xenhost.core.units import human_size


@click.group()
def sr() -> None:
    """Storage repositories. An SR is given by name or UUID."""


for _command in (types, probe, create, introduce):
    sr.add_command(_command)


@sr.command()
@sr_argument
@operation_options
@pass_session
def attach(session: Session, sr: str, no_wait: bool, request_id: str) -> None:
    """Make an SR usable on this host, and scan it. The agent does it by itself after a restart."""
    from xenhost.api.host.v1.sr_service_pb2 import AttachSrRequest

    _run(session, "AttachSr", AttachSrRequest(id=sr, request_id=request_id), no_wait, "{name} is attached")


@sr.command()
@sr_argument
@operation_options
@pass_session
def detach(session: Session, sr: str, no_wait: bool, request_id: str) -> None:
    """Let go of an SR: unmount, log out. No VDI of it may be in use."""
    from xenhost.api.host.v1.sr_service_pb2 import DetachSrRequest

    _run(session, "DetachSr", DetachSrRequest(id=sr, request_id=request_id), no_wait, "{name} is detached")


@sr.command()
@sr_argument
@operation_options
@pass_session
def destroy(session: Session, sr: str, no_wait: bool, request_id: str) -> None:
    """Delete an SR that holds no VDI."""
    from xenhost.api.host.v1.sr_service_pb2 import DestroySrRequest

    _run(session, "DestroySr", DestroySrRequest(id=sr, request_id=request_id), no_wait, "{name} is destroyed")


@sr.command()
@sr_argument
@request_id_option
@json_option
@pass_session
def forget(session: Session, sr: str, request_id: str) -> None:
    """Forget a detached SR. What is on it stays; `introduce` brings it back."""
    from xenhost.api.host.v1.sr_service_pb2 import ForgetSrRequest

    with session.client() as client:
        client.call(client.srs.ForgetSr, ForgetSrRequest(id=sr, request_id=request_id))
    session.say(f"{sr} is forgotten; what is on it stays")


@sr.command()
@sr_argument
@operation_options
@pass_session
def scan(session: Session, sr: str, no_wait: bool, request_id: str) -> None:
    """Look at everything on an SR: new VDIs appear, those that are gone are forgotten."""
    from xenhost.api.host.v1.sr_service_pb2 import ScanSrRequest

    _run(session, "ScanSr", ScanSrRequest(id=sr, request_id=request_id), no_wait, "{name} is scanned")


@sr.command()
@sr_argument
@click.option("--name", help="Another name.")
@click.option("--description", help="Another description.")
@click.option("--other-config", type=PAIR, multiple=True, help="KEY=VALUE; `KEY=` removes the key. Repeatable.")
@operation_options
@pass_session
def update(
    session: Session,
    sr: str,
    name: str | None,
    description: str | None,
    other_config: tuple[tuple[str, str], ...],
    no_wait: bool,
    request_id: str,
) -> None:
    """Change an SR: only what is given."""
    from xenhost.agent.cli.waiting import carry_out
    from xenhost.api.host.v1.sr_service_pb2 import UpdateSrRequest

    with session.client() as client:
        current = client.sr(sr)
        request = UpdateSrRequest(request_id=request_id)
        request.sr.id = current.id
        for field, value in (("name", name), ("description", description)):
            if value is not None:
                setattr(request.sr, field, value)
                request.update_mask.paths.append(field)
        if other_config:
            merged = {key: value for key, value in {**current.other_config, **dict(other_config)}.items() if value}
            request.sr.other_config.update(merged)
            request.update_mask.paths.append("other_config")
        if not request.update_mask.paths:
            raise click.UsageError("nothing to change was given; see --help")
        carry_out(session, client, client.call(client.srs.UpdateSr, request), no_wait, "{name} is changed")


@sr.command()
@sr_argument
@json_option
@pass_session
def chores(session: Session, sr: str) -> None:
    """List what could be deleted or merged on an SR now. The agent does so by itself in the background."""
    from xenhost.agent.cli.shapes import shape
    from xenhost.api.host.v1.sr_service_pb2 import ListChoresRequest

    with session.client() as client:
        rows = [shape(each) for each in client.call(client.srs.ListChores, ListChoresRequest(id=sr)).chores]
    if not session.as_json:
        for row in rows:
            row["reads"], row["needs"] = human_size(row["reads_bytes"]), human_size(row["needs_bytes"])
    columns = [("id", "Chore"), ("kind", "Kind"), ("reads", "Copies"), ("needs", "Needs"), ("text", "What")]
    session.rows(rows, columns, "nothing to delete or merge", optional=("needs", "reads"))


@sr.command()
@sr_argument
@click.option("--chore", default="", metavar="ID", help="Only this one of `xenhost sr chores`; default: all.")
@rate_option
@operation_options
@pass_session
def coalesce(session: Session, sr: str, chore: str, rate: int, no_wait: bool, request_id: str) -> None:
    """Delete and merge now what can be: chains become shorter, space becomes free. VMs may run on."""
    from xenhost.api.host.v1.sr_service_pb2 import CoalesceSrRequest

    request = CoalesceSrRequest(id=sr, chore_id=chore, bytes_per_second=rate, request_id=request_id)
    _run(session, "CoalesceSr", request, no_wait, "{name} is tidied up")


@sr.command("list")
@json_option
@pass_session
def list_(session: Session) -> None:
    """List the SRs."""
    from xenhost.agent.cli.shapes import shape

    with session.client() as client:
        rows = [shape(each) for each in client.list_srs()]
    if not session.as_json:
        for row in rows:
            status = row["status"]
            row["state"] = "attached" if status["attached"] else "detached"
            row |= {"problem": status["problem"], "used": _of(status), "health": status["health"]}
    columns = [("name", "Name"), ("type", "Type"), ("state", "State"), ("used", "Used"), ("id", "UUID")]
    if any(row.get("problem") for row in rows):
        columns.append(("problem", "Problem"))
    session.rows(rows, columns, "no SRs yet; make one with `xenhost sr create`", optional=("id",))


@sr.command()
@sr_argument
@json_option
@pass_session
def show(session: Session, sr: str) -> None:
    """Show one SR. Secrets of its configuration read ********."""
    from xenhost.agent.cli.shapes import shape

    with session.client() as client:
        row = shape(client.sr(sr))
    status = row["status"]
    session.one(
        row,
        [
            ("name", row["name"]),
            ("id", row["id"]),
            ("description", row["description"]),
            ("type", row["type"]),
            ("content", row["content_type"]),
            ("state", "attached" if status["attached"] else "detached"),
            ("health", status["health"] if status["health"] != "unspecified" else ""),
            ("problem", status["problem"]),
            ("used", _of(status)),
            ("virtual", human_size(status["virtual_allocation_bytes"])),
            ("shared", row["shared"]),
            ("device config", [f"{key}={value}" for key, value in row["device_config"].items()]),
            ("sm config", [f"{key}={value}" for key, value in row["sm_config"].items()]),
            ("other config", [f"{key}={value}" for key, value in row["other_config"].items()]),
            ("operations", status["current_operations"]),
            ("allowed", [", ".join(status["allowed_operations"])] if status["allowed_operations"] else None),
        ],
    )


@sr.command()
@click.argument("sr", required=False, default="", shell_complete=complete_sr)
@json_option
@pass_session
def datapaths(session: Session, sr: str) -> None:
    """List who uses which VDI on this host."""
    from xenhost.agent.cli.shapes import shape
    from xenhost.api.host.v1.sr_service_pb2 import ListDatapathsRequest

    with session.client() as client:
        found = client.call(client.srs.ListDatapaths, ListDatapathsRequest(sr_id=sr)).datapaths
        names = {} if session.as_json else {vdi.id: vdi.name for vdi in client.list_vdis(sr)}
    rows = [shape(each) for each in found]
    for row in rows if not session.as_json else []:
        row["vdi"] = names.get(row["vdi_id"]) or row["vdi_id"]
    columns = [("name", "Datapath"), ("vdi", "VDI"), ("mode", "Mode"), ("state", "State"), ("source", "Source")]
    session.rows(rows, columns, "no VDI is in use")


def _run(session: Session, method: str, request: Any, no_wait: bool, done: str) -> None:
    from xenhost.agent.cli.waiting import carry_out

    with session.client() as client:
        carry_out(session, client, client.call(getattr(client.srs, method), request), no_wait, done)


def _of(status: dict[str, Any]) -> str:
    if not status["physical_size_bytes"]:
        return ""
    return f"{human_size(status['physical_utilisation_bytes'])} of {human_size(status['physical_size_bytes'])}"
