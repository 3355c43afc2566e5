from pathlib import Path
from uuid import UUID

import pytest

from kit.clock import FakeClock
from kit.pool_heart import heart
from xenhost.api.host.v1 import host_service_pb2
from xenhost.core.units import GIB, MIB
from xenhost.pool.call import ApiError, Ref
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.hosts import Hosts
from xenhost.pool.vms.placement import choose


async def test_vms_that_keep_apart_are_spread(tmp_path: Path) -> None:
    clock = FakeClock(auto=False)
    async with heart(tmp_path, clock) as found:
        database, hosts = found.database, Hosts(found.database, clock, 15.0)
        refs: list[Ref] = []
        for number in (1, 2):
            told = host_service_pb2.Host(id=str(UUID(int=number)), name=f"host {number}")
            await hosts.register(told, ["unix:/nowhere"], "")
            ref = database.by_uuid("host", told.id)
            metrics = database.get("host", ref).one("metrics")
            free = number * GIB
            await database.change(lambda t, m=metrics, f=free: t.set("host_metrics", m, {"memory_free": f}))  # type: ignore[misc] # bound now
            await database.change(lambda t, r=ref: t.set("host", r, {"enabled": True}))  # type: ignore[misc] # bound now
            refs.append(ref)
        agents = Agents(hosts)
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
            choose(database, agents, vm, only=refs[0])
        assert caught.value.as_xenapi() == ["VM_REQUIRES_VUSB", vm, usbs]
        assert database.get("VM", vm)["VUSBs"] == (vusb,)
