"""xenhost sriov"""

from __future__ import annotations

import click

from xenhost.agent.cli.commands.common import (
    complete_sriov,
    network_argument,
    operation_options,
    pass_session,
    pif_argument,
)
from xenhost.agent.cli.network_args import call, short_name
from xenhost.agent.cli.session import Session, json_option


@click.group()
def sriov() -> None:
    """Networks whose VIFs are virtual functions of a card (SR-IOV). Given by the card, eth0, or by UUID."""


@sriov.command()
@pif_argument
@network_argument
@click.option("--id", default="", metavar="UUID", help="Default: chosen.")
@operation_options
@pass_session
def create(session: Session, pif: str, network: str, id: str, no_wait: bool, request_id: str) -> None:
    """Give the VIFs of a network virtual functions of a card."""
    from xenhost.api.host.v1.sriov_service_pb2 import CreateNetworkSriovRequest

    request = CreateNetworkSriovRequest(id=id, physical_pif_id=pif, network_id=network, request_id=request_id)
    done = "the network of virtual functions is created, UUID {id}"
    call(session, "sriovs", "CreateNetworkSriov", request, no_wait, done)


@sriov.command()
@click.argument("sriov", shell_complete=complete_sriov)
@operation_options
@pass_session
def destroy(session: Session, sriov: str, no_wait: bool, request_id: str) -> None:
    """Take the virtual functions away. The network stays."""
    from xenhost.api.host.v1.sriov_service_pb2 import DestroyNetworkSriovRequest

    request = DestroyNetworkSriovRequest(id=sriov, request_id=request_id)
    call(session, "sriovs", "DestroyNetworkSriov", request, no_wait, "the network of virtual functions is destroyed")


@sriov.command("list")
@json_option
@pass_session
def list_(session: Session) -> None:
    """List the networks of virtual functions, and how many are free."""
    from xenhost.agent.cli.shapes import shape
    from xenhost.api.host.v1.sriov_service_pb2 import ListNetworkSriovsRequest

    with session.client() as client:
        found = client.call(client.sriovs.ListNetworkSriovs, ListNetworkSriovsRequest()).sriovs
        rows = [shape(each) for each in found]
        if not session.as_json:
            pifs = {pif.id: pif for pif in client.list_pifs()}
            networks = {net.id: short_name(net) for net in client.list_networks()}
    if not session.as_json:
        for row in rows:
            card, logical = pifs.get(row["physical_pif_id"]), pifs.get(row["logical_pif_id"])
            row["name"] = card.name if card else row["physical_pif_id"]
            row["network"] = networks.get(logical.network_id, logical.network_id) if logical else ""
            row["free"] = f"{row['status']['remaining']} of {row['status']['capacity']}"
            row["reboot"] = "needed" if row["requires_reboot"] else ""
    columns = [
        *(("name", "Card"), ("network", "Network"), ("free", "Free"), ("configuration_mode", "Mode")),
        *(("reboot", "Restart"), ("id", "UUID")),
    ]
    session.rows(rows, columns, "no networks of virtual functions", optional=("id",))
