"""xenhost vm create, xenhost vm update"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from xenhost.agent.cli.commands.common import pass_session, request_id_option, vm_argument
from xenhost.agent.cli.parse import CPUS, DISK, NIC, PAIR, SIZE
from xenhost.agent.cli.session import Session, json_option
from xenhost.agent.cli.vm_args import VmArgs, after_stop, set_memory, set_vcpus, vm_message

Command = TypeVar("Command", bound=Callable[..., Any])
_AFTER = click.Choice(["destroy", "restart", "preserve"])


def spec_options(command: Command) -> Command:
    """Options that `create` and `update` have in common."""
    options: list[Callable[[Any], Any]] = [
        click.option("--memory", type=SIZE, help="Memory: 512M, 2G. Sets all three bounds below."),
        click.option("--memory-static-max", type=SIZE, help="The most it can ever have."),
        click.option("--memory-dynamic-max", type=SIZE, help="The most it gets now; it starts with it."),
        click.option("--memory-dynamic-min", type=SIZE, help="The least it can be squeezed to."),
        click.option("--vcpus", type=click.IntRange(1), help="The most vCPUs it can have."),
        click.option("--vcpus-at-startup", type=click.IntRange(1), help="vCPUs online; default: all."),
        click.option(
            "--affinity", type=CPUS, multiple=True, help="CPUs of vCPU 0, then 1, ...: 0-3,8 or any. Repeatable."
        ),
        click.option("--weight", type=click.IntRange(1, 65535), help="Scheduler weight; default 256."),
        click.option("--cap", type=click.IntRange(0), help="Percent of one CPU; 0: no limit."),
        click.option("--kernel", help="Start this kernel of the host."),
        click.option("--ramdisk", help="With that ramdisk."),
        click.option("--cmdline", help="And that command line."),
        click.option("--bootloader", is_flag=True, default=None, help="Let pygrub find the kernel on the first disk."),
        click.option("--bootloader-arg", "bootloader_args", multiple=True, help="Argument of pygrub. Repeatable."),
        click.option("--boot-order", help="Firmware (hvm): of c (disk), d (CD), n (network)."),
        click.option("--platform", type=PAIR, multiple=True, help="Platform flag: acpi=1. Repeatable."),
        click.option("--xenstore-data", type=PAIR, multiple=True, help="vm-data/KEY=VALUE. Repeatable."),
        click.option("--after-shutdown", type=_AFTER, help="When the guest powers off; default destroy."),
        click.option("--after-reboot", type=_AFTER, help="When it reboots; default restart."),
        click.option("--after-crash", type=_AFTER, help="When it crashes; default destroy."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("name", required=False)
@click.option(
    "--from",
    "file",
    type=click.Path(dir_okay=False),
    metavar="FILE.toml",
    help="Read the VM from a file; options go first. `--from example` prints an example.",
)
@click.option("--type", "type", type=click.Choice(["pv", "pvh", "hvm"]), help="How it is virtualised; default pvh.")
@click.option("--id", "id", metavar="UUID", help="Its UUID; default: a new one.")
@spec_options
@click.option(
    "--disk",
    "disks",
    type=DISK,
    multiple=True,
    help="PATH or vdi:NAME, [,device=xvda][,ro][,cd][,file|block][,iops=500][,rate=50M]. Repeatable.",
)
@click.option("--nic", "nics", type=NIC, multiple=True, help="bridge=xenbr0[,mac=..][,mtu=..][,rate=..]. Repeatable.")
@request_id_option
@json_option
@pass_session
def create(session: Session, file: str | None, request_id: str, **options: Any) -> None:
    """Record a VM. It is not started.

    \b
    xenhost vm create web1 --memory 1G --vcpus 2 --kernel /boot/vmlinuz --ramdisk /boot/initrd.img \\
        --cmdline 'root=/dev/xvda ro' --disk /srv/web1.img --nic bridge=xenbr0
    """
    args = _args(options)
    if file is not None:
        from xenhost.agent.cli.vm_file import EXAMPLE, read_vm_file

        if file == "example":
            click.echo(EXAMPLE, nl=False)
            return
        args = args.over(read_vm_file(file))
    message = vm_message(args)
    from xenhost.agent.cli.shapes import shape
    from xenhost.api.host.v1.vm_service_pb2 import CreateVmRequest

    with session.client() as client:
        made = client.call(client.vms.CreateVm, CreateVmRequest(vm=message, request_id=request_id))
    if session.as_json:
        session.line(shape(made))
    else:
        click.echo(f"{made.name} is created, UUID {made.id}; start it with `xenhost vm start {made.name}`")


@click.command()
@vm_argument
@click.option("--name", help="Another name.")
@spec_options
@request_id_option
@json_option
@pass_session
def update(session: Session, vm: str, request_id: str, **options: Any) -> None:
    """Change a VM: only what is given.

    Of a running VM, name, vcpus at startup (number online), weight, cap, affinity, dynamic memory and what happens
    after a stop change at once; the rest needs it halted. `--platform KEY=` removes a key.
    """
    from xenhost.agent.cli.shapes import shape
    from xenhost.api.host.v1 import vm_pb2
    from xenhost.api.host.v1.vm_service_pb2 import UpdateVmRequest

    args = _args(options)
    with session.client() as client:
        current = client.vm(vm)
        message = vm_pb2.Vm(id=current.id)
        paths = _set_numbers(message, args) + _set_words(message, current, args) + _set_boot(message, current, args)
        if not paths:
            raise click.UsageError("nothing to change was given; see --help")
        request = UpdateVmRequest(vm=message, request_id=request_id)
        request.update_mask.paths.extend(paths)
        changed = client.call(client.vms.UpdateVm, request)
    if session.as_json:
        session.line(shape(changed))
    else:
        click.echo(f"{changed.name} is changed")


def _args(options: dict[str, Any]) -> VmArgs:
    pairs = {key: dict(options.pop(key)) for key in ("platform", "xenstore_data")}
    lists = {key: list(value) for key, value in options.items() if isinstance(value, tuple)}
    return VmArgs(**(options | lists | pairs))


def _set_numbers(message: Any, args: VmArgs) -> list[str]:
    """Set the vCPUs and memory that are said, and return their paths."""
    set_vcpus(message, args)
    set_memory(message, args)
    said = {
        "vcpus.maximum": args.vcpus,
        "vcpus.at_startup": args.vcpus_at_startup,
        "vcpus.weight": args.weight,
        "vcpus.cap": args.cap,
        "vcpus.affinity": args.affinity or None,
        "memory.static_max_bytes": args.memory_static_max or args.memory,
        "memory.dynamic_max_bytes": args.memory_dynamic_max or args.memory,
        "memory.dynamic_min_bytes": args.memory_dynamic_min or args.memory,
    }
    return [path for path, value in said.items() if value is not None]


def _set_words(message: Any, current: Any, args: VmArgs) -> list[str]:
    """Set names, actions and maps that are said, and return their paths. In a map, `KEY=` removes the key."""
    paths = []
    if args.name is not None:
        message.name = args.name
        paths.append("name")
    for key in ("after_shutdown", "after_reboot", "after_crash"):
        word = getattr(args, key)
        if word is not None:
            message.MergeFrom(type(message)(**{key: after_stop(word)}))
            paths.append(key)
    for key in ("platform", "xenstore_data"):
        said = getattr(args, key)
        if said:
            merged = {name: value for name, value in {**getattr(current, key), **said}.items() if value}
            getattr(message, key).update(merged)
            paths.append(key)
    return paths


def _set_boot(message: Any, current: Any, args: VmArgs) -> list[str]:
    """Set how it boots, if any of that is said; what is not said stays if the way stays the same."""
    if args.bootloader or args.bootloader_args:
        way = "bootloader"
    elif args.boot_order is not None:
        way = "firmware"
    elif args.kernel is not None or args.ramdisk is not None:
        way = "direct"
    elif args.cmdline is not None:
        way = current.WhichOneof("boot")
    else:
        return []
    boot = getattr(message, way)
    boot.CopyFrom(getattr(current, way))
    for name, value in (("kernel", args.kernel), ("ramdisk", args.ramdisk), ("cmdline", args.cmdline)):
        if value is not None and name in boot.DESCRIPTOR.fields_by_name:
            setattr(boot, name, value)
    if args.bootloader_args:
        del boot.args[:]
        boot.args.extend(args.bootloader_args)
    if args.boot_order is not None:
        boot.order = args.boot_order
    return [way]
