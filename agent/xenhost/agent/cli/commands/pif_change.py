"""xenhost pif reconfigure-ip, reconfigure-ipv6, set"""

from __future__ import annotations

import click

from xenhost.agent.cli.commands.common import operation_options, pass_session, pif_argument
from xenhost.agent.cli.network_args import (
    IPV4_MODES,
    IPV6_MODES,
    call,
    ipv4_message,
    ipv4_options,
    ipv6_message,
    merged,
    words,
)
from xenhost.agent.cli.parse import PAIR
from xenhost.agent.cli.session import Session


@click.command("reconfigure-ip")
@pif_argument
@click.argument("mode", type=click.Choice(IPV4_MODES))
@ipv4_options
@operation_options
@pass_session
def reconfigure_ip(
    session: Session,
    pif: str,
    mode: str,
    ip: str,
    netmask: str,
    gateway: str,
    dns: tuple[str, ...],
    no_wait: bool,
    request_id: str,
) -> None:
    """Give dom0 another IPv4 address on a PIF.

    \b
    xenhost pif reconfigure-ip eth1 dhcp
    xenhost pif reconfigure-ip eth1 static --ip 10.0.0.2/24 --gateway 10.0.0.1 --dns 10.0.0.53
    """
    from xenhost.api.host.v1.pif_service_pb2 import ReconfigureIpRequest

    ipv4 = ipv4_message(mode, ip, netmask, gateway, dns)
    request = ReconfigureIpRequest(id=pif, ipv4=ipv4, request_id=request_id)
    call(session, "pifs", "ReconfigureIp", request, no_wait, "{name} has its IPv4 configuration")


@click.command("reconfigure-ipv6")
@pif_argument
@click.argument("mode", type=click.Choice(IPV6_MODES))
@click.option("--ip", multiple=True, metavar="ADDRESS/LENGTH", help="For static: 2001:db8::2/64. Repeatable.")
@click.option("--gateway", default="", metavar="ADDRESS")
@click.option("--dns", multiple=True, metavar="ADDRESS", help="Name server. Repeatable, or with commas.")
@operation_options
@pass_session
def reconfigure_ipv6(
    session: Session,
    pif: str,
    mode: str,
    ip: tuple[str, ...],
    gateway: str,
    dns: tuple[str, ...],
    no_wait: bool,
    request_id: str,
) -> None:
    """Give dom0 other IPv6 addresses on a PIF."""
    from xenhost.agent.cli.waiting import carry_out
    from xenhost.api.host.v1.pif_service_pb2 import ReconfigureIpRequest

    with session.client() as client:
        request = ReconfigureIpRequest(id=pif, ipv6=ipv6_message(mode, ip, gateway), request_id=request_id)
        if dns:  # a PIF has one list of name servers, and it is with IPv4
            request.ipv4.CopyFrom(client.pif(pif).ipv4)
            request.ipv4.dns[:] = words(dns)
        started = client.call(client.pifs.ReconfigureIp, request)
        carry_out(session, client, started, no_wait, "{name} has its IPv6 configuration")


@click.command("set")
@pif_argument
@click.option("--primary-address-type", type=click.Choice(["ipv4", "ipv6"]), help="The family that it is managed by.")
@click.option("--property", "properties", type=PAIR, multiple=True, help="KEY=VALUE: gro=off. Repeatable.")
@click.option(
    "--other-config",
    type=PAIR,
    multiple=True,
    help="KEY=VALUE: mtu=9000, ethtool-tso=off, defaultroute=true, bond-...; `KEY=` removes the key. Repeatable.",
)
@click.option("--disallow-unplug/--allow-unplug", default=None, help="May it be unplugged?")
@operation_options
@pass_session
def set_(
    session: Session,
    pif: str,
    primary_address_type: str | None,
    properties: tuple[tuple[str, str], ...],
    other_config: tuple[tuple[str, str], ...],
    disallow_unplug: bool | None,
    no_wait: bool,
    request_id: str,
) -> None:
    """Change a PIF: only what is given."""
    from xenhost.agent.cli.waiting import carry_out
    from xenhost.api.host.v1.pif_service_pb2 import ReconfigureIpRequest, UpdatePifRequest

    others = bool(properties or other_config or disallow_unplug is not None)
    if primary_address_type and others:
        raise click.UsageError("--primary-address-type is a change by itself; give the other options another time")
    if primary_address_type:
        family = f"ADDRESS_FAMILY_{primary_address_type.upper()}"
        change = ReconfigureIpRequest(id=pif, primary_address_type=family, request_id=request_id)
        call(session, "pifs", "ReconfigureIp", change, no_wait, "{name} is changed")
        return
    if not others:
        raise click.UsageError("nothing to change was given; see --help")
    with session.client() as client:
        current = client.pif(pif)
        request = UpdatePifRequest(request_id=request_id)
        request.pif.id = current.id
        if other_config:
            request.pif.other_config.update(merged(current.other_config, other_config))
            request.update_mask.paths.append("other_config")
        if properties:
            request.pif.properties.update(merged(current.properties, properties))
            request.update_mask.paths.append("properties")
        if disallow_unplug is not None:
            request.pif.disallow_unplug = disallow_unplug
            request.update_mask.paths.append("disallow_unplug")
        carry_out(session, client, client.call(client.pifs.UpdatePif, request), no_wait, "{name} is changed")
