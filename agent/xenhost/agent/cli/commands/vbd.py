"""xenhost vbd"""

from __future__ import annotations

from typing import Any

import click

from xenhost.agent.cli.commands.common import operation_options, pass_session, vm_argument
from xenhost.agent.cli.parse import DISK, SIZE, DiskArg, free_devices
from xenhost.agent.cli.session import Session


@click.group()
def vbd() -> None:
    """Disks and CD drives of a VM. A device is xvda, hdc, or a position from 0."""


@vbd.command()
@vm_argument
@click.argument("disk", type=DISK, metavar="PATH|vdi:NAME[,device=xvdb][,ro][,cd][,iops=..][,rate=..]")
@operation_options
@pass_session
def plug(session: Session, vm: str, disk: DiskArg, no_wait: bool, request_id: str) -> None:
    """Add a disk to a VM, and connect it if the VM runs. Without device=, in the first free place.

    \b
    xenhost vbd plug web1 /dev/vg0/data
    xenhost vbd plug web1 vdi:web1-data,iops=500,rate=50M
    """
    from xenhost.agent.cli.vm_args import vbd_message
    from xenhost.api.host.v1.vbd_service_pb2 import PlugVbdRequest

    with session.client() as client:
        device = disk.device or next(free_devices({each.device for each in client.vm(vm).vbds}))
        request = PlugVbdRequest(vm_id=vm, vbd=vbd_message(disk, device), request_id=request_id)
        _finish(session, client, "PlugVbd", request, no_wait, f"{device} of {{name}} is plugged")


@vbd.command()
@vm_argument
@click.argument("device")
@click.option("--force", is_flag=True, help="Do not ask the guest.")
@click.option("--timeout", type=click.IntRange(1), metavar="SECONDS", help="For the guest; default 60.")
@operation_options
@pass_session
def unplug(
    session: Session, vm: str, device: str, force: bool, timeout: int | None, no_wait: bool, request_id: str
) -> None:
    """Disconnect a disk, and take it from the VM."""
    from xenhost.api.host.v1.vbd_service_pb2 import UnplugVbdRequest

    request = UnplugVbdRequest(
        vm_id=vm, device=device, force=force, timeout_seconds=timeout or 0, request_id=request_id
    )
    with session.client() as client:
        _finish(session, client, "UnplugVbd", request, no_wait, f"{device} of {{name}} is unplugged")


@vbd.command()
@vm_argument
@click.argument("device")
@click.argument("path", metavar="PATH|vdi:NAME")
@operation_options
@pass_session
def insert(session: Session, vm: str, device: str, path: str, no_wait: bool, request_id: str) -> None:
    """Put a medium into an empty CD drive."""
    from xenhost.agent.cli.vm_args import source_message
    from xenhost.api.host.v1.vbd_service_pb2 import InsertVbdRequest

    request = InsertVbdRequest(vm_id=vm, device=device, source=source_message(DiskArg(path)), request_id=request_id)
    with session.client() as client:
        _finish(session, client, "InsertVbd", request, no_wait, f"{path} is in {device} of {{name}}")


@vbd.command()
@vm_argument
@click.argument("device")
@operation_options
@pass_session
def eject(session: Session, vm: str, device: str, no_wait: bool, request_id: str) -> None:
    """Take the medium out of a CD drive."""
    from xenhost.api.host.v1.vbd_service_pb2 import EjectVbdRequest

    request = EjectVbdRequest(vm_id=vm, device=device, request_id=request_id)
    with session.client() as client:
        _finish(session, client, "EjectVbd", request, no_wait, f"{device} of {{name}} is empty")


@vbd.command()
@vm_argument
@click.argument("device")
@click.option("--iops", type=click.IntRange(0), metavar="N", help="Requests a second; 0: no limit.")
@click.option("--rate", type=SIZE, metavar="SIZE", help="Bytes a second; 0: no limit.")
@operation_options
@pass_session
def limit(
    session: Session, vm: str, device: str, iops: int | None, rate: int | None, no_wait: bool, request_id: str
) -> None:
    """Change the limits of a disk on a VDI, at once if the VM runs. What is not said stays as it is.

    \b
    xenhost vbd limit web1 xvdb --iops 500 --rate 50M
    xenhost vbd limit web1 xvdb --iops 0
    """
    from xenhost.api.host.v1.vbd_service_pb2 import LimitVbdRequest
    from xenhost.api.host.v1.vm_pb2 import IoLimits

    if iops is None and rate is None:
        raise click.UsageError("say --iops, --rate or both")
    with session.client() as client:
        now = next((vbd.limits for vbd in client.vm(vm).vbds if vbd.device == device), IoLimits())
        wanted = IoLimits(
            iops=now.iops if iops is None else iops,
            bytes_per_second=now.bytes_per_second if rate is None else rate,
        )
        request = LimitVbdRequest(vm_id=vm, device=device, limits=wanted, request_id=request_id)
        _finish(session, client, "LimitVbd", request, no_wait, f"the limits of {device} of {{name}} are changed")


def _finish(session: Session, client: Any, method: str, request: Any, no_wait: bool, done: str) -> None:
    from xenhost.agent.cli.waiting import carry_out

    carry_out(session, client, client.call(getattr(client.vbds, method), request), no_wait, done)
