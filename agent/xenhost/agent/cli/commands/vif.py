"""xenhost vif"""

from __future__ import annotations

from typing import Any

import click

from xenhost.agent.cli.commands.common import operation_options, pass_session, vm_argument
from xenhost.agent.cli.parse import NIC, RATE, NicArg
from xenhost.agent.cli.session import Session


@click.group()
def vif() -> None:
    """Network cards of a VM. Each has an index from 0."""


@vif.command()
@vm_argument
@click.argument("nic", type=NIC, metavar="NETWORK[,mac=..][,mtu=..][,rate=..][,index=..][,locked=ADDRESS]")
@operation_options
@pass_session
def plug(session: Session, vm: str, nic: NicArg, no_wait: bool, request_id: str) -> None:
    """Add a network card to a VM, and connect it if the VM runs. Without index=, in the first free place."""
    from xenhost.agent.cli.vm_args import vif_message
    from xenhost.agent.cli.waiting import carry_out
    from xenhost.api.host.v1.vif_service_pb2 import PlugVifRequest

    with session.client() as client:
        index = nic.index
        if index is None:
            taken = {each.index for each in client.vm(vm).vifs}
            index = next(number for number in range(256) if number not in taken)
        request = PlugVifRequest(vm_id=vm, vif=vif_message(nic, index), request_id=request_id)
        started = client.call(client.vifs.PlugVif, request)
        carry_out(session, client, started, no_wait, f"network card {index} of {{name}} is plugged")


@vif.command()
@vm_argument
@click.argument("index", type=click.IntRange(0))
@click.option("--force", is_flag=True, help="Do not ask the guest.")
@click.option("--timeout", type=click.IntRange(1), metavar="SECONDS", help="For the guest; default 60.")
@operation_options
@pass_session
def unplug(
    session: Session, vm: str, index: int, force: bool, timeout: int | None, no_wait: bool, request_id: str
) -> None:
    """Disconnect a network card, and take it from the VM."""
    from xenhost.agent.cli.waiting import carry_out
    from xenhost.api.host.v1.vif_service_pb2 import UnplugVifRequest

    request = UnplugVifRequest(vm_id=vm, index=index, force=force, timeout_seconds=timeout or 0, request_id=request_id)
    with session.client() as client:
        started = client.call(client.vifs.UnplugVif, request)
        carry_out(session, client, started, no_wait, f"network card {index} of {{name}} is unplugged")


@vif.command("set")
@vm_argument
@click.argument("index", type=click.IntRange(0))
@click.option("--network", metavar="NETWORK", help="Move it there; the guest keeps its card.")
@click.option(
    "--locking",
    type=click.Choice(["network-default", "locked", "unlocked", "disabled"]),
    help="What the guest may send; locked: from its own MAC and the --allow addresses only.",
)
@click.option("--allow", multiple=True, metavar="ADDRESS", help="Address or network, for locked; may be repeated.")
@click.option("--allow-none", is_flag=True, help="No address at all.")
@click.option("--rate", type=RATE, metavar="RATE", help="It may send so much a second: 10M, or KiB; 0: no limit.")
@click.option("--receive-rate", type=RATE, metavar="RATE", help="It is sent so much a second at most.")
@click.option("--mtu", type=click.IntRange(68, 65535))
@click.option("--promiscuous/--no-promiscuous", default=None, help="Does it see all traffic of its network?")
@click.option("--link/--no-link", default=None, help="Does the guest see a link?")
@click.option("--trunks", metavar="TAG,..", help="VLANs the guest may use with tags of its own; none: ''.")
@click.option("--ipv4", metavar="ADDRESS/LENGTH[,GATEWAY]", help="What its guest agent shall give it; '': nothing.")
@click.option("--ipv6", metavar="ADDRESS/LENGTH[,GATEWAY]", help="The same for IPv6.")
@operation_options
@pass_session
def set_(session: Session, vm: str, index: int, no_wait: bool, request_id: str, **options: Any) -> None:
    """Change a network card, at once if the VM runs. What is not said stays as it is.

    \b
    xenhost vif set web1 0 --locking locked --allow 10.0.0.5 --allow fd00::5
    xenhost vif set web1 0 --network backup --receive-rate 10M
    """
    from xenhost.agent.cli.vif_args import change_message
    from xenhost.agent.cli.waiting import carry_out

    request = change_message(vm, index, request_id, options)
    if not request.update_mask.paths:
        raise click.UsageError("say what to change, such as --locking locked or --network backup")
    with session.client() as client:
        started = client.call(client.vifs.UpdateVif, request)
        carry_out(session, client, started, no_wait, f"network card {index} of {{name}} is changed")
