"""xenhost pif"""

from __future__ import annotations

from typing import Any

import click

from xenhost.agent.cli.commands.common import complete_network, operation_options, pass_session, pif_argument
from xenhost.agent.cli.commands.pif_change import reconfigure_ip, reconfigure_ipv6, set_
from xenhost.agent.cli.network_args import call, pairs, short_name
from xenhost.agent.cli.session import Session, json_option


@click.group()
def pif() -> None:
    """Physical interfaces of the host, and what acts as one: bonds, VLANs, tunnels.

    A PIF is given as it is called, eth0, bond0, eth0.5, tunnel0, or by UUID.
    """


for _command in (reconfigure_ip, reconfigure_ipv6, set_):
    pif.add_command(_command)


@pif.command()
@operation_options
@pass_session
def scan(session: Session, no_wait: bool, request_id: str) -> None:
    """Make a PIF, with a network, for each card that has none."""
    from xenhost.api.host.v1.pif_service_pb2 import ScanPifsRequest

    call(session, "pifs", "ScanPifs", ScanPifsRequest(request_id=request_id), no_wait, "every card has its PIF")


@pif.command()
@click.argument("device", required=False, default="")
@click.option("--mac", default="", help="Of the card, instead of its name.")
@click.option("--network", default="", shell_complete=complete_network, help="Default: a new one.")
@click.option("--unmanaged", is_flag=True, help="Its settings are left alone.")
@click.option("--id", default="", metavar="UUID", help="Default: chosen.")
@operation_options
@pass_session
def introduce(
    session: Session, device: str, mac: str, network: str, unmanaged: bool, id: str, no_wait: bool, request_id: str
) -> None:
    """Make a PIF for one card."""
    from xenhost.api.host.v1.pif_service_pb2 import IntroducePifRequest

    if not device and not mac:
        raise click.UsageError("give the card's name, such as eth0, or --mac")
    request = IntroducePifRequest(
        id=id, mac=mac, device=device, network_id=network, managed=not unmanaged, request_id=request_id
    )
    call(session, "pifs", "IntroducePif", request, no_wait, "{name} is introduced, UUID {id}")


@pif.command()
@pif_argument
@operation_options
@pass_session
def forget(session: Session, pif: str, no_wait: bool, request_id: str) -> None:
    """Forget a physical PIF. While its card is there, a scan brings it back."""
    from xenhost.api.host.v1.pif_service_pb2 import ForgetPifRequest

    request = ForgetPifRequest(id=pif, request_id=request_id)
    call(session, "pifs", "ForgetPif", request, no_wait, "{name} is forgotten")


@pif.command()
@pif_argument
@operation_options
@pass_session
def plug(session: Session, pif: str, no_wait: bool, request_id: str) -> None:
    """Bring the network of a PIF up, now and after a restart."""
    from xenhost.api.host.v1.pif_service_pb2 import PlugPifRequest

    call(session, "pifs", "PlugPif", PlugPifRequest(id=pif, request_id=request_id), no_wait, "{name} is plugged")


@pif.command()
@pif_argument
@operation_options
@pass_session
def unplug(session: Session, pif: str, no_wait: bool, request_id: str) -> None:
    """Take the network of a PIF down."""
    from xenhost.api.host.v1.pif_service_pb2 import UnplugPifRequest

    request = UnplugPifRequest(id=pif, request_id=request_id)
    call(session, "pifs", "UnplugPif", request, no_wait, "{name} is unplugged")


@pif.command("list")
@json_option
@pass_session
def list_(session: Session) -> None:
    """List the PIFs."""
    from xenhost.agent.cli.network_tree import natural
    from xenhost.agent.cli.shapes import shape

    with session.client() as client:
        rows = [shape(each) for each in client.list_pifs()]
        names = {} if session.as_json else {net.id: short_name(net) for net in client.list_networks()}
    if not session.as_json:
        rows.sort(key=lambda row: natural(row["name"]))
        for row in rows:
            status = row["status"]
            row["network"] = names.get(row["network_id"], row["network_id"])
            row["state"] = _state(row)
            row["link"] = _link(row)
            row["address"] = (status["ipv4_addresses"] + status["ipv6_addresses"])[:1]
            row["management"] = "yes" if row["management"] else ""
            row["problem"] = status["problem"]
    columns = [
        *(("name", "Name"), ("kind", "Kind"), ("state", "State"), ("link", "Link"), ("network", "Network")),
        *(("address", "Address"), ("management", "Management"), ("mac", "MAC"), ("id", "UUID")),
    ]
    if any(row.get("problem") for row in rows):
        columns.append(("problem", "Problem"))
    session.rows(
        rows, columns, "no PIFs yet; `xenhost pif scan` finds the cards", optional=("id", "mac", "kind", "management")
    )


@pif.command()
@pif_argument
@json_option
@pass_session
def show(session: Session, pif: str) -> None:
    """Show one PIF, with what its card says."""
    from xenhost.agent.cli.shapes import shape

    with session.client() as client:
        row = shape(client.pif(pif))
        network = client.network(row["network_id"]) if not session.as_json else None
    status = row["status"]
    metrics = status.get("metrics", {})
    ipv4, ipv6 = row.get("ipv4", {}), row.get("ipv6", {})
    card = " ".join(filter(None, (metrics.get("vendor_name", ""), metrics.get("device_name", ""))))
    session.one(
        row,
        [
            ("name", row["name"]),
            ("id", row["id"]),
            ("kind", row["kind"]),
            ("network", f"{network.name or network.bridge} ({network.bridge})" if network is not None else ""),
            ("state", _state(row)),
            ("management", row["management"]),
            ("problem", status["problem"]),
            ("link", _link(row)),
            ("MAC", row["mac"]),
            ("MTU", row["mtu"]),
            ("VLAN", status["vlan"] if status["vlan"] >= 0 else None),
            ("IPv4", [f"{ipv4.get('mode', 'none')}", *status["ipv4_addresses"]]),
            ("IPv4 gateway", status["ipv4_gateway"] or ipv4.get("gateway")),
            ("IPv6", [f"{ipv6.get('mode', 'none')}", *status["ipv6_addresses"]]),
            ("IPv6 gateway", status["ipv6_gateway"] or ipv6.get("gateway")),
            ("primary", row["primary_address_type"]),
            ("DNS", list(status["dns"] or ipv4.get("dns", []))),
            ("card", card),
            ("driver", metrics.get("driver")),
            ("PCI", metrics.get("pci_bus_path") if metrics.get("pci_bus_path") != "N/A" else None),
            ("SR-IOV", f"{metrics['sriov_total']} virtual functions" if metrics.get("sriov_total") else None),
            ("properties", pairs(row["properties"])),
            ("other config", pairs(row["other_config"])),
            ("disallow unplug", row["disallow_unplug"] or None),
        ],
    )


def _state(row: dict[str, Any]) -> str:
    if row["status"]["bond_slave_of"]:
        return "in a bond"
    if not row["managed"]:
        return "unmanaged"
    return "attached" if row["status"]["currently_attached"] else "unplugged"


def _link(row: dict[str, Any]) -> str:
    from xenhost.agent.cli.network_tree import speed_text

    metrics = row["status"].get("metrics")
    if row["kind"] not in ("physical", "bond"):
        return ""
    if metrics is None:
        return "not there"
    if not metrics["carrier"]:
        return "no link"
    half = "" if metrics["full_duplex"] else " half duplex"
    return (speed_text(metrics["speed_mbits"]) + half).strip() or "up"
