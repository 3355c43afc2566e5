"""Networks through the Management API, on an agent with simulated cards."""

from pathlib import Path

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master, reporting
from xenhost.core.network import LockingMode
from xenhost.pool.call import NULL_REF, Ref, Value


async def network(master: Master, name: str) -> Ref:
    return await master.ref("network.create", {"name_label": name, "name_description": "", "other_config": {"a": "b"}})


def pif(master: Master, device: str) -> Ref:
    return next(ref for ref, record in master.database.rows("PIF").items() if record["device"] == device)


async def test_a_network_is_made_and_destroyed(master: Master, agent: HostAgent) -> None:
    ref = await network(master, "office")
    record = await master.call("network.get_record", ref)
    assert (record["name_label"], record["other_config"], record["MTU"]) == ("office", {"a": "b"}, 1500)
    assert agent.network is not None
    assert record["bridge"] in {view.network.bridge for view in agent.network.networks()}
    args: dict[str, Value] = {"name_label": "x", "name_description": "", "other_config": {}}
    for mtu in (67, 65536, 1 << 40):
        failure = await master.refused("INVALID_VALUE", "network.create", {**args, "MTU": mtu})
        assert failure == ["INVALID_VALUE", "MTU", str(mtu)]
    usual = await master.ref("network.create", {**args, "MTU": -1})
    assert await master.call("network.get_MTU", usual) == 1500
    await master.call("network.destroy", ref)
    assert record["bridge"] not in {view.network.bridge for view in agent.network.networks()}
    used = Ref(str(master.database.get("PIF", pif(master, "eth0"))["network"]))
    await master.refused("NETWORK_CONTAINS_PIF", "network.destroy", used)


async def test_a_vlan_on_a_card(master: Master, agent: HostAgent) -> None:
    eth0, ref = pif(master, "eth0"), await network(master, "VLAN 7")
    await master.refused("VLAN_TAG_INVALID", "VLAN.create", eth0, 5000, ref)
    vlan = await master.ref("VLAN.create", eth0, 7, ref)
    record = await master.call("VLAN.get_record", vlan)
    assert (record["tagged_PIF"], record["tag"]) == (eth0, 7)
    untagged = await master.call("PIF.get_record", record["untagged_PIF"])
    assert (untagged["VLAN"], untagged["network"], untagged["physical"]) == (7, ref, False)
    await master.call("VLAN.destroy", vlan)
    assert not master.database.rows("VLAN")
    assert master.database.find("PIF", record["untagged_PIF"]) is None


async def test_a_bond_of_two_cards(master: Master, agent: HostAgent) -> None:
    members = (pif(master, "eth1"), pif(master, "eth2"))
    ref = await network(master, "bonded")
    await master.refused("PIF_BOND_NEEDS_MORE_MEMBERS", "Bond.create", ref, [], "")
    bond = await master.ref("Bond.create", ref, list(members), "", "active-backup", {})
    record = await master.call("Bond.get_record", bond)
    assert set(record["slaves"]) == set(members)
    assert record["mode"] == "active-backup"
    assert await master.call("PIF.get_bond_slave_of", members[0]) == bond
    await master.call("Bond.destroy", bond)
    await master.until(lambda: master.database.get("PIF", members[0])["bond_slave_of"] == NULL_REF)


async def test_a_card_gets_an_address(master: Master, agent: HostAgent) -> None:
    eth1 = pif(master, "eth1")
    await master.call("PIF.reconfigure_ip", eth1, "Static", "192.0.2.9", "255.255.255.0", "", "")
    await master.call("PIF.plug", eth1)
    record = await master.call("PIF.get_record", eth1)
    assert (record["ip_configuration_mode"], record["currently_attached"]) == ("Static", True)
    await master.until(lambda: master.database.get("PIF", eth1)["IP"] == "192.0.2.9")
    await master.refused(
        "INVALID_IP_ADDRESS_SPECIFIED", "PIF.reconfigure_ip", eth1, "Static", "192.0.2.900", "255.255.255.0", "", ""
    )
    await master.call("PIF.unplug", eth1)
    assert not await master.call("PIF.get_currently_attached", eth1)


async def test_what_is_set_of_a_network_and_a_card_reaches_the_host(master: Master, agent: HostAgent) -> None:
    assert agent.network is not None
    ref = await network(master, "office")
    uuid = await master.call("network.get_uuid", ref)
    await master.call("network.set_default_locking_mode", ref, "disabled")
    await master.call("network.set_MTU", ref, 9000)
    (own,) = [view.network for view in agent.network.networks() if view.network.id == uuid]
    assert (own.default_locking, own.mtu) == (LockingMode.DISABLED, 9000)
    record = await master.call("network.get_record", ref)
    assert (record["default_locking_mode"], record["MTU"]) == ("disabled", 9000)
    await master.refused("INVALID_VALUE", "network.set_MTU", ref, -1)
    eth1 = pif(master, "eth1")
    await master.call("PIF.set_disallow_unplug", eth1, True)
    (card,) = [view.pif for view in agent.network.pifs() if view.pif.device == "eth1"]
    assert card.disallow_unplug
    assert await master.call("PIF.get_disallow_unplug", eth1) is True


async def test_a_locking_mode_that_plugged_vifs_have_stays(master: Master, agent: HostAgent) -> None:
    ref = await network(master, "office")
    await master.database.change(
        lambda t: t.create("VIF", {"network": ref, "currently_attached": True, "locking_mode": "network_default"})
    )
    await master.refused("VIF_IN_USE", "network.set_default_locking_mode", ref, "disabled")


async def test_without_a_live_host_no_network_is_made_changed_or_destroyed(master: Master, tmp_path: Path) -> None:
    async with reporting(tmp_path, master):
        ref = await network(master, "office")
    await master.until(lambda: not master.only("host_metrics")["live"])
    await master.refused("NO_HOSTS_AVAILABLE", "network.create", {"name_label": "x", "other_config": {}})
    await master.refused("NO_HOSTS_AVAILABLE", "network.destroy", ref)
    await master.refused("NO_HOSTS_AVAILABLE", "network.set_default_locking_mode", ref, "disabled")
    assert await master.call("network.get_default_locking_mode", ref) == "unlocked"


async def test_a_network_that_one_host_cannot_make_is_on_none(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    assert agent.network is not None
    (tmp_path / "b").mkdir()
    async with reporting(tmp_path / "b", master) as other, other.client() as client:
        await master.until(lambda: len(master.database.rows("host")) == 2)
        await client.create_network("own", bridge="trunk7")
        await master.until(lambda: "trunk7" in {each["bridge"] for each in master.database.rows("network").values()})
        before = set(master.database.rows("network"))
        wanted: dict[str, Value] = {"name_label": "office", "other_config": {}, "bridge": "trunk7"}
        task = await master.ref("Async.network.create", wanted)
        await master.until(lambda: master.database.get("task", task)["status"] == "failure")
        assert "trunk7" not in {view.network.bridge for view in agent.network.networks()}
        assert set(master.database.rows("network")) == before


async def test_the_bridge_of_a_network_has_one_name_on_all_hosts(
    master: Master, agent: HostAgent, tmp_path: Path
) -> None:
    (tmp_path / "b").mkdir()
    async with reporting(tmp_path / "b", master) as other, other.client() as client:
        await master.until(lambda: len(master.database.rows("host")) == 2)
        await client.create_network("own", bridge="xapi1")
        bridges = [(await master.call("network.get_record", await network(master, name)))["bridge"] for name in "ab"]
        assert bridges == ["xapi2", "xapi3"]
        for each in (agent, other):
            assert each.network is not None
            assert {"xapi2", "xapi3"} <= {view.network.bridge for view in each.network.networks()}
    await master.refused("INVALID_VALUE", "network.create", {"name_label": "x", "other_config": {}, "bridge": "xapi7"})
