"""VBDs that a VDI backs: what storage is asked for them, and what is let go that nobody uses any more."""

from dataclasses import replace

import pytest

from kit.agent import Agent, SimHost
from kit.datapaths import Connected, source_of
from kit.specs import cd, disk, nic, spec, vdi_disk, vm_id
from xenhost.agent.steps.vdi import datapath_of
from xenhost.core.devices import DeviceClass, IoLimits, Source, SourceKind, Vbd, VbdMode
from xenhost.core.errors import InternalError, InvalidValue
from xenhost.core.ids import DomId
from xenhost.core.requests import EjectVbd, InsertVbd, LimitVbd, PlugVbd, ShutdownVm, StartVm, UnplugVbd
from xenhost.core.storage import AttachMode, VdiId
from xenhost.core.storage_errors import VdiInUse
from xenhost.core.views import OperationState
from xenhost.core.vm import BootloaderBoot

VM = vm_id()
XVDB = vdi_disk().devid
OTHER = vdi_disk("xvdc", 2)


def connected(vbd: Vbd, mode: AttachMode = AttachMode.RW) -> dict[str, Connected]:
    return {datapath_of(VM, vbd.devid): Connected(VdiId(vbd.source.path), mode, vbd.limits, done=True)}


async def started(agent: Agent, *vbds: Vbd) -> DomId:
    await agent.engine.create_vm(spec(vbds=vbds))
    await agent.succeed(StartVm(VM))
    return agent.engine.vm(VM).status.domid or DomId(0)


async def test_a_guest_gets_what_the_datapath_of_its_vdi_leads_to(host: SimHost, agent: Agent) -> None:
    domid = await started(agent, disk(), vdi_disk(iops=100))
    device = host.world.domains[domid].devices[DeviceClass.VBD, XVDB]
    assert device.source == source_of(vdi_disk().source.path)
    assert host.vdis.datapaths == connected(vdi_disk(iops=100))


async def test_read_only_disks_and_drives_are_connected_read_only(host: SimHost, agent: Agent) -> None:
    disk_ro = replace(vdi_disk(), mode=VbdMode.RO)
    await started(agent, disk_ro, replace(cd(), source=OTHER.source))
    assert {each.mode for each in host.vdis.datapaths.values()} == {AttachMode.RO}


async def test_nothing_is_left_of_a_start_whose_vdi_is_in_use(host: SimHost, agent: Agent) -> None:
    host.vdis.datapaths["copy/1"] = Connected(VdiId(OTHER.source.path), AttachMode.RW, IoLimits(), done=True)
    await agent.engine.create_vm(spec(vbds=(vdi_disk(), OTHER)))
    failed = await agent.do(StartVm(VM))
    assert isinstance(failed.error, VdiInUse)
    assert set(host.vdis.datapaths) == {"copy/1"}
    assert not host.world.domains


async def test_a_boot_loader_reads_the_disk_of_a_vdi(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(replace(spec(vbds=(vdi_disk(),)), boot=BootloaderBoot()))
    host.world.faults.record_calls = True
    await agent.succeed(StartVm(VM))
    calls = host.world.faults.calls
    assert calls.index("connect") < calls.index("build_domain")


async def test_a_vdi_that_cannot_be_let_go_holds_no_vm_up(host: SimHost, agent: Agent) -> None:
    await started(agent, vdi_disk())
    host.world.faults.fail("disconnect")
    host.world.faults.fail("disconnect")
    await agent.succeed(ShutdownVm(VM, hard=True))
    await agent.settled(VM)
    assert set(host.vdis.datapaths) == {datapath_of(VM, XVDB)}
    await host.clock.sleep(61.0)
    await agent.settled(VM)
    assert not host.vdis.datapaths


@pytest.mark.parametrize("force", [True, False])
async def test_an_unplugged_vdi_is_let_go(host: SimHost, agent: Agent, force: bool) -> None:
    await started(agent, disk(), vdi_disk())
    await agent.succeed(UnplugVbd(VM, XVDB, force))
    assert not host.vdis.datapaths
    await agent.succeed(PlugVbd(VM, vdi_disk()))
    assert host.vdis.datapaths == connected(vdi_disk())


async def test_a_refused_unplug_keeps_the_vdi(host: SimHost, agent: Agent) -> None:
    domid = await started(agent, vdi_disk())
    host.world.guest(domid).refuse_unplug("mounted")
    failed = await agent.do(UnplugVbd(VM, XVDB))
    assert failed.state is OperationState.FAILED
    assert host.vdis.datapaths == connected(vdi_disk())
    assert agent.engine.vm(VM).spec.vbd(XVDB) == vdi_disk()


async def test_a_medium_is_connected_while_it_is_in_the_drive(host: SimHost, agent: Agent) -> None:
    await started(agent, cd())
    await agent.succeed(InsertVbd(VM, cd().devid, Source(SourceKind.VDI, OTHER.source.path.upper())))
    loaded = replace(cd(), source=OTHER.source)
    assert agent.engine.vm(VM).spec.vbd(cd().devid) == loaded
    assert host.vdis.datapaths == connected(loaded, AttachMode.RO)
    await agent.succeed(EjectVbd(VM, cd().devid))
    assert not host.vdis.datapaths


async def test_a_medium_that_does_not_fit_is_let_go(host: SimHost, agent: Agent) -> None:
    await started(agent, cd())
    host.world.faults.fail("change_medium")
    failed = await agent.do(InsertVbd(VM, cd().devid, OTHER.source))
    assert isinstance(failed.error, InternalError)
    assert not host.vdis.datapaths


async def test_the_limits_of_a_plugged_vdi_change_at_once(host: SimHost, agent: Agent) -> None:
    await started(agent, vdi_disk())
    await agent.succeed(LimitVbd(VM, XVDB, IoLimits(iops=100)))
    assert host.vdis.datapaths == connected(vdi_disk(iops=100))
    assert agent.engine.vm(VM).spec.vbd(XVDB) == vdi_disk(iops=100)
    host.world.faults.fail("limit")
    failed = await agent.do(LimitVbd(VM, XVDB, IoLimits()))
    assert failed.state is OperationState.FAILED
    assert host.vdis.datapaths == connected(vdi_disk(iops=100))
    assert agent.engine.vm(VM).spec.vbd(XVDB) == vdi_disk(iops=100)
    await agent.succeed(ShutdownVm(VM, hard=True))
    await agent.succeed(LimitVbd(VM, XVDB, IoLimits()))
    assert not host.vdis.datapaths
    await agent.succeed(StartVm(VM))
    assert host.vdis.datapaths == connected(vdi_disk())


async def test_only_vdis_can_be_limited(agent: Agent) -> None:
    with pytest.raises(InvalidValue, match="only a VDI"):
        await agent.engine.create_vm(spec(vbds=(replace(disk(), limits=IoLimits(iops=1)),)))
    await agent.engine.create_vm(spec(vbds=(disk(), replace(cd(), limits=IoLimits(iops=1)))))
    with pytest.raises(InvalidValue, match="only a VDI"):
        await agent.engine.submit(LimitVbd(VM, disk().devid, IoLimits(iops=1)))
    with pytest.raises(InvalidValue, match="only a VDI"):
        await agent.engine.submit(InsertVbd(VM, cd().devid, Source(SourceKind.FILE, "/srv/a.iso")))


@pytest.mark.parametrize("path", ["/dev/sda", "", "00000000-0000-0000-0000-00000000000g"])
async def test_a_vdi_is_named_by_its_uuid(agent: Agent, path: str) -> None:
    with pytest.raises(InvalidValue, match="UUID of a VDI"):
        await agent.engine.create_vm(spec(vbds=(replace(disk(), source=Source(SourceKind.VDI, path)),)))


async def test_no_client_connects_a_vbd_to_an_nbd_export(agent: Agent) -> None:
    uri = Source(SourceKind.NBD, "nbd+unix:///x?socket=/run/x")
    with pytest.raises(InvalidValue, match="NBD"):
        await agent.engine.create_vm(spec(vbds=(replace(disk(), source=uri),)))


# What an earlier agent left


async def test_the_vdis_of_a_running_vm_stay_over_a_restart(host: SimHost) -> None:
    agent = await host.start()
    await started(agent, vdi_disk(), cd())
    await agent.close()
    host.world.faults.record_calls = True
    agent = await host.start()
    await agent.settled(VM)
    assert host.vdis.datapaths == connected(vdi_disk())
    assert "disconnect" not in host.world.faults.calls
    await agent.succeed(UnplugVbd(VM, XVDB))
    assert not host.vdis.datapaths
    await agent.close()


async def test_datapaths_of_vms_that_are_halted_or_gone_are_let_go_at_start(host: SimHost) -> None:
    agent = await host.start()
    await agent.engine.create_vm(spec(vbds=(vdi_disk(),), vifs=(nic(),)))
    await agent.close()
    left = Connected(VdiId(OTHER.source.path), AttachMode.RO, IoLimits(), done=True)
    for name in (datapath_of(VM, XVDB), datapath_of(vm_id(9), XVDB), "copy/1", f"vbd/{VM}/a/b"):
        host.vdis.datapaths[name] = left
    agent = await host.start()
    await agent.settled(VM)
    assert set(host.vdis.datapaths) == {"copy/1", f"vbd/{VM}/a/b"}
    await agent.close()


async def test_a_running_vm_loses_only_the_datapaths_of_empty_places(host: SimHost) -> None:
    agent = await host.start()
    domid = await started(agent, vdi_disk(), disk("xvdd"))
    await agent.close()
    left = Connected(VdiId(OTHER.source.path), AttachMode.RO, IoLimits(), done=True)
    host.vdis.datapaths |= dict.fromkeys((datapath_of(VM, OTHER.devid), datapath_of(VM, cd().devid)), left)
    agent = await host.start()
    await agent.settled(VM)
    # Something is plugged as xvdd: whatever it is, nothing is taken away from under it.
    assert set(host.vdis.datapaths) == {datapath_of(VM, XVDB), datapath_of(VM, cd().devid)}
    assert agent.engine.vm(VM).status.domid == domid
    await agent.close()
