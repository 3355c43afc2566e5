"""Settings of networks that all hosts follow, through the Management API: at once, when they return, or not at all."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master, listening, reporting
from component.pool.test_networks import network, pif
from component.pool.test_vms import RECORD, vif_record
from xenhost.api.host.v1 import network_pb2, vif_service_pb2, vm_pb2, vm_service_pb2
from xenhost.core.network import LockingMode, SwitchFeature
from xenhost.core.network_records import Network
from xenhost.drivers.sim.network.switch import SimSwitch
from xenhost.pool.call import ApiError, Ref
from xenhost.pool.hosts.agent import Agent
from xenhost.pool.networks import keeper


@pytest.fixture
async def pool(master: Master) -> Ref:
    """The pool's record."""
    return await master.database.change(lambda t: t.create("pool", {"igmp_snooping_enabled": False}))


@asynccontextmanager
async def two(master: Master, folder: Path) -> AsyncIterator[tuple[HostAgent, HostAgent]]:
    """Hosts, which the master knows."""
    (folder / "b").mkdir(exist_ok=True)
    async with reporting(folder, master) as first, reporting(folder / "b", master) as second:
        await master.until(lambda: len(master.database.rows("PIF")) == 8 and len(alive(master)) == 2)
        yield first, second


def alive(master: Master) -> list[Ref]:
    return [host for host in master.database.rows("host") if master.agents.alive(host)]


def own(agent: HostAgent, uuid: str) -> Network:
    """A network as a host has it."""
    assert agent.network is not None
    (found,) = [view.network for view in agent.network.networks() if view.network.id == uuid]
    return found


def without(monkeypatch: pytest.MonkeyPatch, feature: SwitchFeature) -> None:
    """Switches that cannot do that."""
    features = property(lambda switch: frozenset(SwitchFeature) - {feature})
    monkeypatch.setattr(SimSwitch, "features", features)


async def test_a_host_that_was_away_is_told_when_it_returns(master: Master, tmp_path: Path) -> None:
    async with two(master, tmp_path):
        ref = await network(master, "LAN")
    await master.until(lambda: not alive(master))
    (uuid, bridge) = [await master.call(f"network.get_{field}", ref) for field in ("uuid", "bridge")]
    async with reporting(tmp_path / "b", master) as here:
        await master.until(lambda: alive(master))
        await master.call("network.set_default_locking_mode", ref, "disabled")
        await master.call("network.set_MTU", ref, 9000)
        assert own(here, uuid).default_locking is LockingMode.DISABLED
        async with reporting(tmp_path, master) as back:
            assert own(back, uuid).bridge == bridge
            await master.until(lambda: own(back, uuid).default_locking is LockingMode.DISABLED)
            await master.until(lambda: own(back, uuid).mtu == 9000)
            record = await master.call("network.get_record", ref)
            assert (record["default_locking_mode"], record["MTU"]) == ("disabled", 9000)


async def test_what_a_killed_master_had_begun_is_carried_on(tmp_path: Path) -> None:
    async with AsyncExitStack() as later:
        async with listening(tmp_path) as master:
            agent = await later.enter_async_context(reporting(tmp_path, master))
            ref = await network(master, "LAN")
            uuid = await master.call("network.get_uuid", ref)
            await master.database.change(lambda t: t.set("network", ref, {"MTU": 9000}))  # and nobody was told
        assert own(agent, uuid).mtu == 1500
        again = await later.enter_async_context(listening(tmp_path))
        await again.until(lambda: own(agent, uuid).mtu == 9000)
        assert await again.call("network.get_MTU", ref) == 9000


async def test_a_host_that_was_away_gets_the_networks_that_were_made(master: Master, tmp_path: Path) -> None:
    async with two(master, tmp_path):
        away = Ref(await master.call("PIF.get_host", pif(master, "eth0")))
    await master.until(lambda: not alive(master))
    async with reporting(tmp_path / "b", master):
        await master.until(lambda: alive(master))
        ref = await network(master, "LAN")
        uuid, bridge = [await master.call(f"network.get_{field}", ref) for field in ("uuid", "bridge")]
        async with reporting(tmp_path, master) as back:
            assert back.network is not None
            there = back.network
            await master.until(lambda: uuid in {view.network.id for view in there.networks()})
            assert own(back, uuid).bridge == bridge
            vm = await master.ref("VM.create", RECORD)
            vif = await master.ref("VIF.create", vif_record(vm, ref))
            await master.call("VM.start_on", vm, away, False, False)
            assert await master.call("VIF.get_currently_attached", vif)


async def test_a_host_that_was_away_destroys_what_was_destroyed(master: Master, tmp_path: Path) -> None:
    async with two(master, tmp_path) as agents:
        away = Ref(await master.call("PIF.get_host", pif(master, "eth0")))
        ref = await network(master, "LAN")
        uuid = await master.call("network.get_uuid", ref)
        assert all(own(agent, uuid).id == uuid for agent in agents)
    await master.until(lambda: not alive(master))
    async with reporting(tmp_path / "b", master):
        await master.until(lambda: alive(master))
        await master.call("network.destroy", ref)
        assert master.database.get("host", away).refs("destroyed_networks") == [uuid]
        made: list[str] = []
        master.database.listen(
            lambda changes: made.extend(str(each.record["uuid"]) for each in changes if each.record.cls == "network")
        )
        async with reporting(tmp_path, master) as back:
            await master.until(lambda: not master.database.get("host", away).refs("destroyed_networks"))
            assert back.network is not None
            assert uuid not in {view.network.id for view in back.network.networks()}
            assert uuid not in made


async def test_what_one_host_cannot_be_is_none(master: Master, tmp_path: Path) -> None:
    async with two(master, tmp_path) as agents, agents[1].client() as client:
        ref = await network(master, "LAN")
        uuid = await master.call("network.get_uuid", ref)
        vm = await client.create()
        await client.done(client.vms.StartVm(vm_service_pb2.StartVmRequest(id=vm.id)))
        plug = vif_service_pb2.PlugVifRequest(vm_id=vm.id, vif=vm_pb2.Vif(index=7, network=uuid))
        await client.done(client.vifs.PlugVif(plug))  # the pool knows nothing of it
        await master.refused("VIF_IN_USE", "network.set_default_locking_mode", ref, "disabled")
        assert await master.call("network.get_default_locking_mode", ref) == "unlocked"
        await master.until(lambda: all(own(each, uuid).default_locking is LockingMode.UNLOCKED for each in agents))


async def test_igmp_is_followed_by_all_hosts(master: Master, pool: Ref, tmp_path: Path) -> None:
    async with two(master, tmp_path):
        eth0 = pif(master, "eth0")
        await master.call("PIF.plug", eth0)
        assert await master.call("PIF.get_igmp_snooping_status", eth0) == "disabled"
    await master.until(lambda: not alive(master))
    async with reporting(tmp_path / "b", master) as here:
        await master.until(lambda: alive(master))
        await master.call("pool.set_igmp_snooping_enabled", pool, True)
        assert await master.call("pool.get_igmp_snooping_enabled", pool) is True
        assert snoops(here)
        async with reporting(tmp_path, master) as back:
            await master.until(lambda: snoops(back))
            await master.until(lambda: master.database.get("PIF", eth0)["igmp_snooping_status"] == "enabled")
            await master.call("pool.set_igmp_snooping_enabled", pool, False)
            assert not snoops(back)
            assert not snoops(here)
            assert await master.call("PIF.get_igmp_snooping_status", eth0) == "disabled"
            await master.call("PIF.unplug", eth0)
            assert await master.call("PIF.get_igmp_snooping_status", eth0) == "unknown"


def snoops(agent: HostAgent) -> bool:
    assert agent.network is not None
    return agent.network.host_network().igmp_snooping


async def test_a_host_that_cannot_follow_is_asked_again(
    master: Master, pool: Ref, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "RETRY_SECONDS", 0.1)
    await master.call("pool.set_igmp_snooping_enabled", pool, True)
    ref = await master.database.change(lambda t: t.create("network", {"bridge": "lan", "MTU": 1500}))
    with monkeypatch.context() as old:
        without(old, SwitchFeature.IGMP_SNOOPING)
        async with reporting(tmp_path, master) as agent:
            assert agent.network is not None
            there, uuid = agent.network, await master.call("network.get_uuid", ref)
            await master.until(lambda: uuid in {view.network.id for view in there.networks()})  # other parts go on
            assert not snoops(agent)
            old.undo()
            await master.until(lambda: snoops(agent))


async def test_igmp_that_a_switch_cannot_follow(
    master: Master, pool: Ref, agent: HostAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, SwitchFeature.IGMP_SNOOPING)
    code = "COULD_NOT_UPDATE_IGMP_SNOOPING_EVERYWHERE"
    assert await master.refused(code, "pool.set_igmp_snooping_enabled", pool, True) == [code]
    assert await master.call("pool.get_igmp_snooping_enabled", pool) is False


def targets(agent: HostAgent) -> list[tuple[str, int]]:
    """The SDN controllers of a host."""
    assert agent.network is not None
    return [(str(view.controller.address), view.controller.port) for view in agent.network.controllers()]


async def test_an_sdn_controller_of_all_hosts(master: Master, tmp_path: Path) -> None:
    async with two(master, tmp_path) as (first, _):
        controller = await master.ref("SDN_controller.introduce", "ssl", "192.0.2.9", 0)
        record = await master.call("SDN_controller.get_record", controller)
        assert (record["protocol"], record["address"], record["port"]) == ("ssl", "192.0.2.9", 6632)
        assert targets(first) == [("192.0.2.9", 6632)]
        assert await master.refused("OPERATION_NOT_ALLOWED", "SDN_controller.introduce", "pssl") == [
            "OPERATION_NOT_ALLOWED",
            "SDN controller has been configured. Please forget it first.",
        ]
        vif = await master.database.change(
            lambda t: t.create("VIF", {"VM": t.create("VM", {}), "network": next(iter(t.rows("network")))})
        )
        await master.refused("OPERATION_NOT_ALLOWED", "VIF.set_locking_mode", vif, "locked")
        await master.call("VIF.set_locking_mode", vif, "disabled")
    await master.until(lambda: not alive(master))
    async with reporting(tmp_path / "b", master) as here:
        await master.until(lambda: alive(master))
        await master.call("SDN_controller.forget", controller)
        assert targets(here) == []
        assert not master.database.rows("SDN_controller")
        async with reporting(tmp_path, master) as back:
            await master.until(lambda: not targets(back))


@pytest.mark.parametrize(
    ("params", "failure"),
    [
        (("pssl", "192.0.2.9", 0), ["INVALID_VALUE", "address", "192.0.2.9"]),
        (("pssl", "", 6640), ["INVALID_VALUE", "port", "6640"]),
        (("ssl", "", 0), ["INVALID_VALUE", "address", ""]),
        (("ssl", "somewhere", 0), ["INVALID_IP_ADDRESS_SPECIFIED", "address"]),
        (("ssl", "2001:db8::9", 0), ["INVALID_IP_ADDRESS_SPECIFIED", "address"]),
        (("ssl", "192.0.2.9", 65536), ["VALUE_NOT_SUPPORTED", "port", "65536", "Port out of range"]),
    ],
)
async def test_an_sdn_controller_is_somewhere(master: Master, params: tuple[str, str, int], failure: list[str]) -> None:
    assert await master.refused(failure[0], "SDN_controller.introduce", *params) == failure
    assert not master.database.rows("SDN_controller")


async def test_an_sdn_controller_that_a_switch_cannot_have(
    master: Master, agent: HostAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, SwitchFeature.CONTROLLER)
    await master.refused("OPENVSWITCH_NOT_ACTIVE", "SDN_controller.introduce", "ssl", "192.0.2.9", 0)
    assert not master.database.rows("SDN_controller")


async def test_a_controller_in_the_form_of_old_releases(master: Master, pool: Ref, agent: HostAgent) -> None:
    await master.refused("INVALID_IP_ADDRESS_SPECIFIED", "pool.set_vswitch_controller", "somewhere")
    await master.ref("SDN_controller.introduce", "pssl")
    await master.call("pool.set_vswitch_controller", "192.0.2.9")
    assert targets(agent) == [("192.0.2.9", 6632)]
    assert master.only("SDN_controller")["address"] == "192.0.2.9"
    assert await master.call("pool.get_vswitch_controller", pool) == "192.0.2.9"
    await master.call("pool.set_vswitch_controller", "192.0.2.10")
    assert targets(agent) == [("192.0.2.10", 6632)]
    await master.call("pool.set_vswitch_controller", "")
    assert targets(agent) == []
    assert not master.database.rows("SDN_controller")


async def test_the_same_controller_twice_at_once_is_made_once(master: Master, pool: Ref, agent: HostAgent) -> None:
    made: list[Ref] = []
    master.database.listen(
        lambda changes: made.extend(each.record.ref for each in changes if each.record.cls == "SDN_controller")
    )
    await asyncio.gather(*(master.call("pool.set_vswitch_controller", "192.0.2.9") for _ in range(3)))
    assert targets(agent) == [("192.0.2.9", 6632)]
    assert made == [master.only("SDN_controller").ref]


async def test_a_setting_is_as_it_was_if_its_call_is_cancelled(master: Master, pool: Ref, agent: HostAgent) -> None:
    ref = await network(master, "LAN")
    uuid = await master.call("network.get_uuid", ref)
    begins: list[Callable[[], bool]] = [
        lambda: master.database.get("network", ref)["default_locking_mode"] == "disabled",
        lambda: own(agent, uuid).default_locking is LockingMode.DISABLED,
    ]
    for begun in begins:
        call = asyncio.create_task(master.call("network.set_default_locking_mode", ref, "disabled"))
        while not begun():
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await master.call("network.get_default_locking_mode", ref) == "unlocked"
        await master.until(lambda: own(agent, uuid).default_locking is LockingMode.UNLOCKED)


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_setting_that_is_put_back_takes_no_other_with_it(
    master: Master, agent: HostAgent, cancelled: bool
) -> None:
    ref = await network(master, "LAN")
    uuid = await master.call("network.get_uuid", ref)
    begun, rest = asyncio.Event(), asyncio.Event()

    async def unable(agent: Agent, told: network_pb2.HostNetwork) -> None:
        begun.set()
        await rest.wait()
        raise ApiError("HOST_NOT_LIVE")

    first = asyncio.create_task(
        master.parts.networks.change(
            unable,
            lambda t: t.set("network", ref, {"MTU": 9000}),
            lambda t, _: t.set("network", ref, {"MTU": 1500}),
        )
    )
    await begun.wait()
    second = asyncio.create_task(master.call("network.set_MTU", ref, 8000))
    await asyncio.sleep(0.05)
    rest.set()
    with pytest.raises(ApiError, match="HOST_NOT_LIVE"):
        await first
    if cancelled:
        while master.database.get("network", ref)["MTU"] != 8000:
            await asyncio.sleep(0)
        second.cancel()
    await asyncio.wait([second])
    left = 1500 if cancelled else 8000
    assert await master.call("network.get_MTU", ref) == left
    await master.until(lambda: own(agent, uuid).mtu == left)
