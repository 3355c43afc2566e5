"""VIFs through the Management API, on an agent with a simulated host: what may be changed of them, plugged or not."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master, reporting
from component.pool.test_networks import network, pif
from component.pool.test_vms import RECORD, vif_record
from xenhost.core.devices import GuestIp, Vif, VifLocking
from xenhost.core.ids import DomId
from xenhost.drivers.sim.config import Delays
from xenhost.pool.call import FrozenMap, Ref
from xenhost.pool.vms.functions import free


@pytest.fixture
async def vm(master: Master, agent: HostAgent) -> Ref:
    return await master.ref("VM.create", RECORD)


async def card(master: Master, vm: Ref, **fields: Any) -> Ref:
    """A VIF on a network of its own, not plugged."""
    return await master.ref("VIF.create", vif_record(vm, await network(master, "LAN"), **fields))


async def plugged(master: Master, vm: Ref, **fields: Any) -> Ref:
    """The same, of a VM that runs."""
    vif = await card(master, vm, **fields)
    await master.call("VM.start", vm, False, False)
    assert await master.call("VIF.get_currently_attached", vif)
    return vif


def own(agent: HostAgent) -> Vif:
    """The one VIF of the one VM, as its agent has it."""
    ((vif,),) = (view.spec.vifs for view in agent.engine.vms())
    return vif


async def test_what_a_plugged_vif_may_send_is_changed_at_once(master: Master, agent: HostAgent, vm: Ref) -> None:
    vif = await plugged(master, vm)
    await master.call("VIF.set_locking_mode", vif, "locked")
    await master.call("VIF.set_ipv4_allowed", vif, ["192.0.2.5", "192.0.2.5", "198.51.100.0/24"])
    await master.call("VIF.add_ipv4_allowed", vif, "192.0.2.6")
    await master.call("VIF.remove_ipv4_allowed", vif, "192.0.2.5")
    await master.call("VIF.set_ipv6_allowed", vif, ["2001:db8::5"])
    await master.call("VIF.add_ipv6_allowed", vif, "2001:db8::6")
    await master.call("VIF.remove_ipv6_allowed", vif, "2001:db8::5")
    record = await master.call("VIF.get_record", vif)
    assert record["locking_mode"] == "locked"
    assert record["ipv4_allowed"] == ("198.51.100.0/24", "192.0.2.6")
    assert record["ipv6_allowed"] == ("2001:db8::6",)
    now = own(agent)
    assert now.locking is VifLocking.LOCKED
    assert (set(now.ipv4_allowed), now.ipv6_allowed) == (set(record["ipv4_allowed"]), record["ipv6_allowed"])


@pytest.mark.parametrize(
    ("method", "address"),
    [("ipv4", "2001:db8::5"), ("ipv4", "192.0.2.500"), ("ipv6", "192.0.2.5"), ("ipv6", "nonsense")],
)
async def test_only_addresses_are_allowed(master: Master, vm: Ref, method: str, address: str) -> None:
    vif = await card(master, vm)
    code = "INVALID_IP_ADDRESS_SPECIFIED"
    assert await master.refused(code, f"VIF.add_{method}_allowed", vif, address) == [code, f"{method}_allowed"]
    await master.refused(code, f"VIF.set_{method}_allowed", vif, [address])
    assert await master.call(f"VIF.get_{method}_allowed", vif) == ()


async def test_a_vif_has_a_bounded_number_of_addresses(master: Master, vm: Ref) -> None:
    vif = await card(master, vm)
    many: list[str] = [f"198.51.{number // 256}.{number % 256}" for number in range(257)]
    await master.refused("INVALID_VALUE", "VIF.set_ipv4_allowed", vif, many)
    await master.call("VIF.set_ipv4_allowed", vif, many[:256])
    await master.refused("INVALID_VALUE", "VIF.add_ipv4_allowed", vif, many[256])


async def test_what_is_set_of_an_unplugged_vif_counts_when_it_is_plugged(
    master: Master, agent: HostAgent, vm: Ref
) -> None:
    vif = await card(master, vm)
    await master.call("VIF.set_trunks", vif, [7, 8, 7])
    await master.call("VIF.add_trunks", vif, 9)
    await master.call("VIF.remove_trunks", vif, 8)
    await master.call("VIF.set_locking_mode", vif, "unlocked")
    assert await master.call("VIF.get_trunks", vif) == (7, 9)
    await master.call("VM.start", vm, False, False)
    assert (own(agent).trunks, own(agent).locking) == ((7, 9), VifLocking.UNLOCKED)
    await master.call("VIF.add_trunks", vif, 10)
    assert own(agent).trunks == (7, 9, 10)
    assert await master.refused("VLAN_TAG_INVALID", "VIF.add_trunks", vif, 4095) == ["VLAN_TAG_INVALID", "4095"]
    await master.refused("VLAN_TAG_INVALID", "VIF.set_trunks", vif, [-1])
    assert await master.call("VIF.get_trunks", vif) == (7, 9, 10)


async def test_there_are_no_trunks_in_a_vlan(master: Master, vm: Ref) -> None:
    vif = await card(master, vm)
    tagged = await network(master, "VLAN 7")
    await master.call("VLAN.create", pif(master, "eth0"), 7, tagged)
    await master.call("VIF.set_trunks", vif, [7])
    code = "NETWORK_INCOMPATIBLE_WITH_TRUNKS"
    assert await master.refused(code, "VIF.move", vif, tagged) == [code, tagged]
    await master.call("VIF.set_trunks", vif, [])
    await master.call("VIF.move", vif, tagged)
    assert await master.refused(code, "VIF.add_trunks", vif, 7) == [code, tagged]


async def test_a_plugged_vif_moves_to_another_network(master: Master, agent: HostAgent, vm: Ref) -> None:
    vif = await plugged(master, vm)
    old = Ref(await master.call("VIF.get_network", vif))
    new = await network(master, "another")
    await master.call("VIF.move", vif, new)
    record = await master.call("VIF.get_record", vif)
    assert (record["network"], record["currently_attached"]) == (new, True)
    assert await master.call("network.get_VIFs", new) == (vif,)
    assert await master.call("network.get_VIFs", old) == ()
    assert own(agent).bridge == await master.call("network.get_bridge", new)
    await master.refused("HANDLE_INVALID", "VIF.move", vif, "OpaqueRef:nothing")


async def test_an_unplugged_vif_moves_to_another_network(master: Master, vm: Ref) -> None:
    vif, new = await card(master, vm), await network(master, "another")
    await master.call("VIF.move", vif, new)
    assert await master.call("network.get_VIFs", new) == (vif,)


async def test_a_vif_does_not_move_where_its_host_is_not(
    master: Master, agent: HostAgent, vm: Ref, tmp_path: Path
) -> None:
    vif = await card(master, vm)
    here = master.only("host").ref
    (tmp_path / "b").mkdir()
    async with reporting(tmp_path / "b", master):
        await master.until(lambda: len(master.database.rows("PIF")) == 8)
        await master.call("VM.start_on", vm, here, False, False)
        pifs = (await master.call("PIF.get_all_records")).items()
        below = next(ref for ref, record in pifs if record["host"] != here)
        there = await network(master, "VLAN 7")
        await master.call("VLAN.create", below, 7, there)
        code = "HOST_CANNOT_ATTACH_NETWORK"
        assert await master.refused(code, "VIF.move", vif, there) == [code, here, there]
        assert await master.call("VIF.get_network", vif) != there


async def test_a_plugged_vif_stays_as_it_is_while_its_host_is_away(master: Master, tmp_path: Path) -> None:
    async with reporting(tmp_path, master):
        vif = await plugged(master, await master.ref("VM.create", RECORD))
    await master.until(lambda: not master.only("host_metrics")["live"])
    await master.refused("HOST_OFFLINE", "VIF.set_locking_mode", vif, "disabled")
    assert await master.call("VIF.get_locking_mode", vif) == "network_default"


async def test_a_guest_is_given_addresses(master: Master, agent: HostAgent, vm: Ref) -> None:
    vif = await plugged(master, vm)
    code = "VM_LACKS_FEATURE"
    assert await master.refused(code, "VIF.configure_ipv4", vif, "Static", "192.0.2.5/24", "") == [code, vm]
    domid = DomId(int(await master.call("VM.get_domid", vm)))
    agent.world.guest(domid).tell({"control/feature-static-ip-setting": "1"})
    await master.until(
        lambda: any(
            "feature-static-ip-setting" in str(row) for row in master.database.rows("VM_guest_metrics").values()
        )
    )
    for family, address, gateway in (("ipv4", "192.0.2.5/24", "192.0.2.1"), ("ipv6", "2001:db8::5/64", "2001:db8::1")):
        method = f"VIF.configure_{family}"
        bare = address.partition("/")[0]
        code = "INVALID_CIDR_ADDRESS_SPECIFIED"
        assert await master.refused(code, method, vif, "Static", bare, gateway) == [code, "address"]
        code = "INVALID_IP_ADDRESS_SPECIFIED"
        assert await master.refused(code, method, vif, "Static", address, "the router") == [code, "gateway"]
        await master.call(method, vif, "Static", address, gateway)
        record = await master.call("VIF.get_record", vif)
        assert record[f"{family}_configuration_mode"] == "Static"
        assert (record[f"{family}_addresses"], record[f"{family}_gateway"]) == ((address,), gateway)
        assert getattr(own(agent), family) == GuestIp(address, gateway)
        await master.call(method, vif, "None")
        record = await master.call("VIF.get_record", vif)
        assert (record[f"{family}_configuration_mode"], record[f"{family}_addresses"]) == ("None", ())
        assert getattr(own(agent), family) == GuestIp()


async def test_a_guest_is_given_no_address_that_its_locked_vif_may_not_use(master: Master, vm: Ref) -> None:
    vif = await card(master, vm)
    other = FrozenMap({"feature-static-ip-setting": "1"})
    metrics = await master.database.change(lambda t: t.create("VM_guest_metrics", {"other": other}))
    await master.database.change(lambda t: t.set("VM", vm, {"guest_metrics": metrics}))
    await master.call("VIF.set_locking_mode", vif, "locked")
    code = "ADDRESS_VIOLATES_LOCKING_CONSTRAINT"
    failure = await master.refused(code, "VIF.configure_ipv4", vif, "Static", "192.0.2.5/24", "")
    assert failure == [code, "192.0.2.5/24"]
    await master.call("VIF.add_ipv4_allowed", vif, "192.0.2.5")
    await master.call("VIF.configure_ipv4", vif, "Static", "192.0.2.5/24", "")
    assert await master.call("VIF.get_ipv4_addresses", vif) == ("192.0.2.5/24",)


async def test_changes_at_the_same_time_are_all_made(master: Master, agent: HostAgent, vm: Ref) -> None:
    vif = await plugged(master, vm)
    addresses = [f"192.0.2.{number}" for number in range(1, 6)]
    await asyncio.gather(*(master.call("VIF.add_ipv4_allowed", vif, each) for each in addresses))
    assert set(await master.call("VIF.get_ipv4_allowed", vif)) == set(own(agent).ipv4_allowed) == set(addresses)
    await asyncio.gather(
        *(master.call("VIF.add_trunks", vif, tag) for tag in (7, 8)),
        *(master.call("VIF.remove_ipv4_allowed", vif, each) for each in addresses[1:]),
    )
    assert (own(agent).ipv4_allowed, own(agent).trunks) == ((addresses[0],), (7, 8))


async def test_a_vif_does_not_change_while_its_vm_is_being_started(master: Master, tmp_path: Path) -> None:
    async with reporting(tmp_path, master, Delays(build=1.0)) as agent:
        vm = await master.ref("VM.create", RECORD)
        vif = await card(master, vm)
        task = await master.ref("Async.VM.start", vm, False, False)
        await master.until(lambda: master.database.get("VM", vm)["current_operations"])
        code = "OTHER_OPERATION_IN_PROGRESS"
        busy = [code, "VM", vm, "start", task]
        assert await master.refused(code, "VIF.set_locking_mode", vif, "disabled") == busy
        assert await master.refused(code, "VIF.add_ipv4_allowed", vif, "192.0.2.5") == busy
        await master.until(lambda: not master.database.get("VM", vm)["current_operations"])
        await master.call("VIF.set_locking_mode", vif, "disabled")
        assert own(agent).locking is VifLocking.DISABLED


async def test_vifs_are_virtual_functions_as_long_as_any_are_free(master: Master, tmp_path: Path) -> None:
    async with reporting(tmp_path, master, None, "[sim]", "sriov = 2"):
        fast, tagged = await network(master, "fast"), await network(master, "tagged")
        sriov = await master.ref("network_sriov.create", pif(master, "eth0"), fast)
        await master.call("VLAN.create", await master.call("network_sriov.get_logical_PIF", sriov), 5, tagged)
        vm, other = await master.ref("VM.create", RECORD), await master.ref("VM.create", RECORD)
        vifs = [await master.ref("VIF.create", vif_record(vm, each)) for each in (fast, tagged)]
        await master.call("VM.start", vm, False, False)
        for vif in vifs:
            record = await master.call("VIF.get_record", vif)
            assert (record["currently_attached"], record["allowed_operations"]) == (True, ("attach",))
            why = ["OPERATION_NOT_ALLOWED", "Network SR-IOV VIF plug/unplug not allowed"]
            assert await master.refused(why[0], "VIF.unplug", vif) == why
        for word in ("suspend", "checkpoint", "pool_migrate"):
            assert word not in await master.call("VM.get_allowed_operations", vm)
        assert await master.refused("VM_HAS_PCI_ATTACHED", "VM.suspend", vm) == ["VM_HAS_PCI_ATTACHED", vm]
        await master.until(lambda: free(master.database.get("network_sriov", sriov)) == 0)
        assert await master.call("network_sriov.get_remaining_capacity", sriov) == 0
        await master.ref("VIF.create", vif_record(other, fast))
        none = ["NETWORK_SRIOV_INSUFFICIENT_CAPACITY", fast]
        assert await master.refused(none[0], "VM.start", other, False, False) == none
        await master.database.change(lambda t: t.set("network_sriov", sriov, {"remaining": 1}))  # as if not told yet
        assert await master.refused(none[0], "VM.start", other, False, False) == none
        assert await master.call("VM.get_power_state", other) == "Halted"
        await master.call("VM.hard_shutdown", vm)
        await master.until(lambda: free(master.database.get("network_sriov", sriov)) == 2)
        await master.call("VM.start", other, False, False)
        await master.call("VM.hard_shutdown", other)
