"""The management interface of hosts, through the Management API, on agents with simulated cards."""

import asyncio
from pathlib import Path

import pytest

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master, reporting
from component.pool.test_networks import network, pif
from xenhost.pool.call import Ref


@pytest.fixture
async def pool(master: Master, agent: HostAgent) -> Ref:
    """The pool's record; the one host is its master."""
    host = master.only("host").ref
    there = next(iter(master.database.rows("pool")), None)
    if there is None:
        return await master.database.change(lambda t: t.create("pool", {"master": host}))
    await master.database.change(lambda t: t.set("pool", there, {"master": host}))
    return there


async def with_address(master: Master, each: Ref) -> Ref:
    await master.call("PIF.reconfigure_ip", each, "DHCP", "", "", "", "")
    return each


async def managed_by(master: Master, host: Ref) -> Ref:
    """As the API says; one PIF alone says so of itself."""
    found = Ref(await master.call("host.get_management_interface", host))
    pifs = await master.call("host.get_PIFs", host)
    assert [each for each in pifs if await master.call("PIF.get_management", each)] == [found]
    return found


async def test_a_host_is_managed_through_another_card(master: Master, pool: Ref) -> None:
    host, eth0 = master.only("host").ref, await with_address(master, pif(master, "eth0"))
    await master.call("host.management_reconfigure", eth0)
    assert await managed_by(master, host) == eth0
    eth1 = pif(master, "eth1")
    failure = await master.refused("PIF_HAS_NO_NETWORK_CONFIGURATION", "host.management_reconfigure", eth1)
    assert failure == ["PIF_HAS_NO_NETWORK_CONFIGURATION", eth1]
    await with_address(master, eth1)
    await master.call("host.management_reconfigure", eth1)
    assert await managed_by(master, host) == eth1
    assert (await master.call("PIF.get_record", eth1))["currently_attached"]
    await master.call("host.management_reconfigure", eth1)
    code = "PIF_IS_MANAGEMENT_INTERFACE"
    assert await master.refused(code, "PIF.forget", eth1) == [code, eth1]
    assert await master.refused(code, "PIF.unplug", eth1) == [code, eth1]
    assert await master.refused(code, "PIF.reconfigure_ip", eth1, "None", "", "", "", "") == [code, eth1]
    assert await master.refused(code, "PIF.set_primary_address_type", eth1, "IPv6") == [code, eth1]


async def test_a_card_in_a_bond_manages_no_host(master: Master, pool: Ref) -> None:
    members: list[str] = [pif(master, "eth1"), pif(master, "eth2")]
    await master.ref("Bond.create", await network(master, "bonded"), members, "", "active-backup", {})
    code = "CANNOT_PLUG_BOND_SLAVE"
    assert await master.refused(code, "host.management_reconfigure", members[0]) == [code, members[0]]


async def test_management_stays_while_hosts_watch_each_other(master: Master, pool: Ref) -> None:
    eth0 = await with_address(master, pif(master, "eth0"))
    await master.database.change(lambda t: t.set("pool", pool, {"ha_enabled": True}))
    await master.refused("HA_IS_ENABLED", "host.management_reconfigure", eth0)
    await master.refused("HA_IS_ENABLED", "host.management_disable")
    on = await master.call("PIF.get_network", eth0)
    await master.refused("HA_IS_ENABLED", "pool.management_reconfigure", on)


async def test_a_host_keeps_its_management_interface(master: Master, pool: Ref) -> None:
    await master.call("host.management_disable")  # there is none
    await master.call("host.management_reconfigure", await with_address(master, pif(master, "eth0")))
    await master.refused("OPERATION_NOT_ALLOWED", "host.management_disable")


async def test_all_hosts_are_managed_through_one_network(master: Master, pool: Ref, tmp_path: Path) -> None:
    first, common = master.only("host").ref, await network(master, "management")
    (tmp_path / "b").mkdir()
    async with reporting(tmp_path / "b", master):
        await master.until(lambda: len(master.database.rows("PIF")) == 8)
        (second,) = set(master.database.rows("host")) - {first}
        await master.call("VLAN.create", pif(master, "eth0"), 5, common)
        code = "PIF_NOT_PRESENT"
        # the network was made before the second host came
        assert await master.refused(code, "pool.management_reconfigure", common) == [code, second, common]
        pifs = {host: await master.call("host.get_PIFs", host) for host in (first, second)}
        await master.call("VLAN.create", pifs[second][0], 5, common)
        await master.refused("PIF_HAS_NO_NETWORK_CONFIGURATION", "pool.management_reconfigure", common)
        on = {
            Ref(await master.call("PIF.get_host", each)): each for each in await master.call("network.get_PIFs", common)
        }
        for each in on.values():
            await with_address(master, each)
        await master.call("pool.management_reconfigure", common)
        assert {host: await managed_by(master, host) for host in (first, second)} == on


async def test_a_change_that_is_cancelled_is_undone(master: Master, pool: Ref) -> None:
    host, eth0 = master.only("host").ref, await with_address(master, pif(master, "eth0"))
    await master.call("host.management_reconfigure", eth0)
    eth1 = await with_address(master, pif(master, "eth1"))
    call = asyncio.create_task(master.call("host.management_reconfigure", eth1))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await managed_by(master, host) == eth0
