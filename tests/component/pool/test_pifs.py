"""PIFs, bonds and VLANs through the Management API, on an agent with simulated cards: what they may be told."""

from pathlib import Path

import pytest

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master, reporting
from component.pool.test_networks import network, pif
from xenhost.core.network import BondMode, Ipv6Mode
from xenhost.core.network_views import PifView
from xenhost.pool.call import NULL_REF, Ref


def own(agent: HostAgent, device: str) -> PifView:
    """A card as its agent has it."""
    assert agent.network is not None
    (view,) = [view for view in agent.network.pifs() if view.pif.device == device and view.pif.kind == "physical"]
    return view


async def bonded(master: Master, mode: str = "active-backup") -> Ref:
    members: list[str] = [pif(master, "eth1"), pif(master, "eth2")]
    return await master.ref("Bond.create", await network(master, "bonded"), members, "", mode, {})


async def test_a_card_is_forgotten_and_introduced_again(master: Master, agent: HostAgent) -> None:
    eth3, host = pif(master, "eth3"), master.only("host").ref
    record = await master.call("PIF.get_record", eth3)
    await master.refused("DUPLICATE_PIF_DEVICE_NAME", "PIF.introduce", host, "", "eth3")
    await master.call("PIF.forget", eth3)
    assert master.database.find("PIF", eth3) is None
    assert master.database.find("PIF_metrics", record["metrics"]) is None
    assert eth3 not in await master.call("network.get_PIFs", record["network"])
    await master.refused("MAC_INVALID", "PIF.introduce", host, "zz", "eth3")
    wrong = "52:54:00:51:00:77"
    code = "COULD_NOT_FIND_NETWORK_INTERFACE_WITH_SPECIFIED_DEVICE_NAME_AND_MAC_ADDRESS"
    assert await master.refused(code, "PIF.introduce", host, wrong, "eth3") == [code, "eth3", wrong]
    again = await master.ref("PIF.introduce", host, record["MAC"].upper(), "eth3", False)
    now = await master.call("PIF.get_record", again)
    assert (now["device"], now["MAC"], now["network"], now["host"]) == ("eth3", record["MAC"], record["network"], host)
    assert (now["physical"], now["managed"]) == (True, False)
    assert again in await master.call("network.get_PIFs", record["network"])
    assert again in await master.call("host.get_PIFs", host)


async def test_what_others_need_is_not_forgotten(master: Master, agent: HostAgent) -> None:
    eth0, eth1 = pif(master, "eth0"), pif(master, "eth1")
    vlan = await master.ref("VLAN.create", eth0, 7, await network(master, "VLAN 7"))
    untagged = await master.call("VLAN.get_untagged_PIF", vlan)
    for each in (eth0, untagged):
        assert await master.refused("PIF_VLAN_STILL_EXISTS", "PIF.forget", each) == ["PIF_VLAN_STILL_EXISTS", each]
    bond = await bonded(master)
    for each in (eth1, await master.call("Bond.get_master", bond)):
        assert await master.refused("PIF_ALREADY_BONDED", "PIF.forget", each) == ["PIF_ALREADY_BONDED", each]


async def test_a_card_gets_addresses_of_ipv6(master: Master, agent: HostAgent) -> None:
    eth1 = pif(master, "eth1")
    await master.call("PIF.reconfigure_ip", eth1, "Static", "192.0.2.9", "255.255.255.0", "", "192.0.2.53")
    wrong = "PIF.reconfigure_ipv6", eth1, "Static"
    assert await master.refused("INVALID_CIDR_ADDRESS_SPECIFIED", *wrong, "2001:db8::9", "", "") == [
        "INVALID_CIDR_ADDRESS_SPECIFIED",
        "IPv6",
    ]
    await master.refused("INVALID_CIDR_ADDRESS_SPECIFIED", *wrong, "", "", "")
    await master.refused("INVALID_IP_ADDRESS_SPECIFIED", *wrong, "2001:db8::9/64", "192.0.2.1", "")
    servers = "192.0.2.99,2001:db8::53"
    await master.call("PIF.reconfigure_ipv6", eth1, "Static", "2001:db8::9/64", "2001:db8::1", servers)
    await master.call("PIF.plug", eth1)
    await master.until(lambda: master.database.get("PIF", eth1)["IPv6"] == ("2001:db8::9/64",))
    record = await master.call("PIF.get_record", eth1)
    assert (record["ipv6_configuration_mode"], record["ip_configuration_mode"]) == ("Static", "Static")
    view = own(agent, "eth1")
    assert view.pif.ipv6.mode is Ipv6Mode.STATIC
    assert list(map(str, view.pif.ipv4.dns)) == ["2001:db8::53", "192.0.2.53"]  # those of IPv4 stay
    await master.call("PIF.reconfigure_ip", eth1, "Static", "192.0.2.9", "255.255.255.0", "", "192.0.2.54")
    assert list(map(str, own(agent, "eth1").pif.ipv4.dns)) == ["192.0.2.54", "2001:db8::53"]


async def test_the_primary_address_type_is_one_that_the_card_has(master: Master, agent: HostAgent) -> None:
    eth1 = pif(master, "eth1")
    await master.call("PIF.reconfigure_ip", eth1, "DHCP", "", "", "", "")
    code = "PIF_INCOMPATIBLE_PRIMARY_ADDRESS_TYPE"
    assert await master.refused(code, "PIF.set_primary_address_type", eth1, "IPv6") == [code, eth1]
    await master.call("PIF.reconfigure_ipv6", eth1, "Autoconf", "", "", "")
    await master.call("PIF.set_primary_address_type", eth1, "IPv6")
    assert await master.call("PIF.get_primary_address_type", eth1) == "IPv6"


async def test_addresses_stay_as_they_are_while_hosts_watch_each_other(master: Master, agent: HostAgent) -> None:
    eth1 = pif(master, "eth1")
    await master.call("PIF.plug", eth1)
    await master.database.change(lambda t: t.create("pool", {"ha_enabled": True}))
    await master.refused("HA_IS_ENABLED", "PIF.reconfigure_ip", eth1, "DHCP", "", "", "", "")
    await master.refused("HA_IS_ENABLED", "PIF.reconfigure_ipv6", eth1, "DHCP", "", "", "")
    await master.refused("HA_IS_ENABLED", "PIF.set_primary_address_type", eth1, "IPv6")
    await master.refused("HA_IS_ENABLED", "PIF.forget", eth1)


async def test_a_property_of_a_bond_is_one_of_its_members(master: Master, agent: HostAgent) -> None:
    eth1, eth2, eth3 = (pif(master, device) for device in ("eth1", "eth2", "eth3"))
    await master.call("PIF.set_property", eth3, "gro", "off")
    assert (await master.call("PIF.get_properties", eth3))["gro"] == "off"
    assert own(agent, "eth3").pif.properties["gro"] == "off"
    for name, value in (("gro", "perhaps"), ("tso", "on")):
        failure = await master.refused("INVALID_VALUE", "PIF.set_property", eth3, name, value)
        assert failure == ["INVALID_VALUE", "properties", f"{name} = {value}"]
    bond = await bonded(master)
    await master.refused("CANNOT_CHANGE_PIF_PROPERTIES", "PIF.set_property", eth1, "gro", "off")
    await master.call("PIF.set_property", await master.call("Bond.get_master", bond), "gro", "off")
    for each in (eth1, eth2):
        assert (await master.call("PIF.get_properties", each))["gro"] == "off"


async def test_a_bond_spreads_traffic_another_way(master: Master, agent: HostAgent) -> None:
    bond = await bonded(master)
    wrong = "hashing_algorithm", "src_mac"
    failure = await master.refused("INVALID_VALUE", "Bond.set_property", bond, *wrong)
    assert failure == ["INVALID_VALUE", "properties", "hashing_algorithm = src_mac"]
    await master.call("Bond.set_mode", bond, "lacp")
    record = await master.call("Bond.get_record", bond)
    assert (record["mode"], record["properties"]["hashing_algorithm"]) == ("lacp", "tcpudp_ports")
    await master.call("Bond.set_property", bond, *wrong)
    assert (await master.call("Bond.get_properties", bond))["hashing_algorithm"] == "src_mac"
    await master.refused("INVALID_VALUE", "Bond.set_property", bond, "lacp-time", "never")
    await master.refused("INVALID_VALUE", "Bond.set_property", bond, "lacp-time", "")
    assert agent.network is not None
    (view,) = agent.network.bonds()
    assert (view.bond.mode, view.bond.properties["hashing_algorithm"]) == (BondMode.LACP, "src_mac")
    await master.call("Bond.set_mode", bond, "balance-slb")
    assert await master.call("Bond.get_properties", bond) == {}


async def test_a_vlan_in_the_form_of_old_releases(master: Master, agent: HostAgent) -> None:
    ref, host = await network(master, "VLAN 7"), master.only("host").ref
    assert await master.refused("INVALID_VALUE", "PIF.create_VLAN", "eth9", ref, host, 7) == [
        "INVALID_VALUE",
        "device",
        "eth9",
    ]
    untagged = await master.ref("PIF.create_VLAN", "eth0", ref, host, 7)
    record = await master.call("PIF.get_record", untagged)
    assert (record["VLAN"], record["network"], record["currently_attached"]) == (7, ref, True)
    assert await master.call("VLAN.get_untagged_PIF", record["VLAN_master_of"]) == untagged
    assert await master.refused("PIF_IS_PHYSICAL", "PIF.destroy", pif(master, "eth0")) == [
        "PIF_IS_PHYSICAL",
        pif(master, "eth0"),
    ]
    await master.call("PIF.destroy", untagged)
    assert not master.database.rows("VLAN")
    assert master.database.find("PIF", untagged) is None
    assert await master.call("network.get_PIFs", ref) == ()


async def test_a_vlan_needs_a_network_without_trunks(master: Master, agent: HostAgent) -> None:
    ref = await network(master, "VLAN 7")
    await master.database.change(lambda t: t.create("VIF", {"network": ref, "trunks": (4,)}))
    code = "NETWORK_INCOMPATIBLE_WITH_TRUNKS"
    assert await master.refused(code, "VLAN.create", pif(master, "eth0"), 7, ref) == [code, ref]


async def test_a_host_that_was_away_learns_of_a_network_with_its_vlan(master: Master, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    async with reporting(tmp_path, master):
        away = pif(master, "eth0")
        async with reporting(tmp_path / "b", master):
            await master.until(lambda: len(master.database.rows("host")) == 2)
    await master.until(lambda: not any(row["live"] for row in master.database.rows("host_metrics").values()))
    async with reporting(tmp_path / "b", master):
        await master.until(lambda: any(row["live"] for row in master.database.rows("host_metrics").values()))
        ref = await network(master, "VLAN 7")
        await master.call("network.set_default_locking_mode", ref, "disabled")
    async with reporting(tmp_path, master) as agent:
        host = Ref(str(master.database.get("PIF", away)["host"]))
        await master.until(lambda: master.agents.alive(host))
        await master.call("VLAN.create", away, 7, ref)
        assert agent.network is not None
        uuid = await master.call("network.get_uuid", ref)
        (own,) = [view.network for view in agent.network.networks() if view.network.id == uuid]
        record = await master.call("network.get_record", ref)
        assert (own.bridge, own.name) == (record["bridge"], "VLAN 7")
        assert own.default_locking == "disabled"


async def test_a_vlan_on_all_hosts_or_on_none(master: Master, agent: HostAgent, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    async with reporting(tmp_path / "b", master):
        await master.until(lambda: len(master.database.rows("PIF")) == 8)
        await master.until(lambda: all(len(row.refs("PIFs")) == 2 for row in master.database.rows("network").values()))
        ref = await network(master, "VLAN 7")
        made = await master.call("pool.create_VLAN", "eth0", ref, 7)
        records = [await master.call("PIF.get_record", each) for each in made]
        assert {record["host"] for record in records} == set(master.database.rows("host"))
        assert {(record["VLAN"], record["network"]) for record in records} == {(7, ref)}
        assert set(await master.call("network.get_PIFs", ref)) == set(made)
        other = await network(master, "VLAN 8")
        before = set(master.database.rows("PIF"))
        first, second = master.database.rows("host")
        taken = next(each for each in await master.call("host.get_PIFs", second) if each not in made)
        await master.call("VLAN.create", taken, 8, await network(master, "in the way"))
        device = await master.call("PIF.get_device", taken)
        before = set(master.database.rows("PIF"))
        await master.refused("PIF_VLAN_EXISTS", "pool.create_VLAN", device, other, 8)
        assert set(master.database.rows("PIF")) == before
        assert await master.call("network.get_PIFs", other) == ()
        of_first = next(each for each in await master.call("host.get_PIFs", first) if each not in made)
        made = await master.call("pool.create_VLAN_from_PIF", of_first, other, 9)
        assert {await master.call("PIF.get_host", each) for each in made} == {first, second}
    await master.until(lambda: not all(row["live"] for row in master.database.rows("host_metrics").values()))
    before = set(master.database.rows("PIF"))
    await master.refused("HOST_OFFLINE", "pool.create_VLAN", "eth3", await network(master, "VLAN 5"), 5)
    assert set(master.database.rows("PIF")) == before


@pytest.mark.parametrize("free", [3])
async def test_virtual_functions_of_a_card(master: Master, tmp_path: Path, free: int) -> None:
    async with reporting(tmp_path, master, None, "[sim]", f"sriov = {free}"):
        eth0, ref = pif(master, "eth0"), await network(master, "functions")
        assert await master.call("PIF.get_capabilities", eth0) == ("sriov",)
        sriov = await master.ref("network_sriov.create", eth0, ref)
        record = await master.call("network_sriov.get_record", sriov)
        assert record["physical_PIF"] == eth0
        logical = await master.call("PIF.get_record", record["logical_PIF"])
        assert (logical["network"], logical["sriov_logical_PIF_of"], logical["physical"]) == (ref, (sriov,), False)
        assert await master.call("PIF.get_sriov_physical_PIF_of", eth0) == (sriov,)
        assert await master.call("network_sriov.get_remaining_capacity", sriov) == free
        other = await network(master, "more functions")
        code = "NETWORK_SRIOV_ALREADY_ENABLED"
        assert await master.refused(code, "network_sriov.create", eth0, other) == [code, eth0]
        await master.refused("PIF_SRIOV_STILL_EXISTS", "PIF.forget", eth0)
        await master.refused("CANNOT_FORGET_SRIOV_LOGICAL", "PIF.forget", record["logical_PIF"])
        await master.call("network_sriov.destroy", sriov)
        assert not master.database.rows("network_sriov")
        assert master.database.find("PIF", record["logical_PIF"]) is None
        assert await master.call("PIF.get_sriov_physical_PIF_of", eth0) == ()


async def test_a_card_without_virtual_functions(master: Master, agent: HostAgent) -> None:
    eth0, ref = pif(master, "eth0"), await network(master, "functions")
    code = "PIF_IS_NOT_SRIOV_CAPABLE"
    assert await master.refused(code, "network_sriov.create", eth0, ref) == [code, eth0]
    assert await master.call("PIF.get_bond_slave_of", eth0) == NULL_REF
