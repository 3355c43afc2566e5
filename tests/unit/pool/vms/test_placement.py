from pathlib import Path
from uuid import UUID

import pytest

from kit.clock import FakeClock
from kit.pool_heart import heart
from xenhost.api.host.v1 import host_service_pb2
from xenhost.api.link.v1 import link_service_pb2
from xenhost.core.units import GIB, MIB
from xenhost.pool.call import NULL_REF, ApiError, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.hosts import Hosts
from xenhost.pool.vms.placement import OVERHEAD, choose, free_memory, placed


async def registered(hosts: Hosts, database: Database) -> list[Ref]:
    """Two hosts, with 1 and 2 GiB free."""
    refs: list[Ref] = []
    for number in (1, 2):
        told = host_service_pb2.Host(id=str(UUID(int=number)), name=f"host {number}", memory_free_bytes=number * GIB)
        await hosts.register(told, ["unix:/nowhere"], "")
        refs.append(database.by_uuid("host", told.id))
    return refs


async def test_vms_that_keep_apart_are_spread(tmp_path: Path) -> None:
    clock = FakeClock(auto=False)
    async with heart(tmp_path, clock) as found:
        database, hosts = found.database, Hosts(found.database, clock, 15.0)
        refs, agents = await registered(hosts, database), Agents(hosts)
        group = await found.make("VM_group", placement="anti_affinity")
        here = await found.make("VM", power_state="Running", resident_on=refs[1], groups=(group,))
        vm = await found.make("VM", memory_dynamic_max=MIB)
        assert choose(database, agents, vm) == refs[1], "where most memory is free"
        await database.change(lambda t: t.set("VM", vm, {"groups": (group,)}))
        assert choose(database, agents, vm) == refs[0]
        await database.change(lambda t: t.set("VM_group", group, {"placement": "normal"}))
        assert choose(database, agents, vm) == refs[1]
        await database.change(lambda t: t.set("VM_group", group, {"placement": "anti_affinity"}))
        await database.change(lambda t: t.set("VM", vm, {"affinity": refs[1]}))
        assert choose(database, agents, vm) == refs[1], "what its owner wants comes first"
        assert database.get("VM_group", group)["VMs"] == (here, vm)
        vusb = await found.make("VUSB", VM=vm, USB_group=(usbs := await found.make("USB_group")))
        with pytest.raises(ApiError) as caught:
            choose(database, agents, vm, [refs[0]])
        assert caught.value.as_xenapi() == ["VM_REQUIRES_VUSB", vm, usbs]
        assert database.get("VM", vm)["VUSBs"] == (vusb,)


async def test_memory_is_held_for_vms_that_come(tmp_path: Path) -> None:
    clock = FakeClock(auto=False)
    async with heart(tmp_path, clock) as found:
        database, hosts = found.database, Hosts(found.database, clock, 15.0)
        (small, large), agents = await registered(hosts, database), Agents(hosts)
        member = hosts.member(large)
        assert member is not None

        def heartbeat(free: int) -> None:
            hosts.report(member, link_service_pb2.ReportRequest(heartbeat={"memory_free_bytes": free}))

        size = GIB - OVERHEAD
        first, second, third, fourth = [await found.make("VM", memory_dynamic_max=size) for _ in range(4)]
        with placed(database, agents, first) as host:
            assert host == large
            heartbeat(GIB + GIB // 2)  # half of what is held was taken already
            assert free_memory(database, large) == GIB
            with placed(database, agents, second, only=large):
                assert free_memory(database, large) == 0
                assert choose(database, agents, third) == small
                with placed(database, agents, third), pytest.raises(ApiError) as caught:
                    choose(database, agents, fourth)
                assert caught.value.code == "NO_HOSTS_AVAILABLE"
            assert free_memory(database, large) == 0, "it has come"
        heartbeat(0)
        assert database.get("VM", first)["scheduled_to_be_resident_on"] == NULL_REF
        heartbeat(2 * GIB)
        with pytest.raises(RuntimeError), placed(database, agents, fourth):
            raise RuntimeError
        assert free_memory(database, large) == 2 * GIB, "it has not"
        with placed(database, agents, first):
            hosts.open()
            assert free_memory(database, large) == 2 * GIB, "another master knows of nobody who comes"


async def test_a_vm_goes_where_most_virtual_functions_are_free_and_nowhere_without(tmp_path: Path) -> None:
    clock = FakeClock(auto=False)
    async with heart(tmp_path, clock) as found:
        database, hosts = found.database, Hosts(found.database, clock, 15.0)
        refs, agents = await registered(hosts, database), Agents(hosts)
        network = await found.make("network")
        cards: list[Ref] = []
        for host, remaining in zip(refs, (5, 1), strict=True):
            logical = await found.make("PIF", host=host, network=network)
            sriov = await found.make("network_sriov", logical_PIF=logical, remaining=remaining)
            cards.append(sriov)
        vm = await found.make("VM", memory_dynamic_max=MIB)
        assert choose(database, agents, vm) == refs[1], "it needs none: where most memory is free"
        for _ in range(2):
            await found.make("VIF", VM=vm, network=network)
        assert choose(database, agents, vm) == refs[0]
        await database.change(lambda t: t.set("network_sriov", cards[1], {"remaining": 6}))
        assert choose(database, agents, vm) == refs[1]
        await database.change(lambda t: t.set("network_sriov", cards[0], {"remaining": 1}))
        await database.change(lambda t: t.set("network_sriov", cards[1], {"remaining": 1}))
        with pytest.raises(ApiError) as caught:
            choose(database, agents, vm)
        assert caught.value.as_xenapi() == ["NETWORK_SRIOV_INSUFFICIENT_CAPACITY", network]


async def test_a_vm_with_a_vgpu_runs_nowhere(tmp_path: Path) -> None:
    clock = FakeClock(auto=False)
    async with heart(tmp_path, clock) as found:
        hosts = Hosts(found.database, clock, 15.0)
        refs, agents = await registered(hosts, found.database), Agents(hosts)
        vm, group = await found.make("VM", memory_dynamic_max=MIB), await found.make("GPU_group")
        assert choose(found.database, agents, vm) in refs
        await found.make("VGPU", VM=vm, GPU_group=group)
        with pytest.raises(ApiError) as caught:
            choose(found.database, agents, vm, [refs[0]])
        assert caught.value.as_xenapi() == ["VM_REQUIRES_GPU", vm, group]
