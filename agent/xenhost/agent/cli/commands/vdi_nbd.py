"""xenhost vdi nbd"""

from __future__ import annotations

import click

from xenhost.agent.cli.commands.common import complete_vdi, pass_session, request_id_option, vdi_argument
from xenhost.agent.cli.session import Session, json_option


@click.group()
def nbd() -> None:
    """VDIs served read-only over NBD to backup tools."""


@nbd.command()
@vdi_argument
@click.option(
    "--since", default="", shell_complete=complete_vdi, help="An older snapshot: what changed since is served too."
)
@request_id_option
@json_option
@pass_session
def export(session: Session, vdi: str, since: str, request_id: str) -> None:
    """Serve a VDI, until `xenhost vdi nbd stop`. Prints where."""
    from xenhost.agent.cli.shapes import shape
    from xenhost.api.host.v1.vdi_service_pb2 import ExportNbdRequest

    with session.client() as client:
        request = ExportNbdRequest(id=vdi, since_id=since, request_id=request_id)
        row = shape(client.call(client.vdis.ExportNbd, request, 60.0))
    session.one(
        row,
        [
            ("export", row["exportname"]),
            ("port", row["port"]),
            ("TLS", "yes" if row["cert"] else "no"),
            ("bitmap", row["bitmap"]),
            ("certificate", row["cert"].splitlines()),
        ],
    )


@nbd.command()
@vdi_argument
@request_id_option
@json_option
@pass_session
def stop(session: Session, vdi: str, request_id: str) -> None:
    """Stop serving a VDI."""
    from xenhost.api.host.v1.vdi_service_pb2 import UnexportNbdRequest

    with session.client() as client:
        client.call(client.vdis.UnexportNbd, UnexportNbdRequest(id=vdi, request_id=request_id), 60.0)
    session.say(f"{vdi} is not served")
