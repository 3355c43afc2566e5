"""Commands of xe that are one call of the API, as data, and the few that are more."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from xenhost.pool.call import Ref, Value
from xenhost.pool.cli_server.arguments import Arguments, CliError, to_bool, to_bytes
from xenhost.pool.cli_server.shell import Shell
from xenhost.pool.cli_server.transfers import TRANSFERS

Take = Callable[[Shell], Awaitable[Value]]
"""One parameter of a call, from what was typed."""


@dataclass(frozen=True, slots=True)
class Command:
    """`takes` are the parameters of `method`; `makes` is the class of its result, whose UUID is printed.

    `prints`: the result is printed as it is.
    """

    method: str
    takes: tuple[Take, ...]
    usage: str
    makes: str = ""
    prints: bool = False


@dataclass(frozen=True, slots=True)
class VmCommand:
    """A call for each VM that is chosen; another one with `--force`."""

    method: str
    rest: tuple[Value, ...] = ()
    forced: str = ""
    usage: str = "<vm-selectors>"


def ref(name: str, cls: str) -> Take:
    """An object by its UUID or name."""

    async def take(shell: Shell) -> Value:
        return await shell.find(cls, shell.args.require(name))

    return take


def ref_or_null(name: str, cls: str) -> Take:
    """An object, or none."""

    async def take(shell: Shell) -> Value:
        return await shell.find(cls, shell.args.params[name]) if name in shell.args.params else "OpaqueRef:NULL"

    return take


def text(name: str, default: str | None = None) -> Take:
    """Text."""

    async def take(shell: Shell) -> Value:
        return shell.args.require(name) if default is None else shell.args.params.get(name, default)

    return take


def flag(name: str, default: str = "false") -> Take:
    """True or false."""

    async def take(shell: Shell) -> Value:
        return to_bool(name, shell.args.params.get(name, default))

    return take


def size(name: str) -> Take:
    """Bytes."""

    async def take(shell: Shell) -> Value:
        return to_bytes(name, shell.args.require(name))

    return take


def keyed(name: str) -> Take:
    """A map: `name:key=value`."""

    async def take(shell: Shell) -> Value:
        return dict(shell.args.keyed(name))

    return take


def constant(value: Value) -> Take:
    """Always the same."""

    async def take(shell: Shell) -> Value:
        return value

    return take


def record(**members: Take) -> Take:
    """A record of these members."""

    async def take(shell: Shell) -> Value:
        return {name: await member(shell) for name, member in members.items()}

    return take


VM_COMMANDS: Final[Mapping[str, VmCommand]] = {
    "vm-start": VmCommand("VM.start", (False, False)),
    "vm-shutdown": VmCommand("VM.clean_shutdown", forced="VM.hard_shutdown", usage="<vm-selectors> [--force]"),
    "vm-reboot": VmCommand("VM.clean_reboot", forced="VM.hard_reboot", usage="<vm-selectors> [--force]"),
    "vm-suspend": VmCommand("VM.suspend"),
    "vm-resume": VmCommand("VM.resume", (False, False)),
    "vm-pause": VmCommand("VM.pause"),
    "vm-unpause": VmCommand("VM.unpause"),
}


def _uuid(cls: str, verb: str) -> Command:
    return Command(f"{cls}.{verb}", (ref("uuid", cls),), "uuid=")


COMMANDS: Final[Mapping[str, Command]] = {
    "pool-join": Command(
        "pool.join",
        (text("master-address"), text("master-username"), text("master-password")),
        "master-address= master-username= master-password=",
    ),
    "pool-eject": Command("pool.eject", (ref("host-uuid", "host"),), "host-uuid="),
    "pool-designate-new-master": Command("pool.designate_new_master", (ref("host-uuid", "host"),), "host-uuid="),
    "pool-emergency-transition-to-master": Command("pool.emergency_transition_to_master", (), ""),
    "pool-emergency-reset-master": Command("pool.emergency_reset_master", (text("master-address"),), "master-address="),
    "vm-destroy": _uuid("VM", "destroy"),
    "vm-clone": Command("VM.clone", (ref("vm", "VM"), text("new-name-label")), "vm= new-name-label=", "VM"),
    "vm-snapshot": Command("VM.snapshot", (ref("vm", "VM"), text("new-name-label")), "vm= new-name-label=", "VM"),
    "vm-checkpoint": Command("VM.checkpoint", (ref("vm", "VM"), text("new-name-label")), "vm= new-name-label=", "VM"),
    "vm-migrate": Command(
        "VM.pool_migrate",
        (ref("vm", "VM"), ref("host", "host"), record(live=text("live", "false"))),
        "vm= host= [live=]",
    ),
    "vm-copy": Command(
        "VM.copy",
        (ref("vm", "VM"), text("new-name-label"), ref_or_null("sr-uuid", "SR")),
        "vm= new-name-label= [sr-uuid=]",
        "VM",
    ),
    "snapshot-revert": Command("VM.revert", (ref("snapshot-uuid", "VM"),), "snapshot-uuid="),
    "snapshot-destroy": _uuid("VM", "destroy"),
    "vm-memory-limits-set": Command(
        "VM.set_memory_limits",
        (ref("uuid", "VM"), size("static-min"), size("static-max"), size("dynamic-min"), size("dynamic-max")),
        "uuid= static-min= static-max= dynamic-min= dynamic-max=",
    ),
    "vbd-create": Command(
        "VBD.create",
        (
            record(
                VM=ref("vm-uuid", "VM"),
                VDI=ref_or_null("vdi-uuid", "VDI"),
                userdevice=text("device"),
                bootable=flag("bootable"),
                mode=text("mode", "RW"),
                type=text("type", "Disk"),
                unpluggable=flag("unpluggable", "true"),
                empty=flag("empty"),
                other_config=keyed("other-config"),
                qos_algorithm_type=constant(""),
                qos_algorithm_params=constant({}),
            ),
        ),
        "vm-uuid= device= [vdi-uuid=] [mode=RO|RW] [type=Disk|CD] [bootable=] [empty=]",
        "VBD",
    ),
    "vbd-plug": _uuid("VBD", "plug"),
    "vbd-unplug": _uuid("VBD", "unplug"),
    "vbd-destroy": _uuid("VBD", "destroy"),
    "vbd-eject": _uuid("VBD", "eject"),
    "vbd-insert": Command("VBD.insert", (ref("uuid", "VBD"), ref("vdi-uuid", "VDI")), "uuid= vdi-uuid="),
    "vif-create": Command(
        "VIF.create",
        (
            record(
                VM=ref("vm-uuid", "VM"),
                network=ref("network-uuid", "network"),
                device=text("device"),
                MAC=text("mac", ""),
                MTU=constant("1500"),
                other_config=keyed("other-config"),
                qos_algorithm_type=constant(""),
                qos_algorithm_params=constant({}),
            ),
        ),
        "vm-uuid= network-uuid= device= [mac=]",
        "VIF",
    ),
    "vif-plug": _uuid("VIF", "plug"),
    "vif-unplug": _uuid("VIF", "unplug"),
    "vif-destroy": _uuid("VIF", "destroy"),
    "vdi-create": Command(
        "VDI.create",
        (
            record(
                SR=ref("sr-uuid", "SR"),
                name_label=text("name-label"),
                name_description=text("name-description", ""),
                virtual_size=size("virtual-size"),
                type=text("type", "user"),
                sharable=flag("sharable"),
                read_only=flag("read-only"),
                other_config=keyed("other-config"),
                xenstore_data=keyed("xenstore-data"),
                sm_config=keyed("sm-config"),
                tags=constant([]),
            ),
        ),
        "sr-uuid= name-label= virtual-size= [type=] [sharable=] [read-only=]",
        "VDI",
    ),
    "vdi-destroy": _uuid("VDI", "destroy"),
    "vdi-forget": _uuid("VDI", "forget"),
    "vdi-update": _uuid("VDI", "update"),
    "vdi-resize": Command("VDI.resize", (ref("uuid", "VDI"), size("disk-size")), "uuid= disk-size="),
    "vdi-clone": Command("VDI.clone", (ref("uuid", "VDI"), keyed("driver-params")), "uuid=", "VDI"),
    "vdi-snapshot": Command("VDI.snapshot", (ref("uuid", "VDI"), keyed("driver-params")), "uuid=", "VDI"),
    "vdi-copy": Command("VDI.copy", (ref("uuid", "VDI"), ref("sr-uuid", "SR")), "uuid= sr-uuid=", "VDI"),
    "sr-scan": _uuid("SR", "scan"),
    "sr-forget": _uuid("SR", "forget"),
    "sr-destroy": _uuid("SR", "destroy"),
    "sr-create": Command(
        "SR.create",
        (
            ref("host-uuid", "host"),
            keyed("device-config"),
            text("physical-size", "0"),
            text("name-label"),
            text("name-description", ""),
            text("type"),
            text("content-type", ""),
            flag("shared"),
            keyed("sm-config"),
        ),
        "host-uuid= name-label= type= [content-type=] [shared=] [device-config:KEY=]",
        "SR",
    ),
    "pbd-create": Command(
        "PBD.create",
        (
            record(
                host=ref("host-uuid", "host"),
                SR=ref("sr-uuid", "SR"),
                device_config=keyed("device-config"),
                other_config=keyed("other-config"),
            ),
        ),
        "host-uuid= sr-uuid= [device-config:KEY=]",
        "PBD",
    ),
    "pbd-plug": _uuid("PBD", "plug"),
    "pbd-unplug": _uuid("PBD", "unplug"),
    "pbd-destroy": _uuid("PBD", "destroy"),
    "network-create": Command(
        "network.create",
        (
            record(
                name_label=text("name-label"),
                name_description=text("name-description", ""),
                MTU=text("MTU", "1500"),
                other_config=keyed("other-config"),
                tags=constant([]),
            ),
        ),
        "name-label= [name-description=] [MTU=]",
        "network",
    ),
    "network-destroy": _uuid("network", "destroy"),
    "pif-plug": _uuid("PIF", "plug"),
    "pif-unplug": _uuid("PIF", "unplug"),
    "pif-scan": Command("PIF.scan", (ref("host-uuid", "host"),), "host-uuid="),
    "host-enable": Command("host.enable", (ref("host", "host"),), "host="),
    "host-disable": Command("host.disable", (ref("host", "host"),), "host="),
    "host-reboot": Command("host.reboot", (ref("host", "host"),), "host="),
    "host-shutdown": Command("host.shutdown", (ref("host", "host"),), "host="),
    "host-power-on": Command("host.power_on", (ref("host", "host"),), "host="),
    "host-enable-ssh": Command("host.enable_ssh", (ref("host", "host"),), "host="),
    "host-disable-ssh": Command("host.disable_ssh", (ref("host", "host"),), "host="),
    "host-dmesg": Command("host.dmesg", (ref("host", "host"),), "host=", prints=True),
    "host-get-server-certificate": Command("host.get_server_certificate", (ref("host", "host"),), "host=", prints=True),
    "host-syslog-reconfigure": Command("host.syslog_reconfigure", (ref("host-uuid", "host"),), "host-uuid="),
    "host-send-debug-keys": Command(
        "host.send_debug_keys", (ref("host-uuid", "host"), text("keys")), "host-uuid= keys="
    ),
    "host-set-hostname-live": Command(
        "host.set_hostname_live", (ref("host-uuid", "host"), text("host-name")), "host-uuid= host-name="
    ),
    "host-call-plugin": Command(
        "host.call_plugin",
        (ref("host-uuid", "host"), text("plugin"), text("fn"), keyed("args")),
        "host-uuid= plugin= fn= [args:KEY=]",
        prints=True,
    ),
    "host-evacuate": Command("host.evacuate", (ref("uuid", "host"),), "uuid="),
    "task-cancel": _uuid("task", "cancel"),
    "subject-remove": Command("subject.destroy", (ref("subject-uuid", "subject"),), "subject-uuid="),
    "subject-role-add": Command(
        "subject.add_to_roles", (ref("uuid", "subject"), ref("role-name", "role")), "uuid= role-name="
    ),
    "subject-role-remove": Command(
        "subject.remove_from_roles", (ref("uuid", "subject"), ref("role-name", "role")), "uuid= role-name="
    ),
    "user-password-change": Command("session.change_password", (text("old", ""), text("new")), "old= new="),
    "secret-create": Command(
        "secret.create", (record(value=text("value"), other_config=keyed("other-config")),), "value=", "secret"
    ),
}


async def run(shell: Shell, command: Command) -> None:
    """Raises ApiError, CliError."""
    result = await shell.call(command.method, *[await take(shell) for take in command.takes])
    if command.makes:
        await shell.print_uuid(command.makes, result)
    elif command.prints:
        await shell.print(str(result))


async def run_for_vms(shell: Shell, command: VmCommand) -> None:
    """Raises ApiError, CliError."""
    method = command.forced if command.forced and shell.args.flag("force") else command.method
    for vm in await shell.selected_vms():
        await shell.call(method, vm, *command.rest)


async def install(shell: Shell) -> None:
    """`vm-install`: a VM from a template. Raises ApiError, CliError."""
    named = shell.args.params.get("template-uuid") or shell.args.require("template")
    vm = await shell.call("VM.clone", await shell.find("VM", named), shell.args.require("new-name-label"))
    await shell.call("VM.provision", vm)
    await shell.print_uuid("VM", vm)


async def uninstall(shell: Shell) -> None:
    """`vm-uninstall`: the VM and the disks that only it has. Raises ApiError, CliError."""
    vms = await shell.selected_vms()
    if not shell.args.flag("force"):
        raise CliError("Error: this destroys the VM and its disks; say --force if you mean it")
    for vm in vms:
        if await shell.call("VM.get_power_state", vm) != "Halted":
            await shell.call("VM.hard_shutdown", vm)
        disks = [vdi for vbd in _refs(await shell.call("VM.get_VBDs", vm)) if (vdi := await _own_disk(shell, vbd))]
        await shell.call("VM.destroy", vm)
        for vdi in disks:
            await shell.call("VDI.destroy", vdi)


async def console(shell: Shell) -> None:
    """The serial console of a VM. Raises ApiError, CliError."""
    vm, *others = await shell.selected_vms()
    if others:
        raise CliError("Multiple VMs found: please narrow your request to one VM.")
    for each in _refs(await shell.call("VM.get_consoles", vm)):
        if await shell.call("console.get_protocol", each) == "vt100":
            name = await shell.call("VM.get_name_label", vm)
            await shell.print(f"Connecting to console on VM {name}. Press Ctrl + ']' to quit.")
            await shell.connect(f"{await shell.call('console.get_location', each)}&session_id={shell.session.ref}")
            return
    raise CliError("No text console available")


async def _own_disk(shell: Shell, vbd: Ref) -> Ref | None:
    vdi = Ref(str(await shell.call("VBD.get_VDI", vbd)))
    if await shell.call("VBD.get_type", vbd) != "Disk" or shell.database.find("VDI", vdi) is None:
        return None
    return vdi if len(_refs(await shell.call("VDI.get_VBDs", vdi))) == 1 else None


def _refs(value: Value) -> list[Ref]:
    return [Ref(str(each)) for each in value] if isinstance(value, list | tuple) else []


MORE: Final[Mapping[str, tuple[Callable[[Shell], Awaitable[None]], str]]] = {
    "console": (console, "<vm-selectors>"),
    "vm-install": (install, "template= new-name-label="),
    "vm-uninstall": (uninstall, "<vm-selectors> --force"),
    **TRANSFERS,
}


def usage(args: Arguments, kinds: Mapping[str, object], verbs: tuple[str, ...]) -> str:
    """All commands, or what one of them takes."""
    known = {
        **{name: command.usage for name, command in COMMANDS.items()},
        **{name: command.usage for name, command in VM_COMMANDS.items()},
        **{name: words for name, (_, words) in MORE.items()},
    }
    topic = args.params.get("topic", "")
    if topic in known:
        return f"xe {topic} {known[topic]}"
    lines = [f"  {name} {words}" for name, words in sorted(known.items())]
    generic = [f"  {name}-{{{','.join(verbs)}}}" for name in sorted(kinds)]
    return "\n".join(["Commands:", *lines, "For each kind of object:", *generic])
