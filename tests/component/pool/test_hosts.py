"""Agents on simulated hosts and the master that they report to: what is there appears in its database."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from component.harness.agent import Agent as HostAgent
from component.harness.agent import running
from component.harness.client import Client
from component.pool.conftest import Master, listening, reporting, toml
from component.pool.test_vms import RECORD
from xenhost.api.host.v1 import host_service_pb2
from xenhost.api.host.v1.storage_pb2 import Sr
from xenhost.api.host.v1.vdi_service_pb2 import DestroyVdiRequest
from xenhost.api.host.v1.vm_service_pb2 import ShutdownVmRequest, StartVmRequest
from xenhost.api.link.v1.link_service_pb2 import ReportRequest, Snapshot
from xenhost.core.ids import DomId
from xenhost.pool.call import NULL_REF, Ref, Value

ENDPOINT = 'endpoints = ["192.0.2.1:9440"]'


async def test_a_host_appears_with_its_cpus_cards_and_networks(tmp_path: Path, master: Master) -> None:
    async with running(tmp_path, toml(master, ENDPOINT)) as agent:
        await master.until(lambda: master.database.rows("PIF"))
        host = master.only("host")
        assert host["uuid"] == agent.engine.host_id
        assert host["enabled"] is True
        info = await agent.engine.host()
        assert len(master.database.rows("host_cpu")) == info.cpus
        metrics = master.only("host_metrics")
        assert metrics.ref == host["metrics"]
        assert (metrics["live"], metrics["memory_total"]) == (True, info.memory_total)
        pifs = {pif["device"]: pif for pif in master.database.rows("PIF").values()}
        assert set(pifs) == {view.pif.device for view in (agent.network.pifs() if agent.network else ())}
        for pif in pifs.values():
            assert pif["host"] == host.ref
            assert pif.ref in set(_refs(master.database.get("network", Ref(str(pif["network"])))["PIFs"]))
            assert pif["metrics"] != NULL_REF
        member = master.hosts.member(host.ref)
        assert member is not None
        assert member.endpoints == ("192.0.2.1:9440",)


async def test_a_host_that_falls_silent_is_lost_and_comes_back(tmp_path: Path, master: Master) -> None:
    async with running(tmp_path, toml(master)):
        await master.until(lambda: master.database.rows("host_metrics"))
    host = master.only("host").ref
    await master.until(lambda: not master.only("host_metrics")["live"])
    assert master.hosts.member(host) is None
    async with running(tmp_path, toml(master)):
        await master.until(lambda: master.only("host_metrics")["live"])
        assert master.only("host").ref == host, "the same host"
        assert master.hosts.member(host) is not None


async def test_storage_appears_changes_and_goes(tmp_path: Path, master: Master) -> None:
    (tmp_path / "sr").mkdir()
    async with running(tmp_path, toml(master)) as agent, agent.client() as client:
        await master.until(lambda: master.database.rows("host"))
        sr = await client.create_sr("local", tmp_path / "sr")
        vdi = await client.create_vdi("local", "disk")
        await master.until(lambda: master.database.rows("VDI"))
        record = master.only("SR")
        assert (record["uuid"], record["name_label"], record["type"]) == (sr.id, "local", "file")
        pbd = master.only("PBD")
        assert (pbd["SR"], pbd["host"], pbd["currently_attached"]) == (record.ref, master.only("host").ref, True)
        disk = master.only("VDI")
        assert (disk["uuid"], disk["SR"], disk["virtual_size"]) == (vdi.id, record.ref, vdi.virtual_size_bytes)
        await client.vdi_done(client.vdis.DestroyVdi(DestroyVdiRequest(id=vdi.id)))
        await master.until(lambda: not master.database.rows("VDI"))


async def test_a_vm_that_the_pool_knows_is_followed(tmp_path: Path, master: Master) -> None:
    async with running(tmp_path, toml(master)) as agent, agent.client() as client:
        await master.until(lambda: master.database.rows("host"))
        ref = await known(master, client, "web")
        started = await client.done(client.vms.StartVm(StartVmRequest(id="web")))
        await master.until(lambda: master.database.get("VM", ref)["power_state"] == "Running")
        record = master.database.get("VM", ref)
        assert record["resident_on"] == master.only("host").ref
        assert record["domid"] == started.status.domid
        assert record.ref in set(_refs(master.only("host")["resident_VMs"]))
        await master.until(lambda: master.database.rows("VM_guest_metrics"))
        await master.until(lambda: master.only("VM_guest_metrics")["os_version"])
        agent.world.guest(DomId(started.status.domid)).tell({"data/host_name": "web"})
        await master.until(lambda: master.only("VM_guest_metrics")["netbios_name"])
        assert master.only("VM_guest_metrics")["os_version"], "what has not changed stays"
        await client.done(client.vms.ShutdownVm(ShutdownVmRequest(id="web", hard=True)))
        await master.until(lambda: master.database.get("VM", ref)["power_state"] == "Halted")
        assert master.database.get("VM", ref)["resident_on"] == NULL_REF
        await master.until(lambda: not master.only("VM_guest_metrics")["live"])


async def test_what_went_while_there_was_no_link_is_gone_when_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "sr").mkdir()
    async with listening(tmp_path) as master:
        text = toml(master)
        async with running(tmp_path, text) as agent, agent.client() as client:
            await master.until(lambda: master.database.rows("host"))
            await client.create_sr("local", tmp_path / "sr")
            vdi = await client.create_vdi("local", "disk")
            ref = await known(master, client, "web")
            await client.done(client.vms.StartVm(StartVmRequest(id="web")))
            await master.until(lambda: master.database.get("VM", ref)["power_state"] == "Running")
            await master.until(lambda: master.database.rows("VDI"))
    async with running(tmp_path) as agent, agent.client() as client:
        await client.vdi_done(client.vdis.DestroyVdi(DestroyVdiRequest(id=vdi.id)))
    async with listening(tmp_path) as master, running(tmp_path, text):
        assert master.database.get("VM", ref)["power_state"] == "Running", "as it was last known"
        await master.until(lambda: not master.database.rows("VDI"))
        assert len(master.database.rows("SR")) == 1


async def known(master: Master, client: Client, name: str) -> Ref:
    """A VM of the agent that the pool knows, too."""
    vm = await client.create(name=name)
    fields = {"uuid": vm.id, "name_label": name, "power_state": "Halted"}
    return await master.database.change(lambda t: t.create("VM", fields))


def _refs(value: object) -> Iterator[str]:
    assert isinstance(value, tuple)
    return iter(value)


async def test_a_disabled_host_starts_nothing_and_a_lost_one_can_be_forgotten(
    tmp_path: Path, master: Master, agent: HostAgent
) -> None:
    host, vm = master.only("host").ref, await master.ref("VM.create", RECORD)
    assert await master.call("VM.get_possible_hosts", vm) == (host,)
    await master.call("host.disable", host)
    assert await master.call("VM.get_possible_hosts", vm) == ()
    await master.refused("HOST_DISABLED", "VM.assert_can_boot_here", vm, host)
    await master.call("host.enable", host)
    await master.call("VM.assert_can_boot_here", vm, host)
    assert await master.call("host.compute_free_memory", host) > 0
    await master.call("host.evacuate", host)
    await master.call("VM.start", vm, False, False)
    assert list(await master.call("host.get_vms_which_prevent_evacuation", host)) == [vm]
    await master.refused("NO_HOSTS_AVAILABLE", "host.evacuate", host)
    await master.refused("HOST_IS_LIVE", "host.destroy", host)
    await master.refused("HOST_IS_LIVE", "host.declare_dead", host)
    await master.refused("OPERATION_NOT_ALLOWED", "VM.power_state_reset", vm)


async def test_the_record_of_a_lost_host_goes_with_what_was_its_own(tmp_path: Path, master: Master) -> None:
    async with reporting(tmp_path, master):
        vm = await master.ref("VM.create", RECORD)
        await master.call("VM.start", vm, False, False)
    host = master.only("host").ref
    await master.until(lambda: not master.only("host_metrics")["live"])
    dump: dict[str, Value] = {"host": host, "filename": "20261122-181500-UTC"}
    await master.database.change(lambda t: t.create("host_crashdump", dump))
    await master.refused("HOST_HAS_RESIDENT_VMS", "host.destroy", host)
    await master.call("host.declare_dead", host)
    assert await master.call("VM.get_power_state", vm) == "Halted"
    await master.call("host.destroy", host)
    classes = ("host", "PIF", "PBD", "host_cpu", "host_metrics", "host_crashdump")
    assert [len(master.database.rows(cls)) for cls in classes] == [0] * 6


async def test_a_host_that_was_destroyed_comes_back_as_a_new_one(tmp_path: Path, master: Master) -> None:
    async with reporting(tmp_path, master):
        vm = await master.ref("VM.create", RECORD)
        await master.call("VM.start", vm, False, False)
        await master.call("VM.hard_shutdown", vm)
    old = master.only("host").ref
    await master.until(lambda: not master.only("host_metrics")["live"])
    await master.call("host.destroy", old)
    async with reporting(tmp_path, master):
        assert master.only("host").ref != old
        await master.call("VM.start", vm, False, False)
        assert await master.call("VM.get_resident_on", vm) == master.only("host").ref


async def test_what_is_made_while_an_agent_lists_is_not_forgotten(tmp_path: Path, master: Master) -> None:
    (tmp_path / "sr").mkdir()
    async with reporting(tmp_path, master) as agent, agent.client() as client:
        await client.create_sr("local", tmp_path / "sr")
        await master.until(lambda: master.database.rows("SR"))
        host = master.only("host")
        member = master.hosts.member(host.ref)
        assert member is not None
        sr = master.only("SR")
        fields: dict[str, Value] = {"SR": sr.ref, "virtual_size": 1, "type": "user"}
        before = await master.database.change(lambda t: t.create("VDI", fields))
        named = Snapshot(host=host_service_pb2.Host(id=str(host["uuid"])), srs=[Sr(id=str(sr["uuid"]))], more=True)
        master.hosts.report(member, ReportRequest(snapshot=named))
        meanwhile = await master.database.change(lambda t: t.create("VDI", fields))
        master.hosts.report(member, ReportRequest(snapshot=Snapshot()))
        assert master.database.find("VDI", meanwhile) is not None
        assert master.database.find("VDI", before) is None, "it was there before, and was not named"


async def test_a_host_that_goes_while_it_registers_is_lost_like_others(master: Master) -> None:
    told = host_service_pb2.Host(id=str(uuid4()), name="brief", cpus=1)
    call = asyncio.create_task(master.hosts.register(told, [], "192.0.2.1"))
    while not master.database.rows("host"):
        await asyncio.sleep(0)
    call.cancel()
    await master.until(lambda: not master.only("host_metrics")["live"])
