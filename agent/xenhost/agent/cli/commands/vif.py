"""xenhost vif"""

from __future__ import annotations

import click

from xenhost.agent.cli.commands.common import operation_options, pass_session, vm_argument
from xenhost.agent.cli.parse import NIC, NicArg
from xenhost.agent.cli.session import Session


@click.group()
def vif() -> None:
    """Network cards of a VM. Each has an index from 0."""


@vif.command()
@vm_argument
@click.argument("nic", type=NIC, metavar="bridge=NAME[,mac=..][,mtu=..][,rate=..][,index=..]")
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
