"""xenhost host management-reconfigure, management-confirm, reset-networking, set-switch, set-igmp-snooping"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from xenhost.agent.cli.commands.common import operation_options, pass_session, pif_argument
from xenhost.agent.cli.failure import ExitCode, Failure
from xenhost.agent.cli.network_args import IPV4_MODES, IPV6_MODES, call, ipv4_message, ipv4_options, ipv6_message
from xenhost.agent.cli.session import Session, json_option

if TYPE_CHECKING:
    from xenhost.agent.cli.client import Client

LOOK_SECONDS: Final = 0.5
CONFIRM_SECONDS: Final = 60
LOST_SECONDS: Final = 15.0
"""How long the host may be out of reach while its networks change."""


def _ipv6_options(command: Any) -> Any:
    for option in (
        click.option("--ipv6-gateway", default="", metavar="ADDRESS"),
        click.option("--ipv6", multiple=True, metavar="ADDRESS/LENGTH", help="For static. Repeatable."),
        click.option("--ipv6-mode", type=click.Choice(IPV6_MODES)),
    ):
        command = option(command)
    return command


@click.command("management-reconfigure")
@pif_argument
@click.option("--mode", type=click.Choice(IPV4_MODES), help="IPv4 of the PIF; default: as it is.")
@ipv4_options
@_ipv6_options
@click.option(
    "--confirm-within",
    type=click.IntRange(0, 3600),
    default=CONFIRM_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="Unless confirmed by then, all goes back; 0: at once and for good.",
)
@click.option("--confirm", is_flag=True, help="Confirm it over a new connection: proof that the host is reached.")
@click.option("--confirm-at", default="", metavar="HOST:PORT", help="The same, at the host's new address.")
@operation_options
@pass_session
def management_reconfigure(
    session: Session,
    pif: str,
    mode: str | None,
    ip: str,
    netmask: str,
    gateway: str,
    dns: tuple[str, ...],
    ipv6_mode: str | None,
    ipv6: tuple[str, ...],
    ipv6_gateway: str,
    confirm_within: int,
    confirm: bool,
    confirm_at: str,
    no_wait: bool,
    request_id: str,
) -> None:
    """Manage the host through another PIF, with a way back.

    Unless it is confirmed in time, all goes back as it was. Confirmed is what `xenhost host management-confirm` says,
    what --confirm does, or that the pool master is reached.

    \b
    xenhost --address 10.0.0.2:8443 ... host management-reconfigure eth1 --confirm
    """
    from xenhost.agent.cli.waiting import carry_out
    from xenhost.api.host.v1.network_service_pb2 import ReconfigureManagementRequest

    if mode is None and (ip or netmask or gateway or dns):
        raise click.UsageError("--ip, --netmask, --gateway and --dns go with --mode")
    if ipv6_mode is None and (ipv6 or ipv6_gateway):
        raise click.UsageError("--ipv6 and --ipv6-gateway go with --ipv6-mode")
    if no_wait and (confirm or confirm_at):
        raise click.UsageError("--confirm waits for the change; leave --no-wait out")
    request = ReconfigureManagementRequest(
        pif_id=pif,
        ipv4=ipv4_message(mode, ip, netmask, gateway, dns) if mode is not None else None,
        ipv6=ipv6_message(ipv6_mode, ipv6, ipv6_gateway) if ipv6_mode is not None else None,
        confirm_seconds=confirm_within,
        request_id=request_id,
    )
    done = f"the host is managed through {_escaped(pif)}"
    with session.client() as client:
        started = client.call(client.networks.ReconfigureManagement, request)
        if no_wait or not confirm_within:
            carry_out(session, client, started, no_wait, done)
            return
        operation, until = _until_unconfirmed(client, started)
        if operation.done:  # it failed, or the pool master was reached at once
            carry_out(session, client, operation, no_wait, done)
            return
        if not (confirm or confirm_at):
            _remind(session, client, operation, pif, until)
            return
    there = replace(session.target, address=confirm_at) if confirm_at else session.target
    with _confirmed(replace(session, target=there)) as client:
        carry_out(session, client, operation, no_wait, done)


@click.command("management-confirm")
@json_option
@pass_session
def management_confirm(session: Session) -> None:
    """Say that the host is still reached: keep the change of its management interface."""
    from xenhost.api.host.v1.network_service_pb2 import ConfirmManagementRequest

    with session.client() as client:
        client.call(client.networks.ConfirmManagement, ConfirmManagementRequest())
    session.say("the change of the management interface is kept")


@click.command("reset-networking")
@click.argument("device")
@click.option("--mode", type=click.Choice(IPV4_MODES), default="dhcp", show_default=True)
@ipv4_options
@_ipv6_options
@click.option("--vlan", type=click.IntRange(0, 4094), default=0, help="Tag, if management is on a VLAN of the card.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@operation_options
@pass_session
def reset_networking(
    session: Session,
    device: str,
    mode: str,
    ip: str,
    netmask: str,
    gateway: str,
    dns: tuple[str, ...],
    ipv6_mode: str | None,
    ipv6: tuple[str, ...],
    ipv6_gateway: str,
    vlan: int,
    yes: bool,
    no_wait: bool,
    request_id: str,
) -> None:
    """In an emergency: begin anew with one card, such as eth0.

    All bonds, VLANs, tunnels and addresses of the host are forgotten; the cards are found again; the host is managed
    through the one that is given. Works on the host's own console, without a pool master.

    \b
    xenhost host reset-networking eth0
    xenhost host reset-networking eth0 --mode static --ip 10.0.0.2/24 --gateway 10.0.0.1 --yes
    """
    from xenhost.api.host.v1.network_service_pb2 import ResetNetworkingRequest

    request = ResetNetworkingRequest(
        device=device,
        ipv4=ipv4_message(mode, ip, netmask, gateway, dns),
        ipv6=ipv6_message(ipv6_mode, ipv6, ipv6_gateway) if ipv6_mode is not None else None,
        vlan=vlan,
        request_id=request_id,
    )
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("this forgets all networks of the host; add --yes if that is meant")
        where = session.target.address or "this host"
        click.echo(f"All bonds, VLANs, tunnels and addresses of {where} will be forgotten: no way back.", err=True)
        click.confirm("Reset its networking?", abort=True, err=True)
    done = f"networking is reset; the host is managed through {_escaped(device)}"
    call(session, "networks", "ResetNetworking", request, no_wait, done)


@click.command("set-switch")
@click.argument("switch", type=click.Choice(["bridge", "openvswitch"]))
@operation_options
@pass_session
def set_switch(session: Session, switch: str, no_wait: bool, request_id: str) -> None:
    """Change between Linux bridges and Open vSwitch, while no PIF and no VIF is plugged."""
    from xenhost.api.host.v1.network_service_pb2 import SetSwitchRequest

    request = SetSwitchRequest(switch=f"SWITCH_KIND_{switch.upper()}", request_id=request_id)
    call(session, "networks", "SetSwitch", request, no_wait, f"the networks are made by {switch}")


@click.command("set-igmp-snooping")
@click.argument("state", type=click.Choice(["on", "off"]))
@operation_options
@pass_session
def set_igmp_snooping(session: Session, state: str, no_wait: bool, request_id: str) -> None:
    """Let bridges send multicast only where it is listened to."""
    from xenhost.api.host.v1.network_service_pb2 import SetIgmpSnoopingRequest

    request = SetIgmpSnoopingRequest(enabled=state == "on", request_id=request_id)
    call(session, "networks", "SetIgmpSnooping", request, no_wait, f"IGMP snooping is {state}")


def _until_unconfirmed(client: Client, operation: Any) -> tuple[Any, Any]:
    """The operation when it has ended, or waits to be confirmed: then until when. Raises Failure."""
    lost_since: float | None = None
    while True:
        try:
            management = client.management()
            waits = management.HasField("unconfirmed_until")
            operation = client.wait(operation.name, 0 if waits else LOOK_SECONDS)
            lost_since = None
            if operation.done or waits:
                return operation, management.unconfirmed_until
        except Failure as failure:
            lost_since = lost_since or time.monotonic()
            if failure.exit_code != ExitCode.UNREACHABLE or time.monotonic() - lost_since > LOST_SECONDS:
                if failure.exit_code == ExitCode.UNREACHABLE:
                    failure.hint = "if nobody reaches the host in time, all goes back as it was"
                raise
            time.sleep(LOOK_SECONDS)


def _remind(session: Session, client: Client, operation: Any, pif: str, until: Any) -> None:
    from xenhost.agent.cli.shapes import operation_shape, shape

    if session.as_json:
        session.line(operation_shape(operation) | {"management": shape(client.management())})
        return
    left = max(0, round(until.ToNanoseconds() / 1e9 - time.time()))
    click.echo(f"the host is managed through {pif}, for now")
    click.echo(f"confirm within {left} s, or all goes back: xenhost host management-confirm")


@contextmanager
def _confirmed(session: Session) -> Iterator[Client]:
    """A new connection to the agent, over which the change was confirmed. Raises Failure if that is not possible."""
    from xenhost.api.host.v1.network_service_pb2 import ConfirmManagementRequest

    lost_since = time.monotonic()
    while True:
        with session.client() as client:
            try:
                client.call(client.networks.ConfirmManagement, ConfirmManagementRequest(), timeout=5.0)
            except Failure as failure:
                if failure.exit_code != ExitCode.UNREACHABLE or time.monotonic() - lost_since > LOST_SECONDS:
                    failure.hint = "the host is not reached; unless that is mended in time, all goes back as it was"
                    raise
            else:
                yield client
                return
        time.sleep(LOOK_SECONDS)


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
