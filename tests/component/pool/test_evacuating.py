"""Hosts that their VMs leave."""

import asyncio

import pytest

from component.pool.conftest import Master
from component.pool.test_migrating import MEMORY, Two, hosts
from component.pool.test_vms import RECORD, vbd_record, vdi_record
from xenhost.core.units import GIB
from xenhost.pool.call import NULL_REF, ApiError, Ref

__all__ = ["hosts"]


async def another(hosts: Two, **fields: str) -> Ref:
    """One more VM that runs on the first host."""
    vm = await hosts.master.ref("VM.create", RECORD | fields)
    await hosts.master.call("VBD.create", vbd_record(vm, await hosts.master.ref("VDI.create", vdi_record(hosts.sr))))
    await hosts.master.call("VM.start_on", vm, hosts.first, False, False)
    return vm


def there(master: Master, host: Ref) -> set[Ref]:
    return {vm for vm, record in master.database.rows("VM").items() if record["resident_on"] == host}


async def test_all_vms_of_a_host_go_to_another_with_their_memory(hosts: Two) -> None:
    master, vms = hosts.master, {hosts.vm, await another(hosts), await another(hosts)}
    await master.call("host.disable", hosts.first)
    await master.call("host.assert_can_evacuate", hosts.first)
    assert await master.call("host.get_vms_which_prevent_evacuation", hosts.first) == {}
    task = await master.ref("Async.host.evacuate", hosts.first, NULL_REF, 2)
    await master.until(lambda: master.database.get("task", task)["status"] != "pending")
    assert master.database.get("task", task)["error_info"] == ()
    assert (there(master, hosts.first), there(master, hosts.second)) == (set(), vms)
    assert hosts.one.world.domains == {}
    assert MEMORY in [domain.manners.tells for domain in hosts.two.world.domains.values()]
    assert master.database.get("task", task)["progress"] == 1.0
    assert len(master.database.get("task", task).refs("subtasks")) == 3
    assert hosts.left() == ["user"] * 3
    await master.call("host.evacuate", hosts.first)
    _, vm = await master.refused("NO_HOSTS_AVAILABLE", "host.evacuate", hosts.second)
    assert vm in vms
    assert there(master, hosts.second) == vms


async def test_nothing_moves_if_one_vm_cannot(hosts: Two) -> None:
    master, paused = hosts.master, await another(hosts)
    await master.call("VM.pause", paused)
    why = ["VM_BAD_POWER_STATE", paused, "running", "paused"]
    assert await master.call("host.get_vms_which_prevent_evacuation", hosts.first) == {paused: tuple(why)}
    error = await master.refused("CANNOT_EVACUATE_HOST", "host.assert_can_evacuate", hosts.first)
    assert error[1:] == [",".join(why)]
    assert await master.refused("VM_BAD_POWER_STATE", "host.evacuate", hosts.first) == why
    await master.refused("INVALID_VALUE", "host.evacuate", hosts.first, NULL_REF, -1)
    await master.refused("HANDLE_INVALID", "host.evacuate", hosts.first, "OpaqueRef:no")
    assert there(master, hosts.first) == {hosts.vm, paused}


async def test_memory_is_reckoned_for_all_of_them_together(hosts: Two) -> None:
    master, other = hosts.master, await another(hosts)
    metrics = master.database.get("host", hosts.second).one("metrics")
    needed = int(str(master.database.get("VM", other)["memory_dynamic_max"]))

    async def has(free: int) -> None:
        await master.database.change(lambda t: t.set("host_metrics", metrics, {"memory_free": free}))

    await has(3 * needed)
    await master.call("host.assert_can_evacuate", hosts.first)
    await has(3 * needed // 2)
    ((vm, why),) = (await master.call("host.get_vms_which_prevent_evacuation", hosts.first)).items()
    assert why == ("HOST_NOT_ENOUGH_FREE_MEMORY", vm)
    assert await master.refused("HOST_NOT_ENOUGH_FREE_MEMORY", "host.evacuate", hosts.first) == list(why)
    await has(64 * GIB)


async def test_after_a_failure_no_others_are_begun_and_each_runs_where_it_is(hosts: Two) -> None:
    master, vms = hosts.master, {hosts.vm, await another(hosts), await another(hosts)}
    hosts.two.world.faults.fail("restore_domain", every=True)
    await master.refused("VM_MIGRATE_FAILED", "host.evacuate", hosts.first, NULL_REF, 1)
    assert there(master, hosts.first) == vms
    assert {master.database.get("VM", vm)["power_state"] for vm in vms} == {"Running"}
    moves = [task for task in master.database.rows("task").values() if task["name_label"] == "Async.VM.pool_migrate"]
    assert len(moves) == 1


async def test_cancelled_it_lets_go_on_who_was_on_the_way(hosts: Two) -> None:
    master, vms = hosts.master, {hosts.vm, await another(hosts)}
    faults = hosts.two.world.faults
    faults.record_calls = True
    faults.hang("restore_domain")
    evacuation = asyncio.ensure_future(master.call("host.evacuate", hosts.first, NULL_REF, 1))
    await master.until(lambda: "restore_domain" in faults.calls)
    evacuation.cancel()
    with pytest.raises((asyncio.CancelledError, ApiError)):
        await evacuation
    assert there(master, hosts.first) == vms
    assert {master.database.get("VM", vm)["power_state"] for vm in vms} == {"Running"}
    assert hosts.left() == ["user"] * 2
