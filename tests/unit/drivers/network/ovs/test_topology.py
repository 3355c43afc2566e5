"""What becomes of a wish: what cannot be is said, the rest is done, others' things stay."""

import json
from typing import Any

import pytest

from xenhost.core.network import Bridge, NicUplink, Topology, TunnelProtocol, TunnelUplink, VlanUplink
from xenhost.drivers.network.ovs.database import Database
from xenhost.drivers.network.ovs.topology import own_mac, plan_topology

PARENT = Bridge("xenbr0", "net-a", NicUplink("eth0"))


def database(*bridges: tuple[str, bool, tuple[str, ...]]) -> Database:
    """With bridges (name, ours, ports)."""
    tables: dict[str, dict[str, object]] = {"Bridge": {}, "Port": {}, "Interface": {}}
    for name, ours, ports in bridges:
        for port in (name, *ports):
            tables["Interface"][f"i-{port}"] = {"new": {"name": port}}
            tables["Port"][f"p-{port}"] = {"new": {"name": port, "interfaces": ["uuid", f"i-{port}"]}}
        ids = [["xenhost-network", "net"]] if ours else []
        refs = [["uuid", f"p-{port}"] for port in (name, *ports)]
        tables["Bridge"][f"b-{name}"] = {"new": {"name": name, "ports": ["set", refs], "external_ids": ["map", ids]}}
    root = {"bridges": ["set", [["uuid", f"b-{name}"] for name, _, _ in bridges]]}
    data = Database()
    data.update({"Open_vSwitch": {"root": {"new": root}}, **tables})
    return data


@pytest.mark.parametrize(
    ("bridge", "place", "why"),
    [
        (Bridge("a-name-too-long-", "net-b"), "a-name-too-long-", "15 characters"),
        (Bridge("xenbr0", "net-b"), "xenbr0", "two bridges"),
        (Bridge("xapi1", "net-b", VlanUplink("nosuch", "eth0", 5)), "xapi1", "needs the bridge nosuch"),
        (Bridge("xapi1", "net-b", VlanUplink("xenbr0", "eth0", 4095)), "xapi1", "4095 is no VLAN"),
        (Bridge("xapi1", "net-b", VlanUplink("xenbr0", "eth0", 7)), "xapi1", "VLAN 7 of xenbr0 has a bridge already"),
        (Bridge("virbr0", "net-b"), "virbr0", "not ours"),
        (Bridge("vnet0", "net-b"), "vnet0", "not ours"),
        (Bridge("docker0", "net-b"), "docker0", "is in use"),
        (Bridge("xapi1", "net-b", NicUplink("vnet0")), "xapi1", "it is on the bridge virbr0"),
    ],
    ids=str.split("long twice orphan range taken foreign port device card"),
)
def test_what_cannot_be_is_a_problem_and_keeps_nothing_back(bridge: Bridge, place: str, why: str) -> None:
    data = database(("virbr0", False, ("vnet0",)))
    seven = Bridge("xapi7", "net-c", VlanUplink("xenbr0", "eth0", 7))
    plan = plan_topology(data, Topology((PARENT, seven, bridge)), {"docker0": "it is in use"})
    (problem,) = plan.problems
    assert problem.place == place
    assert why in problem.message
    assert {"xenbr0", "xapi7", "eth0"} <= set(plan.devices)
    assert '"virbr0"' not in json.dumps(plan.change.operations)
    assert "b-virbr0" not in json.dumps(plan.change.operations)


def test_only_our_bridges_go() -> None:
    data = database(("virbr0", False, ()), ("xapi3", True, ()))
    (operation,) = plan_topology(data, Topology(), {}).change.operations
    assert json.loads(json.dumps(operation)) == {
        "op": "mutate",
        "table": "Open_vSwitch",
        "where": [["_uuid", "==", ["uuid", "root"]]],
        "mutations": [["bridges", "delete", ["set", [["uuid", "b-xapi3"]]]]],
    }


def test_a_card_takes_the_mtu_of_the_largest_network_on_it() -> None:
    wish = Topology((PARENT, Bridge("xapi7", "net-c", VlanUplink("xenbr0", "eth0", 7), mtu=9000)))
    rows = [each["row"] for each in _inserted(database(), wish, "Interface")]
    assert {row["name"]: row["mtu_request"] for row in rows} == {"eth0": 9000, "xapi7": 9000, "xenbr0": 1500}


def test_a_bridge_without_a_card_has_a_mac_of_its_own() -> None:
    tunnel = TunnelUplink(TunnelProtocol.GRE, (), 5)
    rows = _inserted(
        database(), Topology((Bridge("xapi1", "net-x"), Bridge("xapi2", "net-y", tunnel), PARENT)), "Bridge"
    )
    macs = {each["row"]["name"]: dict(each["row"]["other_config"][1]).get("hwaddr") for each in rows}
    assert macs == {"xapi1": own_mac("net-x"), "xapi2": own_mac("net-y"), "xenbr0": None}
    assert macs["xapi1"] != macs["xapi2"]
    assert int(own_mac("net-x")[:2], 16) & 3 == 2


def _inserted(data: Database, wish: Topology, table: str) -> list[Any]:
    operations = json.loads(json.dumps(plan_topology(data, wish, {}).change.operations))
    return [each for each in operations if each["op"] == "insert" and each["table"] == table]
