"""xenhost vdi"""

from __future__ import annotations

from typing import Any

import click

from xenhost.agent.cli.commands.common import complete_sr, pass_session, vdi_argument
from xenhost.agent.cli.commands.vdi_cbt import cbt
from xenhost.agent.cli.commands.vdi_copy import clone, compare, copy, revert, snapshot
from xenhost.agent.cli.commands.vdi_image import export, import_
from xenhost.agent.cli.commands.vdi_make import create, destroy, forget, introduce, resize, update
from xenhost.agent.cli.commands.vdi_nbd import nbd
from xenhost.agent.cli.session import Session, json_option
from xenhost.core.units import human_size


@click.group()
def vdi() -> None:
    """Virtual disk images. A VDI is given by name or UUID."""


for _command in (
    *(create, introduce, destroy, forget, update, resize),
    *(snapshot, clone, copy, revert, compare),
    *(cbt, nbd, import_, export),
):
    vdi.add_command(_command)


@vdi.command("list")
@click.argument("sr", required=False, default="", shell_complete=complete_sr)
@click.option("--all", "all_", is_flag=True, help="Base copies too, which only their descendants use.")
@json_option
@pass_session
def list_(session: Session, sr: str, all_: bool) -> None:
    """List the VDIs, of one SR or of all."""
    from xenhost.agent.cli.shapes import shape

    with session.client() as client:
        found = client.list_vdis(sr)
        srs = {} if session.as_json else {each.id: each.name for each in client.list_srs()}
    rows = [row for row in map(shape, found) if all_ or row["status"]["managed"]]
    if not session.as_json:
        for row in rows:
            status = row["status"]
            row["sr"] = srs.get(row["sr_id"]) or row["sr_id"]
            row["size"] = human_size(row["virtual_size_bytes"])
            row["used"] = human_size(status["physical_utilisation_bytes"])
            row["kind"] = _kind(row)
            row["users"] = len(status["datapaths"]) or ""
            row["problem"] = _problem(status)
    columns = [
        ("name", "Name"),
        ("sr", "SR"),
        ("size", "Size"),
        ("used", "Used"),
        ("kind", "Kind"),
        ("users", "Users"),
        ("id", "UUID"),
    ]
    if any(row.get("problem") for row in rows):
        columns.append(("problem", "Problem"))
    session.rows(rows, columns, "no VDIs yet; make one with `xenhost vdi create`", optional=("used", "users"))


@vdi.command()
@vdi_argument
@json_option
@pass_session
def show(session: Session, vdi: str) -> None:
    """Show one VDI."""
    from xenhost.agent.cli.shapes import shape

    with session.client() as client:
        row = shape(client.vdi(vdi))
    status = row["status"]
    session.one(
        row,
        [
            ("name", row["name"]),
            ("id", row["id"]),
            ("description", row["description"]),
            ("SR", row["sr_id"]),
            ("problem", _problem(status)),
            ("size", f"{human_size(row['virtual_size_bytes'])} ({row['virtual_size_bytes']} bytes)"),
            ("used", human_size(status["physical_utilisation_bytes"])),
            ("type", row["type"]),
            ("format", status["format"]),
            ("location", status["location"]),
            ("access", "read-only" if row["read_only"] else "sharable" if row["sharable"] else ""),
            ("at boot", row["on_boot"] if row["on_boot"] == "reset" else ""),
            ("snapshot of", status["snapshot_of"]),
            ("taken", status["snapshot_time"]),
            ("parent", status["parent"] and f"{status['parent']} ({status['depth']} images below)"),
            ("CBT", "enabled" if status["cbt_enabled"] else ""),
            ("sm config", [f"{key}={value}" for key, value in row["sm_config"].items()]),
            ("used by", status["datapaths"]),
            ("operations", status["current_operations"]),
            ("allowed", [", ".join(status["allowed_operations"])] if status["allowed_operations"] else None),
        ],
    )


@vdi.command()
@click.argument("sr", required=False, default="", shell_complete=complete_sr)
@json_option
@pass_session
def tree(session: Session, sr: str) -> None:
    """Draw the chains of images: what is below is based on what is above it.

    With --json, what `list --all --json` prints.
    """
    from xenhost.agent.cli.shapes import shape
    from xenhost.agent.cli.tree import Node, drawn

    with session.client() as client:
        rows = [shape(each) for each in client.list_vdis(sr)]
        srs = {each.id: each.name for each in client.list_srs()}
    if session.as_json:
        session.rows(rows, [], "")
        return
    names = {row["id"]: row["name"] or row["id"] for row in rows}
    for sr_id in dict.fromkeys(row["sr_id"] for row in rows):
        click.echo(f"{srs.get(sr_id) or sr_id}")
        nodes = [Node(row["id"], row["status"]["parent"], _label(row, names)) for row in rows if row["sr_id"] == sr_id]
        for line in drawn(nodes):
            click.echo(line)
    if not rows:
        click.echo("no VDIs yet; make one with `xenhost vdi create`", err=True)


def _label(row: dict[str, Any], names: dict[str, str]) -> str:
    status = row["status"]
    name = (row["name"] if status["managed"] else "") or row["id"]
    notes = [human_size(row["virtual_size_bytes"]), f"{human_size(status['physical_utilisation_bytes'])} used"]
    if not status["managed"]:
        notes.insert(0, "base copy")
    if status["is_a_snapshot"]:
        origin = names.get(status["snapshot_of"], status["snapshot_of"])
        taken = (status["snapshot_time"] or "")[:19].replace("T", " ")
        notes.append(" ".join(filter(None, ("snapshot of", origin, taken))))
    if status["datapaths"]:
        notes.append("in use")
    if problem := _problem(status):
        notes.append(problem)
    return f"{name}  ({', '.join(notes)})"


def _kind(row: dict[str, Any]) -> str:
    status = row["status"]
    kind = "snapshot" if status["is_a_snapshot"] else "disk" if row["type"] == "user" else row["type"]
    return ("base copy" if not status["managed"] else kind) + (f" {status['format']}" if status["format"] else "")


def _problem(status: dict[str, Any]) -> str:
    return status["problem"] or ("missing" if status["missing"] else "")
