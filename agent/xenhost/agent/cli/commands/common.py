"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from xenhost.agent.cli.parse import SIZE
from xenhost.agent.cli.session import Session, json_option
from xenhost.agent.cli.target import Target

if TYPE_CHECKING:
    from xenhost.agent.cli.client import Client

Command = TypeVar("Command", bound=Callable[..., Any])


def complete_vm(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of VMs, if the agent answers quickly; nothing otherwise."""
    return _complete(ctx, incomplete, lambda client: [vm.name for vm in client.list_vms(timeout=1.0)])


def complete_sr(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of SRs."""
    return _complete(ctx, incomplete, lambda client: [sr.name for sr in client.list_srs(timeout=1.0)])


def complete_vdi(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of VDIs, and UUIDs once there is a beginning to go by."""
    return _complete(
        ctx,
        incomplete,
        lambda client: [
            word for vdi in client.list_vdis(timeout=1.0) for word in (vdi.name, vdi.id if incomplete else "") if word
        ],
    )


def complete_sr_type(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Types of SRs."""
    return _complete(ctx, incomplete, lambda client: [driver.type for driver in client.drivers()])


def complete_network(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names and bridges of networks."""
    return _complete(
        ctx,
        incomplete,
        lambda client: [
            word for each in client.list_networks(timeout=1.0) for word in sorted({each.name, each.bridge}) if word
        ],
    )


def complete_pif(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """PIFs: eth0, bond0, eth0.5."""
    return _complete_pif(ctx, incomplete, "")


def complete_bond(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Bonds: bond0."""
    return _complete_pif(ctx, incomplete, "bond")


def complete_vlan(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """VLANs: eth0.5."""
    return _complete_pif(ctx, incomplete, "vlan")


def complete_tunnel(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Tunnels: tunnel0."""
    return _complete_pif(ctx, incomplete, "tunnel")


def complete_sriov(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Cards with a network of virtual functions."""
    return _complete_pif(ctx, incomplete, "sriov")


def _complete_pif(ctx: click.Context, incomplete: str, kind: str) -> list[CompletionItem]:
    def names(client: Client) -> list[str]:
        from xenhost.agent.cli.shapes import shape

        return [pif.name for pif in client.list_pifs(timeout=1.0) if kind in ("", shape(pif)["kind"])]

    return _complete(ctx, incomplete, names)


def _complete(ctx: click.Context, incomplete: str, names_of: Callable[[Client], list[str]]) -> list[CompletionItem]:
    from xenhost.agent.cli.client import Client
    from xenhost.agent.cli.failure import Failure

    top = ctx.find_root().params
    target = Target(*(str(top.get(name) or "") for name in _TARGET_PARAMS))
    try:
        with Client(target) as client:
            names = names_of(client)
    except Failure:
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


_TARGET_PARAMS = ("socket", "address", "tls_cert", "tls_key", "tls_ca", "tls_server_name")


def vm_argument(command: Command) -> Command:
    """The VM a command is about."""
    argument: Callable[[Command], Command] = click.argument("vm", shell_complete=complete_vm)
    return argument(command)


def sr_argument(command: Command) -> Command:
    """The SR a command is about."""
    argument: Callable[[Command], Command] = click.argument("sr", shell_complete=complete_sr)
    return argument(command)


def vdi_argument(command: Command) -> Command:
    """The VDI a command is about."""
    argument: Callable[[Command], Command] = click.argument("vdi", shell_complete=complete_vdi)
    return argument(command)


def network_argument(command: Command) -> Command:
    """The network a command is about."""
    argument: Callable[[Command], Command] = click.argument("network", shell_complete=complete_network)
    return argument(command)


def pif_argument(command: Command) -> Command:
    """The PIF a command is about."""
    argument: Callable[[Command], Command] = click.argument("pif", shell_complete=complete_pif)
    return argument(command)


def rate_option(command: Command) -> Command:
    """For commands that copy: --rate."""
    option: Callable[[Command], Command] = click.option(
        "--rate", type=SIZE, default=0, help="At most so much a second: 50M. Default: no limit."
    )
    return option(command)


def operation_options(command: Command) -> Command:
    """For commands that start an operation: --no-wait, --request-id and --json."""
    no_wait: Callable[[Command], Command] = click.option(
        "--no-wait", is_flag=True, help="Print the operation's id at once; see `xenhost operation wait`."
    )
    return no_wait(request_id_option(json_option(command)))


def stop_options(command: Command) -> Command:
    """For commands that stop a guest: --hard and --timeout."""
    hard: Callable[[Command], Command] = click.option("--hard", is_flag=True, help="Do not ask the guest.")
    timeout: Callable[[Command], Command] = click.option(
        "--timeout", type=click.IntRange(1), metavar="SECONDS", help="For the guest to be gone; default 1200."
    )
    return hard(timeout(command))


def request_id_option(command: Command) -> Command:
    """For commands that change something: repeating one with the same id does nothing twice."""
    option: Callable[[Command], Command] = click.option(
        "--request-id", default="", metavar="UUID", help="Repeating a command with the same id does nothing twice."
    )
    return option(command)


pass_session = click.make_pass_decorator(Session)
