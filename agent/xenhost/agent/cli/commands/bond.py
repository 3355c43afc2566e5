"""xenhost bond"""

from __future__ import annotations

import click

from xenhost.agent.cli.commands.common import (
    complete_bond,
    complete_pif,
    network_argument,
    operation_options,
    pass_session,
)
from xenhost.agent.cli.network_args import call, merged, pairs
from xenhost.agent.cli.parse import PAIR
from xenhost.agent.cli.session import Session, json_option

_MODES = click.Choice(["balance-slb", "active-backup", "lacp"])
_PROPERTIES = (
    "KEY=VALUE, of mode lacp: hashing_algorithm=src_mac|tcpudp_ports, lacp-time=fast|slow, lacp-aggregation-key, "
    "lacp-fallback-ab. Repeatable."
)


@click.group()
def bond() -> None:
    """Several network cards as one. A bond is given as it is called, bond0, or by UUID."""


@bond.command()
@network_argument
@click.argument("pifs", nargs=-1, required=True, metavar="PIF PIF...", shell_complete=complete_pif)
@click.option("--mode", type=_MODES, default="balance-slb", show_default=True)
@click.option("--mac", default="", help="Default: that of the first PIF.")
@click.option("--property", "properties", type=PAIR, multiple=True, help=_PROPERTIES)
@click.option("--id", default="", metavar="UUID", help="Default: chosen.")
@operation_options
@pass_session
def create(
    session: Session,
    network: str,
    pifs: tuple[str, ...],
    mode: str,
    mac: str,
    properties: tuple[tuple[str, str], ...],
    id: str,
    no_wait: bool,
    request_id: str,
) -> None:
    """Make one of several PIFs, on a network of its own. The first PIF is the primary one.

    Management, addresses, VLANs, tunnels and VIFs of the members move to it.

    \b
    xenhost network create bonded
    xenhost bond create bonded eth0 eth1 --mode lacp
    """
    from xenhost.api.host.v1.bond_service_pb2 import CreateBondRequest

    request = CreateBondRequest(
        id=id,
        network_id=network,
        member_pif_ids=pifs,
        mac=mac,
        mode=_mode(mode),
        properties=dict(properties),
        request_id=request_id,
    )
    call(session, "bonds", "CreateBond", request, no_wait, "{name} is created, UUID {id}")


@bond.command("set")
@click.argument("bond", shell_complete=complete_bond)
@click.option("--mode", type=_MODES)
@click.option("--property", "properties", type=PAIR, multiple=True, help=_PROPERTIES + " `KEY=`: the default.")
@click.option(
    "--member",
    "members",
    multiple=True,
    shell_complete=complete_pif,
    help="PIF. Give it for each that there shall be.",
)
@operation_options
@pass_session
def set_(
    session: Session,
    bond: str,
    mode: str | None,
    properties: tuple[tuple[str, str], ...],
    members: tuple[str, ...],
    no_wait: bool,
    request_id: str,
) -> None:
    """Change mode, properties or members of a bond, while traffic goes on."""
    from xenhost.agent.cli.waiting import carry_out
    from xenhost.api.host.v1.bond_service_pb2 import GetBondRequest, UpdateBondRequest
    from xenhost.api.host.v1.network_pb2 import Bond

    with session.client() as client:
        current = client.call(client.bonds.GetBond, GetBondRequest(id=bond))
        request = UpdateBondRequest(request_id=request_id)
        request.bond.id = current.id
        if mode is not None:
            request.bond.MergeFrom(Bond(mode=_mode(mode)))
            request.update_mask.paths.append("mode")
        if properties:
            request.bond.properties.update(merged(current.properties, properties))
            request.update_mask.paths.append("properties")
        if members:
            request.bond.member_pif_ids.extend(members)
            request.update_mask.paths.append("member_pif_ids")
        if not request.update_mask.paths:
            raise click.UsageError("nothing to change was given; see --help")
        carry_out(session, client, client.call(client.bonds.UpdateBond, request), no_wait, "{name} is changed")


@bond.command()
@click.argument("bond", shell_complete=complete_bond)
@operation_options
@pass_session
def destroy(session: Session, bond: str, no_wait: bool, request_id: str) -> None:
    """Take a bond apart. What it had moves to its primary PIF."""
    from xenhost.api.host.v1.bond_service_pb2 import DestroyBondRequest

    request = DestroyBondRequest(id=bond, request_id=request_id)
    call(session, "bonds", "DestroyBond", request, no_wait, "{name} is destroyed")


@bond.command("list")
@json_option
@pass_session
def list_(session: Session) -> None:
    """List the bonds, with the state of their members."""
    from xenhost.agent.cli.shapes import shape
    from xenhost.api.host.v1.bond_service_pb2 import ListBondsRequest

    with session.client() as client:
        rows = [shape(each) for each in client.call(client.bonds.ListBonds, ListBondsRequest()).bonds]
        names = {} if session.as_json else {pif.id: pif.name for pif in client.list_pifs()}
    if not session.as_json:
        for row in rows:
            members = row["status"]["members"]
            row["mode"] = row["mode"].replace("_", "-")
            row["up"] = f"{row['status']['links_up']} of {len(row['member_pif_ids'])}"
            row["pifs"] = [names.get(id, id) for id in row["member_pif_ids"]]
            row["active"] = [member["device"] for member in members if member["active"]]
            row["properties"] = pairs(row["properties"])
    columns = [
        *(("device", "Name"), ("mode", "Mode"), ("up", "Links up"), ("pifs", "PIFs"), ("active", "Active")),
        *(("properties", "Properties"), ("id", "UUID")),
    ]
    session.rows(rows, columns, "no bonds", optional=("id", "properties"))


def _mode(word: str) -> str:
    return f"BOND_MODE_{word.upper().replace('-', '_')}"
