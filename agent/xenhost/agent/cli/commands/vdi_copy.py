"""xenhost vdi snapshot, clone, copy, revert, compare"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from xenhost.agent.cli.commands.common import (
    complete_sr,
    complete_vdi,
    operation_options,
    pass_session,
    rate_option,
    vdi_argument,
)
from xenhost.agent.cli.commands.vdi_make import run
from xenhost.agent.cli.session import Session

Command = TypeVar("Command", bound=Callable[..., Any])


def new_options(command: Command) -> Command:
    """What the new VDI is called."""
    options: list[Callable[[Any], Any]] = [
        click.option("--name", default="", help="What to call it; default: as the VDI it is made of."),
        click.option("--description", default="", help="What it is for."),
        click.option("--id", "new_id", default="", metavar="UUID", help="Its UUID; default: a new one."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@vdi_argument
@new_options
@operation_options
@pass_session
def snapshot(session: Session, vdi: str, no_wait: bool, **new: Any) -> None:
    """Take a read-only copy of this instant, at once. A VM that uses the VDI runs on."""
    from xenhost.api.host.v1.vdi_service_pb2 import SnapshotVdiRequest

    run(session, "SnapshotVdi", SnapshotVdiRequest(id=vdi, **new), no_wait, "{name} is taken, UUID {id}")


@click.command()
@vdi_argument
@new_options
@operation_options
@pass_session
def clone(session: Session, vdi: str, no_wait: bool, **new: Any) -> None:
    """Make a writable copy, at once: it shares what it can with the VDI."""
    from xenhost.api.host.v1.vdi_service_pb2 import CloneVdiRequest

    run(session, "CloneVdi", CloneVdiRequest(id=vdi, **new), no_wait, "{name} is cloned, UUID {id}")


@click.command()
@vdi_argument
@click.argument("sr", required=False, default="", shell_complete=complete_sr)
@new_options
@rate_option
@operation_options
@pass_session
def copy(session: Session, vdi: str, sr: str, rate: int, no_wait: bool, **new: Any) -> None:
    """Make a full copy, on the same SR or another one."""
    from xenhost.api.host.v1.vdi_service_pb2 import CopyVdiRequest

    request = CopyVdiRequest(id=vdi, sr_id=sr, bytes_per_second=rate, **new)
    run(session, "CopyVdi", request, no_wait, "{name} is copied, UUID {id}")


@click.command()
@click.argument("snapshot", shell_complete=complete_vdi)
@click.option("--vdi", default="", shell_complete=complete_vdi, help="Default: what it is a snapshot of.")
@operation_options
@pass_session
def revert(session: Session, snapshot: str, vdi: str, no_wait: bool, request_id: str) -> None:
    """Give a VDI the content of its SNAPSHOT again. It keeps its UUID, and the snapshot stays."""
    from xenhost.api.host.v1.vdi_service_pb2 import RevertVdiRequest

    request = RevertVdiRequest(snapshot_id=snapshot, id=vdi, request_id=request_id)
    run(session, "RevertVdi", request, no_wait, "{name} is as it was")


@click.command()
@vdi_argument
@click.argument("other", shell_complete=complete_vdi)
@operation_options
@pass_session
def compare(session: Session, vdi: str, other: str, no_wait: bool, request_id: str) -> None:
    """Compare the content of two VDIs. Exit status 1, and the first difference, if they differ."""
    from xenhost.api.host.v1.vdi_service_pb2 import CompareVdisRequest

    request = CompareVdisRequest(id=vdi, other_id=other, request_id=request_id)
    run(session, "CompareVdis", request, no_wait, "both hold the same")
