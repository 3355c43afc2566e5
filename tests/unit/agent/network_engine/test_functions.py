"""Virtual functions for VIFs."""

import asyncio
from collections.abc import Collection
from dataclasses import replace

import pytest

from kit.network import NetworkAgent
from xenhost.agent.network.functions import NO_MAC, rate_mbits
from xenhost.core.devices import Vif, VifLocking
from xenhost.core.errors import DeviceAttachFailed
from xenhost.core.ids import DevId
from xenhost.core.network import VfSettings
from xenhost.core.network_errors import NetworkSriovInsufficientCapacity
from xenhost.core.network_requests import CreateNetwork, CreateSriov, CreateVlan
from xenhost.core.network_views import VifOnNetwork
from xenhost.core.ports.network import Nics
from xenhost.drivers.sim.network.nics import SimNics


class Records:
    """What a hypervisor tells of the functions that VIFs have."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    async def __call__(self) -> Collection[str]:
        await asyncio.sleep(0)
        return set(self.taken)


@pytest.fixture
async def networks(agent: NetworkAgent) -> tuple[str, str]:
    """Bridges of a network of virtual functions of eth3, which has four, and of VLAN 5 on it."""
    await agent.succeed(CreateNetwork(name="fast"))
    await agent.succeed(CreateNetwork(name="tagged"))
    fast, tagged = agent.engine.find_network("fast"), agent.engine.find_network("tagged")
    await agent.succeed(CreateSriov(agent.engine.find_pif("eth3"), fast))
    (sriov,) = agent.engine.sriovs()
    await agent.succeed(CreateVlan(sriov.sriov.logical, 5, tagged))
    return agent.engine.find(fast), agent.engine.find(tagged)


def nic(number: int, bridge: str, kbps: int = 0) -> Vif:
    return Vif(DevId(0), f"00:16:3e:00:00:{number:02x}", bridge, rate_kbps=kbps)


def settings(nics: Nics) -> dict[int, VfSettings]:
    assert isinstance(nics, SimNics)
    return {number: found for (_, number), found in nics.functions.items()}


async def test_a_vif_has_a_function_with_its_address_its_vlan_and_its_rate(
    agent: NetworkAgent, networks: tuple[str, str]
) -> None:
    fast, tagged = networks
    records, nics = Records(), agent.engine._known.nics
    assert agent.engine.has_functions(fast)
    assert agent.engine.has_functions(tagged)
    assert not agent.engine.has_functions("xenbr0")
    slower = nic(2, tagged, 12500)
    async with agent.engine.function(nic(1, fast), records) as first, agent.engine.function(slower, records) as second:
        pass
    assert (first.function, second.function) == ("0000:10:00.0", "0000:10:00.1")
    assert first.network == agent.engine.find_network("fast")
    assert settings(nics) == {
        0: VfSettings("00:16:3e:00:00:01"),
        1: VfSettings("00:16:3e:00:00:02", 5, 102),
    }


async def test_ten_vifs_at_once_have_four_functions_and_six_are_told_that_none_is_left(
    agent: NetworkAgent, networks: tuple[str, str]
) -> None:
    fast, _ = networks
    records = Records()

    async def plug(number: int) -> str:
        async with agent.engine.function(nic(number, fast), records) as vif:
            await asyncio.sleep(0)
            records.taken.add(vif.function)
            return vif.function

    found = await asyncio.gather(*map(plug, range(10)), return_exceptions=True)
    functions = [each for each in found if isinstance(each, str)]
    refused = [each for each in found if isinstance(each, NetworkSriovInsufficientCapacity)]
    assert (len(functions), len(set(functions)), len(refused)) == (4, 4, 6)
    assert refused[0].as_xenapi() == ["NETWORK_SRIOV_INSUFFICIENT_CAPACITY", agent.engine.find_network("fast")]


async def test_a_function_that_was_promised_in_vain_is_free_again(
    agent: NetworkAgent, networks: tuple[str, str]
) -> None:
    for number in range(9):
        with pytest.raises(ValueError, match="no guest"):
            async with agent.engine.function(nic(number, networks[0]), Records()):
                raise ValueError("no guest")


async def test_a_function_that_is_given_back_forgets_its_settings_unless_it_is_taken_again(
    agent: NetworkAgent, networks: tuple[str, str]
) -> None:
    records, nics = Records(), agent.engine._known.nics
    async with agent.engine.function(nic(1, networks[1]), records) as vif:
        await agent.engine.give_back(vif.function, records)
        records.taken.add(vif.function)
    await agent.engine.give_back(vif.function, records)
    assert settings(nics) == {0: VfSettings("00:16:3e:00:00:01", 5)}
    records.taken.clear()
    await agent.engine.give_back(vif.function, records)
    assert settings(nics) == {0: VfSettings(NO_MAC)}


async def test_vifs_on_vlans_are_counted_too(agent: NetworkAgent, networks: tuple[str, str]) -> None:
    vif = VifOnNetwork("vm", 0, "vif1.0", "00:16:3e:00:00:01", None)
    agent.engine.set_vifs(lambda: {networks[0]: (vif,), networks[1]: (vif, vif), "xenbr0": (vif,)})
    agent.engine.vifs_changed()
    (sriov,) = agent.engine.sriovs()
    assert (sriov.capacity, sriov.remaining) == (4, 1)


async def test_rules_that_a_card_does_not_keep_are_refused(agent: NetworkAgent, networks: tuple[str, str]) -> None:
    for locking in (VifLocking.LOCKED, VifLocking.DISABLED):
        with pytest.raises(DeviceAttachFailed, match=f"it is {locking}"):
            async with agent.engine.function(replace(nic(1, networks[0]), locking=locking), Records()):
                pass


async def test_there_is_no_bridge(agent: NetworkAgent, networks: tuple[str, str]) -> None:
    for bridge in networks:
        with pytest.raises(DeviceAttachFailed, match="virtual functions"):
            await agent.engine.ready(bridge)


def test_a_limit_is_never_rounded_to_none() -> None:
    assert [rate_mbits(kbps) for kbps in (0, 1, 122, 125000)] == [0, 1, 1, 1024]
