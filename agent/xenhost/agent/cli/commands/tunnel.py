"""xenhost tunnel"""

from __future__ import annotations

import click

from xenhost.agent.cli.commands.common import (
    complete_tunnel,
    network_argument,
    operation_options,
    pass_session,
    pif_argument,
)
from xenhost.agent.cli.network_args import call, short_name, words
from xenhost.agent.cli.session import Session, json_option


@click.group()
def tunnel() -> None:
    """Networks stretched to other hosts. A tunnel is given as its access PIF is called, tunnel0, or by UUID."""


@tunnel.command()
@pif_argument
@network_argument
@click.option("--protocol", type=click.Choice(["gre", "vxlan"]), default="gre", show_default=True)
@click.option("--remote", "remotes", multiple=True, metavar="ADDRESS", help="Another host. Repeatable, or with commas.")
@click.option("--key", type=click.IntRange(0, 2**32 - 1), default=0, help="Default: from the UUID of the network.")
@click.option("--id", default="", metavar="UUID", help="Default: chosen.")
@operation_options
@pass_session
def create(
    session: Session,
    pif: str,
    network: str,
    protocol: str,
    remotes: tuple[str, ...],
    key: int,
    id: str,
    no_wait: bool,
    request_id: str,
) -> None:
    """Stretch a network to other hosts, over a PIF that has an address.

    Without --remote an SDN controller makes its ports.

    \b
    xenhost tunnel create eth1 private --protocol vxlan --remote 10.0.0.3 --remote 10.0.0.4
    """
    from xenhost.api.host.v1.tunnel_service_pb2 import CreateTunnelRequest

    request = CreateTunnelRequest(
        id=id,
        transport_pif_id=pif,
        network_id=network,
        protocol=f"TUNNEL_PROTOCOL_{protocol.upper()}",
        remotes=words(remotes),
        key=key,
        request_id=request_id,
    )
    call(session, "tunnels", "CreateTunnel", request, no_wait, "the tunnel is created, UUID {id}")


@tunnel.command("set")
@click.argument("tunnel", shell_complete=complete_tunnel)
@click.option("--remote", "remotes", multiple=True, metavar="ADDRESS", help="Repeat it for each that there shall be.")
@click.option("--no-remotes", is_flag=True, help="None: an SDN controller makes its ports.")
@operation_options
@pass_session
def set_(
    session: Session, tunnel: str, remotes: tuple[str, ...], no_remotes: bool, no_wait: bool, request_id: str
) -> None:
    """Say which other hosts a tunnel reaches."""
    from xenhost.api.host.v1.tunnel_service_pb2 import UpdateTunnelRequest

    if bool(remotes) == no_remotes:
        raise click.UsageError("give --remote for each other host, or --no-remotes")
    request = UpdateTunnelRequest(request_id=request_id)
    request.tunnel.id = tunnel
    request.tunnel.remotes.extend(words(remotes))
    request.update_mask.paths.append("remotes")
    call(session, "tunnels", "UpdateTunnel", request, no_wait, "the tunnel is changed")


@tunnel.command()
@click.argument("tunnel", shell_complete=complete_tunnel)
@operation_options
@pass_session
def destroy(session: Session, tunnel: str, no_wait: bool, request_id: str) -> None:
    """Take a tunnel away. Its network stays."""
    from xenhost.api.host.v1.tunnel_service_pb2 import DestroyTunnelRequest

    request = DestroyTunnelRequest(id=tunnel, request_id=request_id)
    call(session, "tunnels", "DestroyTunnel", request, no_wait, "the tunnel is destroyed")


@tunnel.command("list")
@json_option
@pass_session
def list_(session: Session) -> None:
    """List the tunnels."""
    from xenhost.agent.cli.shapes import shape
    from xenhost.api.host.v1.tunnel_service_pb2 import ListTunnelsRequest

    with session.client() as client:
        rows = [shape(each) for each in client.call(client.tunnels.ListTunnels, ListTunnelsRequest()).tunnels]
        if not session.as_json:
            pifs = {pif.id: pif for pif in client.list_pifs()}
            networks = {net.id: short_name(net) for net in client.list_networks()}
    if not session.as_json:
        for row in rows:
            own, transport = pifs.get(row["access_pif_id"]), pifs.get(row["transport_pif_id"])
            row["name"] = own.name if own else row["id"]
            row["over"] = transport.name if transport else row["transport_pif_id"]
            row["network"] = networks.get(own.network_id, own.network_id) if own else ""
            row |= {"state": "active" if row["status"]["active"] else "inactive", "key": row["status"]["key"]}
    columns = [
        *(("name", "Name"), ("protocol", "Protocol"), ("key", "Key"), ("over", "Over"), ("network", "Network")),
        *(("state", "State"), ("id", "UUID"), ("remotes", "To")),
    ]
    session.rows(rows, columns, "no tunnels", optional=("id",))
