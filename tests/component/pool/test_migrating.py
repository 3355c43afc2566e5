"""VMs that move to another host with what their guests remember, through an SR that both hosts have."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from component.harness.agent import Agent
from component.harness.pki import Authority
from component.pool.conftest import Master, listening, reporting
from component.pool.test_members import member
from component.pool.test_suspend import remembered, told
from component.pool.test_vms import RECORD, vbd_record, vdi_record
from xenhost.api.host.v1.vm_service_pb2 import CreateVmRequest
from xenhost.pool.call import NULL_REF, ApiError, Ref
from xenhost.pool.first import ensure_first
from xenhost.pool.vms.spec import vm_spec
from xenhost.pool.vms.unfinished import is_settled

MEMORY = {"data/os_name": "counting"}


@dataclass(frozen=True, slots=True)
class Two:
    """Hosts of a pool, an SR of both, and a VM that runs on the first."""

    master: Master
    one: Agent
    two: Agent
    first: Ref
    second: Ref
    sr: Ref
    vm: Ref

    async def move(self, **options: str) -> None:
        await self.master.call("VM.pool_migrate", self.vm, self.second, options)

    async def where(self) -> tuple[object, Ref]:
        record = await self.master.call("VM.get_record", self.vm)
        assert isinstance(record, dict)
        return record["power_state"], record["resident_on"]

    def left(self) -> list[str]:
        """Types of all disks."""
        return sorted(str(vdi["type"]) for vdi in self.master.database.rows("VDI").values())


@pytest.fixture
async def hosts(tmp_path: Path) -> AsyncIterator[Two]:
    pki = Authority(tmp_path / "pki", "pool CA")
    folder = tmp_path / "shared"
    folder.mkdir()
    async with AsyncExitStack() as stack:
        master = await stack.enter_async_context(listening(tmp_path, tls=pki.issue("master")))
        await ensure_first(master.database)
        one = await stack.enter_async_context(reporting(tmp_path / "one", master))
        two = await stack.enter_async_context(member(tmp_path / "two", master, pki.issue("two")))
        await master.until(lambda: len(master.database.rows("host")) == 2)
        refs = {str(record["uuid"]): ref for ref, record in master.database.rows("host").items()}
        first, second = refs[one.engine.host_id], refs[two.engine.host_id]
        config = {"location": str(folder)}
        sr = await master.ref("SR.create", first, config, 0, "shared", "", "file", "user", True, {})
        vm = await master.ref("VM.create", RECORD)
        await master.call("VBD.create", vbd_record(vm, await master.ref("VDI.create", vdi_record(sr))))
        await master.call("VM.start_on", vm, first, False, False)
        told(one, MEMORY)
        yield Two(master, one, two, first, second, sr, vm)


async def test_a_vm_moves_with_its_memory(hosts: Two) -> None:
    await hosts.move()
    assert await hosts.where() == ("Running", hosts.second)
    assert (hosts.one.world.domains, remembered(hosts.two)) == ({}, MEMORY)
    assert hosts.one.engine.vms() == []
    assert hosts.left() == ["user"]
    record = hosts.master.database.get("VM", hosts.vm)
    assert (record["suspend_VDI"], record.one("moving_to")) == (NULL_REF, NULL_REF)
    assert record["scheduled_to_be_resident_on"] == NULL_REF
    await hosts.master.call("VM.pool_migrate", hosts.vm, hosts.first, {"live": "false"})
    assert (await hosts.where(), remembered(hosts.one)) == (("Running", hosts.first), MEMORY)
    await hosts.master.call("VM.hard_shutdown", hosts.vm)


async def test_what_would_need_live_migration_is_refused(hosts: Two) -> None:
    domains = dict(hosts.one.world.domains)
    error = await hosts.master.refused("VM_MIGRATE_FAILED", "VM.pool_migrate", hosts.vm, hosts.second, {"live": "true"})
    assert error[1:4] == [hosts.vm, hosts.first, hosts.second]
    assert "live=false" in error[4]
    assert hosts.one.world.domains == domains
    await hosts.master.call("host.disable", hosts.second)
    await hosts.master.refused("HOST_DISABLED", "VM.pool_migrate", hosts.vm, hosts.second, {})
    await hosts.master.call("VM.pause", hosts.vm)
    await hosts.master.refused("VM_BAD_POWER_STATE", "VM.pool_migrate", hosts.vm, hosts.second, {})
    assert hosts.one.world.domains.keys() == domains.keys()


async def test_a_vm_that_cannot_go_on_there_goes_on_where_it_was(hosts: Two) -> None:
    hosts.two.world.faults.fail("restore_domain", every=True)
    await hosts.master.refused("VM_MIGRATE_FAILED", "VM.pool_migrate", hosts.vm, hosts.second, {})
    assert await hosts.where() == ("Running", hosts.first)
    assert (remembered(hosts.one), hosts.two.world.domains) == (MEMORY, {})
    assert hosts.left() == ["user"]
    assert hosts.master.database.get("VM", hosts.vm).one("moving_to") == NULL_REF


@pytest.mark.parametrize("verb", ["save_domain", "restore_domain"])
async def test_one_that_is_cancelled_goes_on(hosts: Two, verb: str) -> None:
    host = hosts.one if verb == "save_domain" else hosts.two
    host.world.faults.record_calls = True
    host.world.faults.hang(verb)
    moving = asyncio.ensure_future(hosts.move())
    await hosts.master.until(lambda: verb in host.world.faults.calls)
    moving.cancel()
    with pytest.raises((asyncio.CancelledError, ApiError)):
        await moving
    assert await hosts.where() == ("Running", hosts.first)
    assert remembered(hosts.one) == MEMORY
    assert hosts.left() == ["user"]


async def test_without_an_sr_of_both_it_stays(hosts: Two) -> None:
    await hosts.master.call("VM.hard_shutdown", hosts.vm)
    for vbd in hosts.master.database.get("VM", hosts.vm).refs("VBDs"):
        await hosts.master.call("VBD.destroy", vbd)
    await hosts.master.call("VM.start_on", hosts.vm, hosts.first, False, False)
    await hosts.master.refused("VM_NO_SUSPEND_SR", "VM.pool_migrate", hosts.vm, hosts.second, {})
    await hosts.master.call("VM.set_suspend_SR", hosts.vm, hosts.sr)
    await hosts.move()
    assert await hosts.where() == ("Running", hosts.second)


@pytest.mark.parametrize("enabled", [True, False])
async def test_one_that_a_killed_master_had_stopped_goes_on_where_it_can(hosts: Two, enabled: bool) -> None:
    master = hosts.master
    await master.call("VM.set_suspend_SR", hosts.vm, hosts.sr)
    await master.call("VM.suspend", hosts.vm)
    await master.database.change(lambda t: t.set("VM", hosts.vm, {"moving_to": hosts.second}))
    if not enabled:
        await master.call("host.disable", hosts.second)
    task = asyncio.create_task(master.parts.migration.run())
    await master.until(lambda: master.database.get("VM", hosts.vm).one("moving_to") == NULL_REF)
    task.cancel()
    assert await hosts.where() == ("Running", hosts.second if enabled else hosts.first)
    assert remembered(hosts.two if enabled else hosts.one) == MEMORY
    assert hosts.left() == ["user"]


async def test_one_that_a_killed_master_had_not_stopped_runs_on(hosts: Two) -> None:
    master = hosts.master
    image = await master.ref("VDI.create", {**vdi_record(hosts.sr), "type": "suspend"})
    await master.database.change(lambda t: t.set("VM", hosts.vm, {"moving_to": hosts.second, "suspend_VDI": image}))
    task = asyncio.create_task(master.parts.migration.run())
    await master.until(lambda: master.database.get("VM", hosts.vm).one("moving_to") == NULL_REF)
    task.cancel()
    assert await hosts.where() == ("Running", hosts.first)
    assert hosts.left() == ["user"]


async def test_the_host_that_one_had_left_as_the_master_was_killed_forgets_it(hosts: Two) -> None:
    master, one = hosts.master, hosts.master.agents.agent(hosts.first)
    await hosts.move()
    image = await master.ref("VDI.create", {**vdi_record(hosts.sr), "type": "suspend"})
    spec = vm_spec(master.database, hosts.vm)
    spec.suspended.vdi_id = str(master.database.get("VDI", image)["uuid"])
    await one.call(one.vms.CreateVm, CreateVmRequest(vm=spec))
    assert len(hosts.one.engine.vms()) == 1
    await master.database.change(lambda t: t.set("VM", hosts.vm, {"moving_to": hosts.second, "suspend_VDI": image}))
    task = asyncio.create_task(master.parts.migration.run())
    await master.until(lambda: master.database.get("VM", hosts.vm).one("moving_to") == NULL_REF)
    task.cancel()
    assert await hosts.where() == ("Running", hosts.second)
    assert (hosts.one.engine.vms(), hosts.left()) == ([], ["user"])


async def test_a_host_that_is_still_at_it_is_waited_for(hosts: Two) -> None:
    master, faults = hosts.master, hosts.two.world.faults
    faults.record_calls = True
    faults.hang("restore_domain")
    moving = asyncio.ensure_future(hosts.move())
    await master.until(lambda: "restore_domain" in faults.calls)
    assert (await hosts.where())[0] == "Suspended"
    assert not await is_settled(master.database, master.agents, hosts.vm), "nobody resumes it elsewhere now"
    await master.refused("OTHER_OPERATION_IN_PROGRESS", "VM.hard_shutdown", hosts.vm)
    moving.cancel()
    with pytest.raises((asyncio.CancelledError, ApiError)):
        await moving
    assert await is_settled(master.database, master.agents, hosts.vm)
    assert await hosts.where() == ("Running", hosts.first)


async def test_a_vm_with_a_disk_that_another_writes_stays(hosts: Two) -> None:
    master = hosts.master
    vdi = await master.ref("VDI.create", vdi_record(hosts.sr))
    await master.ref("VBD.create", vbd_record(hosts.vm, vdi, userdevice="1"))
    other = await master.ref("VM.create", RECORD)
    await master.call("VBD.create", vbd_record(other, vdi))
    await master.call("VM.start_on", other, hosts.first, False, False)
    refused = await master.refused("VDI_IN_USE", "VM.pool_migrate", hosts.vm, hosts.second, {})
    assert refused[1] == vdi
    assert await hosts.where() == ("Running", hosts.first)
