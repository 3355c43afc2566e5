"""xenhost network"""

from __future__ import annotations

import sys
from shutil import get_terminal_size

import click

from xenhost.agent.cli.commands.common import complete_network, network_argument, operation_options, pass_session
from xenhost.agent.cli.network_args import call, merged
from xenhost.agent.cli.parse import PAIR
from xenhost.agent.cli.session import Session, json_option


@click.group()
def network() -> None:
    """Networks of the host: bridges by name. A network is given by name, bridge or UUID.

    Its uplink is a PIF: see `xenhost pif`, `bond`, `vlan`, `tunnel` and `sriov`. What is one for the whole host is
    with `xenhost host`: management-reconfigure, reset-networking, set-switch.
    """


@network.command()
@click.argument("name")
@click.option("--bridge", default="", metavar="NAME", help="At most 15 characters. Default: xapi0, xapi1, ...")
@click.option("--description", default="")
@click.option("--mtu", type=click.IntRange(68, 65535), default=1500, show_default=True)
@click.option("--other-config", type=PAIR, multiple=True, help="KEY=VALUE. Repeatable.")
@click.option("--id", default="", metavar="UUID", help="Default: chosen.")
@operation_options
@pass_session
def create(
    session: Session,
    name: str,
    bridge: str,
    description: str,
    mtu: int,
    other_config: tuple[tuple[str, str], ...],
    id: str,
    no_wait: bool,
    request_id: str,
) -> None:
    """Make a network. Without a PIF it is an internal one, for the VMs of this host only."""
    from xenhost.api.host.v1.network_pb2 import Network
    from xenhost.api.host.v1.network_service_pb2 import CreateNetworkRequest

    wanted = Network(id=id, name=name, bridge=bridge, description=description, mtu=mtu, other_config=dict(other_config))
    request = CreateNetworkRequest(network=wanted, request_id=request_id)
    call(session, "networks", "CreateNetwork", request, no_wait, "{name} is created, UUID {id}")


@network.command()
@network_argument
@click.option("--name", help="Another name.")
@click.option("--description", help="Another description.")
@click.option("--mtu", type=click.IntRange(68, 65535), help="At once, where it is plugged.")
@click.option("--default-locking", type=click.Choice(["unlocked", "disabled"]), help="Of VIFs that do not say.")
@click.option("--other-config", type=PAIR, multiple=True, help="KEY=VALUE; `KEY=` removes the key. Repeatable.")
@operation_options
@pass_session
def update(
    session: Session,
    network: str,
    name: str | None,
    description: str | None,
    mtu: int | None,
    default_locking: str | None,
    other_config: tuple[tuple[str, str], ...],
    no_wait: bool,
    request_id: str,
) -> None:
    """Change a network: only what is given."""
    from xenhost.agent.cli.waiting import carry_out
    from xenhost.api.host.v1 import network_pb2
    from xenhost.api.host.v1.network_service_pb2 import UpdateNetworkRequest

    with session.client() as client:
        current = client.network(network)
        request = UpdateNetworkRequest(request_id=request_id)
        request.network.id = current.id
        locking = default_locking and network_pb2.EffectiveLockingMode.Value(
            f"EFFECTIVE_LOCKING_MODE_{default_locking.upper()}"
        )
        given = {"name": name, "description": description, "mtu": mtu, "default_locking_mode": locking}
        for field, value in given.items():
            if value is not None:
                setattr(request.network, field, value)
                request.update_mask.paths.append(field)
        if other_config:
            request.network.other_config.update(merged(current.other_config, other_config))
            request.update_mask.paths.append("other_config")
        if not request.update_mask.paths:
            raise click.UsageError("nothing to change was given; see --help")
        started = client.call(client.networks.UpdateNetwork, request)
        carry_out(session, client, started, no_wait, "{name} is changed")


@network.command()
@network_argument
@operation_options
@pass_session
def destroy(session: Session, network: str, no_wait: bool, request_id: str) -> None:
    """Forget a network that nothing is on."""
    from xenhost.api.host.v1.network_service_pb2 import DestroyNetworkRequest

    request = DestroyNetworkRequest(id=network, request_id=request_id)
    call(session, "networks", "DestroyNetwork", request, no_wait, "{name} is destroyed")


@network.command("set-id")
@network_argument
@click.argument("uuid")
@operation_options
@pass_session
def set_id(session: Session, network: str, uuid: str, no_wait: bool, request_id: str) -> None:
    """Give a network another UUID: that by which other hosts know it. Without plugged VIFs."""
    from xenhost.api.host.v1.network_service_pb2 import SetNetworkIdRequest

    request = SetNetworkIdRequest(id=network, new_id=uuid, request_id=request_id)
    call(session, "networks", "SetNetworkId", request, no_wait, "{name} has UUID {id}")


@network.command("list")
@json_option
@pass_session
def list_(session: Session) -> None:
    """List the networks."""
    from xenhost.agent.cli.shapes import shape

    with session.client() as client:
        rows = [shape(each) for each in client.list_networks()]
        names = {} if session.as_json else {pif.id: pif.name for pif in client.list_pifs()}
    if not session.as_json:
        for row in rows:
            status = row["status"]
            row["pifs"] = sorted(names.get(id, id) for id in status["pif_ids"])
            row |= {"state": "up" if status["up"] else "down", "vifs": len(status["vifs"])}
            row["problem"] = status["problem"]
    columns = [
        *(("name", "Name"), ("bridge", "Bridge"), ("state", "State"), ("mtu", "MTU")),
        *(("pifs", "PIFs"), ("vifs", "VIFs"), ("id", "UUID")),
    ]
    if any(row.get("problem") for row in rows):
        columns.append(("problem", "Problem"))
    session.rows(rows, columns, "no networks yet; `xenhost pif scan` finds the cards", optional=("id", "mtu"))


@network.command()
@click.argument("network", required=False, default="", shell_complete=complete_network)
@json_option
@pass_session
def show(session: Session, network: str) -> None:
    """Draw the host's networks, or one of them: uplinks, addresses, VIFs, and what is wrong with them.

    A line that begins with ! needs an eye. With --json: everything, or the one network, as data.
    """
    from xenhost.agent.cli.network_tree import network_tree
    from xenhost.agent.cli.shapes import shape

    with session.client() as client:
        one = client.network(network) if network else None
        if session.as_json:
            session.line(shape(client.host_network() if one is None else one))
            return
        host = client.host_network()
        used = any(each.status.vifs for each in host.networks)
        vms = {vm.id: vm.name for vm in client.list_vms()} if used else {}
    colours = sys.stdout.isatty()
    width = get_terminal_size().columns if colours else 0
    for line in network_tree(host, vms, width, one.id if one is not None else ""):
        click.echo("".join(_styled(piece.text, piece.style) if colours else piece.text for piece in line).rstrip())


def _styled(text: str, style: str) -> str:
    match style:
        case "name":
            return click.style(text, bold=True)
        case "good":
            return click.style(text, fg="green")
        case "idle":
            return click.style(text, fg="bright_black")
        case "problem":
            return click.style(text, fg="red")
        case _:
            return text
