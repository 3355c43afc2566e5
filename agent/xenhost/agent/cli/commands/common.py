"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from xenhost.agent.cli.session import Session, json_option
from xenhost.agent.cli.target import Target

Command = TypeVar("Command", bound=Callable[..., Any])


def complete_vm(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of VMs, if the agent answers quickly; nothing otherwise."""
    from xenhost.agent.cli.client import Client
    from xenhost.agent.cli.failure import Failure

    top = ctx.find_root().params
    target = Target(*(str(top.get(name) or "") for name in _TARGET_PARAMS))
    try:
        with Client(target) as client:
            names = [vm.name for vm in client.list_vms(timeout=1.0)]
    except Failure:
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


_TARGET_PARAMS = ("socket", "address", "tls_cert", "tls_key", "tls_ca", "tls_server_name")


def vm_argument(command: Command) -> Command:
    """The VM a command is about."""
    argument: Callable[[Command], Command] = click.argument("vm", shell_complete=complete_vm)
    return argument(command)


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
