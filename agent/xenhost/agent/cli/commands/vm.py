"""xenhost vm"""

from __future__ import annotations

from typing import Any

import click

from xenhost.agent.cli.commands.common import (
    operation_options,
    pass_session,
    request_id_option,
    stop_options,
    vm_argument,
)
from xenhost.agent.cli.commands.vm_create import create, update
from xenhost.agent.cli.session import Session, json_option
from xenhost.core.units import human_size


@click.group()
def vm() -> None:
    """Create, start, stop and change VMs."""


vm.add_command(create)
vm.add_command(update)


@vm.command("list")
@json_option
@pass_session
def list_(session: Session) -> None:
    """List the VMs."""
    with session.client() as client:
        found = client.list_vms()
    from xenhost.agent.cli.shapes import shape

    rows = [shape(each) for each in found]
    if not session.as_json:
        for row in rows:
            status = row["status"]
            row |= {"state": status["power_state"], "domid": status["domid"] or None, "problem": status["problem"]}
            row["size"] = human_size(row["memory"]["dynamic_max_bytes"])
            row["cpus"] = row["vcpus"]["maximum"]
            row["disks"], row["nics"] = len(row["vbds"]), len(row["vifs"])
    columns = [
        ("name", "Name"),
        ("state", "State"),
        ("domid", "Domain"),
        ("type", "Type"),
        ("size", "Memory"),
        ("cpus", "vCPUs"),
        ("disks", "Disks"),
        ("nics", "NICs"),
        ("id", "UUID"),
    ]
    if any(row.get("problem") for row in rows):
        columns.append(("problem", "Problem"))
    session.rows(rows, columns, "no VMs yet; make one with `xenhost vm create`", optional=("id",))


@vm.command()
@vm_argument
@json_option
@pass_session
def show(session: Session, vm: str) -> None:
    """Show one VM with its devices."""
    with session.client() as client:
        found = client.vm(vm)
    from xenhost.agent.cli.shapes import shape

    described = shape(found)
    session.one(described, _fields(described))


@vm.command()
@vm_argument
@json_option
@pass_session
def guest(session: Session, vm: str) -> None:
    """Show what the guest tells of itself: its system, addresses, memory. It may lie."""
    from xenhost.agent.cli.shapes import shape
    from xenhost.api.host.v1.vm_service_pb2 import GetVmGuestMetricsRequest

    with session.client() as client:
        found = shape(client.call(client.vms.GetVmGuestMetrics, GetVmGuestMetricsRequest(vm=vm)))
    told = [
        (field.replace("_", " "), [f"{key}: {' '.join(said.split())}" for key, said in value.items()])
        for field, value in found.items()
        if isinstance(value, dict)
    ]
    flags = [("live", "yes" if found["live"] else "no; these are the last words of a guest that is gone")]
    session.one(found, [*flags, *told, ("last updated", found["last_updated"])])


@vm.command()
@vm_argument
@click.option("--paused", is_flag=True, help="Leave it paused.")
@operation_options
@pass_session
def start(session: Session, vm: str, paused: bool, no_wait: bool, request_id: str) -> None:
    """Start a VM."""
    from xenhost.api.host.v1.vm_service_pb2 import StartVmRequest

    done = "{name} is paused, domain {domid}" if paused else "{name} is running, domain {domid}"
    _run(session, "StartVm", StartVmRequest(id=vm, paused=paused, request_id=request_id), no_wait, done)


@vm.command()
@vm_argument
@stop_options
@operation_options
@pass_session
def shutdown(session: Session, vm: str, hard: bool, timeout: int | None, no_wait: bool, request_id: str) -> None:
    """Shut a VM down: ask the guest, or do not (--hard)."""
    from xenhost.api.host.v1.vm_service_pb2 import ShutdownVmRequest

    request = ShutdownVmRequest(id=vm, hard=hard, timeout_seconds=timeout or 0, request_id=request_id)
    _run(session, "ShutdownVm", request, no_wait, "{name} is halted")


@vm.command()
@vm_argument
@stop_options
@operation_options
@pass_session
def reboot(session: Session, vm: str, hard: bool, timeout: int | None, no_wait: bool, request_id: str) -> None:
    """Reboot a VM: ask the guest, or do not (--hard)."""
    from xenhost.api.host.v1.vm_service_pb2 import RebootVmRequest

    request = RebootVmRequest(id=vm, hard=hard, timeout_seconds=timeout or 0, request_id=request_id)
    _run(session, "RebootVm", request, no_wait, "{name} is running, domain {domid}")


@vm.command()
@vm_argument
@operation_options
@pass_session
def pause(session: Session, vm: str, no_wait: bool, request_id: str) -> None:
    """Stop the vCPUs of a VM."""
    from xenhost.api.host.v1.vm_service_pb2 import PauseVmRequest

    _run(session, "PauseVm", PauseVmRequest(id=vm, request_id=request_id), no_wait, "{name} is paused")


@vm.command()
@vm_argument
@operation_options
@pass_session
def unpause(session: Session, vm: str, no_wait: bool, request_id: str) -> None:
    """Let the vCPUs of a VM run again."""
    from xenhost.api.host.v1.vm_service_pb2 import UnpauseVmRequest

    _run(session, "UnpauseVm", UnpauseVmRequest(id=vm, request_id=request_id), no_wait, "{name} is running")


@vm.command()
@vm_argument
@click.option("--vdi", metavar="VDI", default="", help="Bring the memory into this VDI, by default into a file.")
@click.option("--timeout", type=click.IntRange(1), help="Seconds the guest has to suspend (1200).")
@operation_options
@pass_session
def suspend(session: Session, vm: str, vdi: str, timeout: int | None, no_wait: bool, request_id: str) -> None:
    """Bring the memory of a VM into an image, and end its domain."""
    from xenhost.api.host.v1.vm_service_pb2 import SuspendVmRequest

    request = SuspendVmRequest(id=vm, image_vdi_id=vdi, timeout_seconds=timeout or 0, request_id=request_id)
    _run(session, "SuspendVm", request, no_wait, "{name} is suspended")


@vm.command()
@vm_argument
@click.option("--paused", is_flag=True, help="Leave it paused.")
@operation_options
@pass_session
def resume(session: Session, vm: str, paused: bool, no_wait: bool, request_id: str) -> None:
    """Let a suspended VM go on where it was."""
    from xenhost.api.host.v1.vm_service_pb2 import ResumeVmRequest

    done = "{name} is paused, domain {domid}" if paused else "{name} is running, domain {domid}"
    _run(session, "ResumeVm", ResumeVmRequest(id=vm, paused=paused, request_id=request_id), no_wait, done)


@vm.command()
@vm_argument
@request_id_option
@json_option
@pass_session
def delete(session: Session, vm: str, request_id: str) -> None:
    """Forget a halted VM. Its disks stay."""
    from xenhost.api.host.v1.vm_service_pb2 import DeleteVmRequest

    with session.client() as client:
        client.call(client.vms.DeleteVm, DeleteVmRequest(id=vm, request_id=request_id))
    session.say(f"{vm} is deleted; its disks stay")


@vm.command()
@vm_argument
@click.option("--where", is_flag=True, help="Only print where the consoles are.")
@json_option
@pass_session
def console(session: Session, vm: str, where: bool) -> None:
    """Speak with the serial console of a running VM. Ctrl-] leaves."""
    with session.client() as client:
        found = client.console(vm)  # says what is wrong, if something is, before the terminal changes
        if where:
            from xenhost.agent.cli.shapes import shape

            session.one(shape(found), [("serial", found.serial_tty), ("VNC", found.vnc_socket)])
            return
        from xenhost.agent.cli.terminal import Terminal

        with Terminal() as terminal:
            terminal.remark(f"connected to {vm}; Ctrl-] leaves")
            for output in client.attach(vm, terminal.keys()):
                terminal.show(output)
        click.echo("", err=True)


def _run(session: Session, method: str, request: Any, no_wait: bool, done: str) -> None:
    from xenhost.agent.cli.waiting import carry_out

    with session.client() as client:
        carry_out(session, client, client.call(getattr(client.vms, method), request), no_wait, done)


def _fields(row: dict[str, Any]) -> list[tuple[str, Any]]:
    status, memory, vcpus = row["status"], row["memory"], row["vcpus"]
    bounds = f"{human_size(memory['dynamic_min_bytes'])} to {human_size(memory['dynamic_max_bytes'])}"
    has = f"; has {human_size(status['memory_bytes'])}" if status["domid"] else ""
    boot = next((f"{key}: {_words(row[key])}" for key in ("direct", "bootloader", "firmware") if key in row), "")
    online = f", {status['vcpus_online']} online" if status["domid"] else ""
    affinity = [
        f"vCPU {number} on {','.join(map(str, cpus['cpus']))}"
        for number, cpus in enumerate(vcpus["affinity"])
        if cpus["cpus"]
    ]
    return [
        ("name", row["name"]),
        ("id", row["id"]),
        ("state", status["power_state"]),
        ("problem", status["problem"]),
        ("domain", status["domid"] or None),
        ("operation", status["current_operation"]),
        ("started", status["started"]),
        ("last stop", status["last_stop"]),
        ("image", _image(row.get("suspended"))),
        ("type", row["type"]),
        ("boot", boot),
        ("memory", f"{bounds}, at most {human_size(memory['static_max_bytes'])}{has}"),
        ("vCPUs", f"{vcpus['maximum']}, {vcpus['at_startup']} at start{online}"),
        ("scheduling", [f"weight {vcpus['weight']}, cap {vcpus['cap'] or 'none'}", *affinity]),
        ("after", [f"{what}: {row[f'after_{what}']}" for what in ("shutdown", "reboot", "crash")]),
        ("platform", [f"{key}={value}" for key, value in row["platform"].items()]),
        ("xenstore", [f"{key}={value}" for key, value in row["xenstore_data"].items()]),
        ("disks", [_disk(vbd) for vbd in row["vbds"]]),
        ("NICs", [_nic(vif) for vif in row["vifs"]]),
        ("allowed", [", ".join(status["allowed_operations"])] if status["allowed_operations"] else None),
    ]


def _words(table: dict[str, Any]) -> str:
    said = (" ".join(each) if isinstance(each, list) else str(each) for each in table.values())
    return ", ".join(filter(None, said)) or "-"


def _image(source: dict[str, Any] | None) -> str | None:
    return (source.get("path") or f"vdi:{source['vdi_id']}") if source else None


def _disk(vbd: dict[str, Any]) -> str:
    source = vbd.get("source", {})
    kind = "cd" if vbd["type"] == "cd" else vbd["mode"]
    what = f"vdi:{source['vdi_id']}" if source.get("vdi_id") else source.get("path") or "empty"
    limits = vbd.get("limits", {})
    iops = f"  {limits['iops']} IOPS" if limits.get("iops") else ""
    rate = f"  {human_size(limits['bytes_per_second'])}/s" if limits.get("bytes_per_second") else ""
    return f"{vbd['device']}  {vbd['state']}  {kind}  {what}{iops}{rate}"


def _nic(vif: dict[str, Any]) -> str:
    rate = f"  {vif['rate_kbps']} KiB/s" if vif["rate_kbps"] else ""
    down = "  no link" if vif["link_down"] else ""
    lock = "" if vif["locking"] == "network_default" else f"  {vif['locking']}"
    allowed = ", ".join((*vif["ipv4_allowed"], *vif["ipv6_allowed"])) if vif["locking"] == "locked" else ""
    text = f"{vif['index']}  {vif['state']}  {vif['mac']}  {vif['bridge']}  mtu {vif['mtu']}{rate}{down}{lock}"
    return f"{text} to {allowed}" if allowed else text
