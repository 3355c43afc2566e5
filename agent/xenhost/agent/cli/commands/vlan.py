"""xenhost vlan"""

from __future__ import annotations

import click

from xenhost.agent.cli.commands.common import (
    complete_vlan,
    network_argument,
    operation_options,
    pass_session,
    pif_argument,
)
from xenhost.agent.cli.network_args import call, short_name
from xenhost.agent.cli.session import Session, json_option


@click.group()
def vlan() -> None:
    """VLANs on network cards and bonds. A VLAN is given as its PIF is called, eth0.5, or by UUID."""


@vlan.command()
@pif_argument
@click.argument("tag", type=click.IntRange(0, 4094))
@network_argument
@click.option("--id", default="", metavar="UUID", help="Of its untagged PIF. Default: chosen.")
@operation_options
@pass_session
def create(session: Session, pif: str, tag: int, network: str, id: str, no_wait: bool, request_id: str) -> None:
    """Connect a network to the traffic with one tag of a card or bond.

    \b
    xenhost network create offices
    xenhost vlan create eth0 5 offices
    """
    from xenhost.api.host.v1.vlan_service_pb2 import CreateVlanRequest

    request = CreateVlanRequest(
        untagged_pif_id=id, tagged_pif_id=pif, tag=tag, network_id=network, request_id=request_id
    )
    call(session, "vlans", "CreateVlan", request, no_wait, "{name} is created, UUID {id}")


@vlan.command()
@click.argument("vlan", shell_complete=complete_vlan)
@operation_options
@pass_session
def destroy(session: Session, vlan: str, no_wait: bool, request_id: str) -> None:
    """Disconnect a VLAN, and forget it. Its network stays."""
    from xenhost.api.host.v1.vlan_service_pb2 import DestroyVlanRequest

    request = DestroyVlanRequest(id=vlan, request_id=request_id)
    call(session, "vlans", "DestroyVlan", request, no_wait, "{name} is destroyed")


@vlan.command("list")
@json_option
@pass_session
def list_(session: Session) -> None:
    """List the VLANs."""
    from xenhost.agent.cli.network_tree import natural
    from xenhost.agent.cli.shapes import shape

    with session.client() as client:
        rows = [shape(each) for each in client.list_vlans()]
        if not session.as_json:
            pifs = {pif.id: pif for pif in client.list_pifs()}
            networks = {net.id: short_name(net) for net in client.list_networks()}
    if not session.as_json:
        for row in rows:
            own, parent = pifs.get(row["untagged_pif_id"]), pifs.get(row["tagged_pif_id"])
            row["name"] = own.name if own else row["id"]
            row["pif"] = parent.name if parent else row["tagged_pif_id"]
            row["network"] = networks.get(own.network_id, own.network_id) if own else ""
            row["state"] = "attached" if own and own.status.currently_attached else "unplugged"
        rows.sort(key=lambda row: natural(row["name"]))
    columns = [
        *(("name", "Name"), ("tag", "Tag"), ("pif", "PIF"), ("network", "Network"), ("state", "State")),
        ("id", "UUID"),
    ]
    session.rows(rows, columns, "no VLANs", optional=("id",))
