"""xenhost vdi cbt"""

from __future__ import annotations

import base64
from collections.abc import Iterator

import click

from xenhost.agent.cli.commands.common import complete_vdi, operation_options, pass_session, vdi_argument
from xenhost.agent.cli.commands.vdi_make import run
from xenhost.agent.cli.session import Session, json_option
from xenhost.core.units import human_size


@click.group()
def cbt() -> None:
    """Changed block tracking: which blocks of 64 KiB have changed between two snapshots."""


@cbt.command()
@vdi_argument
@operation_options
@pass_session
def enable(session: Session, vdi: str, no_wait: bool, request_id: str) -> None:
    """Remember from now on which blocks change."""
    from xenhost.api.host.v1.vdi_service_pb2 import EnableCbtRequest

    run(session, "EnableCbt", EnableCbtRequest(id=vdi, request_id=request_id), no_wait, "{name} is tracked")


@cbt.command()
@vdi_argument
@operation_options
@pass_session
def disable(session: Session, vdi: str, no_wait: bool, request_id: str) -> None:
    """Forget which blocks have changed."""
    from xenhost.api.host.v1.vdi_service_pb2 import DisableCbtRequest

    run(session, "DisableCbt", DisableCbtRequest(id=vdi, request_id=request_id), no_wait, "{name} is not tracked")


@cbt.command("data-destroy")
@vdi_argument
@operation_options
@pass_session
def data_destroy(session: Session, vdi: str, no_wait: bool, request_id: str) -> None:
    """Free the data of a snapshot that is backed up, and keep what changed since."""
    from xenhost.api.host.v1.vdi_service_pb2 import DestroyVdiDataRequest

    done = "the data of {name} is gone; what changes since is known"
    run(session, "DestroyVdiData", DestroyVdiDataRequest(id=vdi, request_id=request_id), no_wait, done)


@cbt.command("list")
@click.argument("older", shell_complete=complete_vdi)
@click.argument("newer", shell_complete=complete_vdi)
@click.option("--base64", "as_base64", is_flag=True, help="The bitmap, as VDI.list_changed_blocks of XenAPI.")
@json_option
@pass_session
def list_(session: Session, older: str, newer: str, as_base64: bool) -> None:
    """List what may differ between an OLDER snapshot and a NEWER one, or the VDI itself."""
    from xenhost.api.host.v1.vdi_service_pb2 import ListChangedBlocksRequest

    request = ListChangedBlocksRequest(older_id=older, newer_id=newer)
    parts, size, granularity = [], 0, 0
    with session.client() as client:
        for part in client.received(client.vdis.ListChangedBlocks(request)):
            parts.append(part.bitmap)
            size, granularity = part.size_bytes, part.granularity_bytes
    bitmap = "".join(parts)
    if session.as_json:
        session.line({"bitmap": bitmap, "size_bytes": size, "granularity_bytes": granularity})
        return
    if as_base64:
        click.echo(bitmap)
        return
    rows = [{"offset": start, "length": end - start} for start, end in extents(bitmap, size, granularity)]
    session.rows(rows, [("offset", "Offset"), ("length", "Length")], "nothing has changed")
    if rows:
        click.echo(f"{human_size(sum(row['length'] for row in rows))} of {human_size(size)} may differ", err=True)


def extents(bitmap: str, size: int, granularity: int) -> Iterator[tuple[int, int]]:
    """Where the changed bytes begin and end, neighbours joined."""
    begun: int | None = None
    block = 0
    for byte in base64.b64decode(bitmap):
        for bit in range(7, -1, -1):
            changed = byte >> bit & 1 and block * granularity < size
            if changed and begun is None:
                begun = block * granularity
            elif not changed and begun is not None:
                yield begun, min(block * granularity, size)
                begun = None
            block += 1
    if begun is not None:
        yield begun, min(block * granularity, size)
