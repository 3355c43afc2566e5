"""Promises of the hypervisor port: devices. Each function is one, and its name says it."""

import asyncio
from dataclasses import replace

import pytest

from contract.ground import NIC0, XVDA, XVDB, XVDC, Ground, Heard
from xenhost.core.devices import DeviceClass, DeviceState, GuestIp, Source, SourceKind, Vbd
from xenhost.core.errors import (
    DeviceAttachFailed,
    DeviceDetachRejected,
    DeviceDetachTimeout,
    DomainBuildFailed,
    DomainGone,
    InvalidValue,
    XenhostError,
)
from xenhost.core.ids import DevId, DomId
from xenhost.core.ports.hypervisor import DomainEventKind
from xenhost.core.units import MIB
from xenhost.core.vm import FirmwareBoot, Memory, VmType

VBD, VIF = DeviceClass.VBD, DeviceClass.VIF


async def a_device_is_plugged_into_a_domain_that_is_not_even_built(g: Ground) -> None:
    domid = await g.hypervisor.create_domain(g.idle_spec())
    await g.hypervisor.plug_vbd(domid, g.disk())
    await g.hypervisor.plug_vif(domid, g.nic())
    assert {(each.cls, each.devid) for each in await g.hypervisor.devices(domid)} == {(VBD, XVDA), (VIF, NIC0)}


async def a_device_waits_attaching_until_the_guest_connects(g: Ground) -> None:
    vm = g.guest_spec()
    domid = await g.made(vm)
    await g.hypervisor.plug_vbd(domid, g.disk())
    status = await g.status(domid, VBD, XVDA)
    assert status is not None
    assert (status.state, status.source) == (DeviceState.ATTACHING, Source(SourceKind.FILE, g.file))
    await g.hypervisor.unpause_domain(domid)
    await g.in_state(domid, VBD, XVDA, DeviceState.ATTACHED)


async def plugging_twice_changes_nothing(g: Ground) -> None:
    domid = await g.made(g.idle_spec())
    for _ in range(2):
        await g.hypervisor.plug_vbd(domid, g.disk())
        await g.hypervisor.plug_vif(domid, g.nic())
    assert len(await g.hypervisor.devices(domid)) == 2


async def a_plugged_vif_can_be_changed_again_and_again(g: Ground) -> None:
    domid = await g.made(g.idle_spec())
    await g.hypervisor.plug_vif(domid, g.nic())
    changed = replace(g.nic(), rate_kbps=1000, ipv4=GuestIp("10.0.0.5/24", "10.0.0.1"))
    for _ in range(2):
        await g.hypervisor.update_vif(domid, changed)
    await g.hypervisor.plug_vif(domid, changed)  # it is what is plugged now
    assert len(await g.hypervisor.devices(domid)) == 1
    await g.hypervisor.update_vif(domid, g.nic())
    await g.hypervisor.plug_vif(domid, g.nic())


async def a_vif_that_cannot_be_changed_stays_as_it_was(g: Ground) -> None:
    domid = await g.made(g.idle_spec())
    await g.hypervisor.plug_vif(domid, g.nic())
    with pytest.raises(DeviceAttachFailed):
        await g.hypervisor.update_vif(domid, g.nic(bridge="nobridge"))
    with pytest.raises(InvalidValue):
        await g.hypervisor.update_vif(domid, replace(g.nic(), mac="00:16:3e:11:11:11"))
    await g.hypervisor.plug_vif(domid, g.nic())
    assert len(await g.hypervisor.devices(domid)) == 1


async def changing_a_vif_that_is_not_plugged_does_nothing(g: Ground) -> None:
    domid = await g.made(g.idle_spec())
    await g.hypervisor.update_vif(domid, g.nic())
    assert await g.hypervisor.devices(domid) == []
    with pytest.raises(DomainGone):
        await g.hypervisor.update_vif(DomId(32000), g.nic())


async def a_block_device_is_plugged_without_a_loop(g: Ground) -> None:
    domid = await g.made(g.idle_spec())
    block = Source(SourceKind.BLOCK, g.block)
    await g.hypervisor.plug_vbd(domid, Vbd(XVDA, block))
    status = await g.status(domid, VBD, XVDA)
    assert status is not None
    assert status.source == block


async def two_guests_write_to_one_disk_only_if_it_is_shared(g: Ground) -> None:
    first, second = await g.made(g.idle_spec()), await g.made(g.idle_spec())
    alone = Source(SourceKind.BLOCK, g.block)
    await g.hypervisor.plug_vbd(first, Vbd(XVDA, alone))
    with pytest.raises(DeviceAttachFailed) as caught:
        await g.hypervisor.plug_vbd(second, Vbd(XVDA, alone))
    assert f"in use by domain {first}" in caught.value.values["msg"]
    shared = Source(SourceKind.BLOCK, g.block, shared=True)
    await g.hypervisor.plug_vbd(second, Vbd(XVDA, shared))
    status = await g.status(second, VBD, XVDA)
    assert status is not None
    assert status.source == shared


async def a_disk_whose_path_does_not_exist_is_refused_and_leaves_nothing(g: Ground) -> None:
    domid = await g.made(g.idle_spec())
    for kind in (SourceKind.FILE, SourceKind.BLOCK):
        with pytest.raises(DeviceAttachFailed) as caught:
            await g.hypervisor.plug_vbd(domid, Vbd(XVDA, Source(kind, "/nonexistent/disk")))
        assert caught.value.values["device"] == "xvda"
        assert caught.value.values["msg"]
    assert list(await g.hypervisor.devices(domid)) == []
    assert await g.leaks() == []


async def a_file_is_no_block_device(g: Ground) -> None:
    domid = await g.made(g.idle_spec())
    with pytest.raises(DeviceAttachFailed):
        await g.hypervisor.plug_vbd(domid, Vbd(XVDA, Source(SourceKind.BLOCK, g.file)))
    assert list(await g.hypervisor.devices(domid)) == []


async def a_bridge_that_does_not_exist_is_refused_and_leaves_nothing(g: Ground) -> None:
    domid = await g.made(g.idle_spec())
    with pytest.raises(DeviceAttachFailed) as caught:
        await g.hypervisor.plug_vif(domid, g.nic(bridge="nobridge"))
    assert "nobridge" in caught.value.values["msg"]
    assert list(await g.hypervisor.devices(domid)) == []
    assert await g.leaks() == []


async def a_place_is_usable_after_a_refused_plug(g: Ground) -> None:
    domid = await g.made(g.idle_spec())
    with pytest.raises(DeviceAttachFailed):
        await g.hypervisor.plug_vif(domid, g.nic(bridge="nobridge"))
    with pytest.raises(DeviceAttachFailed):
        await g.hypervisor.plug_vbd(domid, Vbd(XVDA, Source(SourceKind.FILE, "/nonexistent/disk")))
    await g.hypervisor.plug_vif(domid, g.nic())
    await g.hypervisor.plug_vbd(domid, g.disk())
    assert len(await g.hypervisor.devices(domid)) == 2


async def a_plug_that_is_cancelled_anywhere_leaves_nothing_and_can_be_repeated(g: Ground) -> None:
    domid = await g.made(g.idle_spec())
    for steps in (0, 1, 2, 3, 5, 8, 13, 30, 60):
        task = asyncio.create_task(g.hypervisor.plug_vbd(domid, g.disk()))
        if await _cancelled(task, steps):
            assert await g.status(domid, VBD, XVDA) is None
        await g.hypervisor.plug_vbd(domid, g.disk())
        await g.hypervisor.unplug_vbd(domid, XVDA, True, g.patience)
        task = asyncio.create_task(g.hypervisor.plug_vif(domid, g.nic()))
        if await _cancelled(task, steps):
            assert await g.status(domid, VIF, NIC0) is None
        await g.hypervisor.plug_vif(domid, g.nic())
        await g.hypervisor.unplug_vif(domid, NIC0, True, g.patience)
    assert list(await g.hypervisor.devices(domid)) == []
    assert await g.leaks() == []


async def an_unplug_that_is_cancelled_anywhere_leaves_it_plugged_or_gone(g: Ground) -> None:
    domid = await g.made(g.idle_spec())
    for steps in (0, 1, 2, 3, 5, 8, 13, 30):
        await g.hypervisor.plug_vbd(domid, g.disk())
        await _cancelled(asyncio.create_task(g.hypervisor.unplug_vbd(domid, XVDA, True, g.patience)), steps)
        await g.hypervisor.unplug_vbd(domid, XVDA, True, g.patience)
        assert list(await g.hypervisor.devices(domid)) == []
    assert await g.leaks() == []


async def a_forced_unplug_does_not_ask_and_may_be_repeated(g: Ground) -> None:
    domid = await g.made(g.idle_spec())
    await g.hypervisor.plug_vbd(domid, g.disk())
    await g.hypervisor.plug_vif(domid, g.nic())
    for _ in range(2):
        await g.hypervisor.unplug_vbd(domid, XVDA, True, g.patience)
        await g.hypervisor.unplug_vif(domid, NIC0, True, g.patience)
    assert list(await g.hypervisor.devices(domid)) == []
    assert await g.leaks() == []


async def unplugging_from_a_domain_that_is_gone_does_nothing(g: Ground) -> None:
    for force in (False, True):
        await g.hypervisor.unplug_vbd(DomId(32000), XVDA, force, g.patience)
        await g.hypervisor.unplug_vif(DomId(32000), NIC0, force, g.patience)


async def devices_are_plugged_into_a_running_guest_and_unplugged_again_and_again_and_that_is_told(g: Ground) -> None:
    domid = await g.booted(g.guest_spec(), vbds=(g.disk(),))
    heard = Heard()
    listening = asyncio.create_task(heard.listen(g.hypervisor))
    await asyncio.sleep(0.05)
    heard.events.clear()
    for path in (g.other_file, g.image):
        await g.hypervisor.plug_vbd(domid, g.disk(XVDB, path))
        await g.hypervisor.plug_vif(domid, g.nic())
        await g.in_state(domid, VBD, XVDB, DeviceState.ATTACHED)
        await g.in_state(domid, VIF, NIC0, DeviceState.ATTACHED)
        await g.hypervisor.unplug_vbd(domid, XVDB, False, g.patience)
        await g.hypervisor.unplug_vif(domid, NIC0, False, g.patience)
        assert [(each.cls, each.devid) for each in await g.hypervisor.devices(domid)] == [(VBD, XVDA)]

    async def told() -> bool:
        return heard.has(DomainEventKind.CHANGED, domid)

    await g.eventually(told, "the change of a device is told")
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def a_guest_that_refuses_is_quoted_and_the_disk_stays_until_it_is_forced_out(g: Ground) -> None:
    domid = await g.booted(g.guest_spec(), vbds=(g.disk(),))
    await g.hand.hold_disk(domid, XVDA)
    with pytest.raises(DeviceDetachRejected) as caught:
        await g.hypervisor.unplug_vbd(domid, XVDA, False, g.patience)
    assert caught.value.values["msg"]
    assert caught.value.values["type"].upper() == "VBD"
    assert await g.status(domid, VBD, XVDA) is not None
    await g.hypervisor.unplug_vbd(domid, XVDA, True, g.patience)
    assert list(await g.hypervisor.devices(domid)) == []


async def a_paused_guest_does_not_release_a_device_in_time_and_it_stays(g: Ground) -> None:
    domid = await g.booted(g.guest_spec(), vbds=(g.disk(),), vifs=(g.nic(),))
    await g.hypervisor.pause_domain(domid)
    with pytest.raises(DeviceDetachTimeout):
        await g.hypervisor.unplug_vbd(domid, XVDA, False, g.short)
    with pytest.raises(DeviceDetachTimeout):
        await g.hypervisor.unplug_vif(domid, NIC0, False, g.short)
    assert len(await g.hypervisor.devices(domid)) == 2


async def a_medium_is_inserted_changed_and_ejected(g: Ground) -> None:
    domid = await g.made(g.idle_spec())
    await g.hypervisor.plug_vbd(domid, g.drive())
    for source in (
        Source(SourceKind.FILE, g.image),
        Source(SourceKind.FILE, g.image),
        Source(SourceKind.FILE, g.other_file),
        Source(SourceKind.EMPTY),
        Source(SourceKind.EMPTY),
    ):
        await g.hypervisor.change_medium(domid, g.drive(source))
        status = await g.status(domid, VBD, XVDC)
        assert status is not None
        assert status.source == source
    await g.hypervisor.destroy_domain(domid)
    assert await g.leaks() == []


async def a_medium_that_does_not_exist_leaves_the_drive_empty(g: Ground) -> None:
    domid = await g.made(g.idle_spec())
    await g.hypervisor.plug_vbd(domid, g.drive(Source(SourceKind.FILE, g.image)))
    with pytest.raises(DeviceAttachFailed):
        await g.hypervisor.change_medium(domid, g.drive(Source(SourceKind.FILE, "/nonexistent.iso")))
    status = await g.status(domid, VBD, XVDC)
    assert status is not None
    assert status.source == Source(SourceKind.EMPTY)


async def many_devices_are_plugged_at_once(g: Ground) -> None:
    domid = await g.made(g.idle_spec())
    await asyncio.gather(
        g.hypervisor.plug_vbd(domid, g.disk()),
        g.hypervisor.plug_vbd(domid, g.disk(XVDB, g.other_file)),
        g.hypervisor.plug_vbd(domid, g.drive()),
        *(g.hypervisor.plug_vif(domid, g.nic(DevId(index))) for index in range(4)),
    )
    assert len(await g.hypervisor.devices(domid)) == 7
    await g.hypervisor.destroy_domain(domid)
    assert await g.leaks() == []


async def devices_of_a_foreign_domain_are_left_alone(g: Ground) -> None:
    async with g.foreign() as foreign:
        with pytest.raises(XenhostError):
            await g.hypervisor.plug_vbd(foreign, g.disk())
        with pytest.raises(XenhostError):
            await g.hypervisor.plug_vif(foreign, g.nic())
        assert list(await g.hypervisor.devices(foreign)) == []


async def a_pvh_guest_is_given_no_virtual_function(g: Ground) -> None:
    domid = await g.hypervisor.create_domain(replace(g.idle_spec(), type=VmType.PVH), functions=True)
    with pytest.raises(DeviceAttachFailed, match="no PCI device to a PVH guest"):
        await g.hypervisor.plug_vif(domid, replace(g.nic(), function="0000:03:10.2"))
    assert list(await g.hypervisor.devices(domid)) == []
    assert list(await g.hypervisor.functions()) == []
    await g.hypervisor.destroy_domain(domid)


async def an_hvm_guest_that_starts_ballooned_is_not_made_for_virtual_functions(g: Ground) -> None:
    memory = Memory(64 * MIB, 32 * MIB, 32 * MIB)
    vm = replace(g.idle_spec(), type=VmType.HVM, boot=FirmwareBoot("c"), memory=memory)
    with pytest.raises(DomainBuildFailed, match="set dynamic-max to static-max"):
        await g.hypervisor.create_domain(vm, functions=True)
    assert not [domain for domain in await g.hypervisor.domains() if domain.vm == vm.id]


async def _cancelled(task: asyncio.Task[None], steps: int) -> bool:
    """Cancel it after so many turns of the loop; was that before its end?"""
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    (result,) = await asyncio.gather(task, return_exceptions=True)
    if isinstance(result, asyncio.CancelledError):
        return True
    if isinstance(result, BaseException):
        raise result
    return False


PROMISES = (
    a_device_is_plugged_into_a_domain_that_is_not_even_built,
    a_device_waits_attaching_until_the_guest_connects,
    plugging_twice_changes_nothing,
    a_plugged_vif_can_be_changed_again_and_again,
    a_vif_that_cannot_be_changed_stays_as_it_was,
    changing_a_vif_that_is_not_plugged_does_nothing,
    a_block_device_is_plugged_without_a_loop,
    two_guests_write_to_one_disk_only_if_it_is_shared,
    a_disk_whose_path_does_not_exist_is_refused_and_leaves_nothing,
    a_file_is_no_block_device,
    a_bridge_that_does_not_exist_is_refused_and_leaves_nothing,
    a_place_is_usable_after_a_refused_plug,
    a_plug_that_is_cancelled_anywhere_leaves_nothing_and_can_be_repeated,
    an_unplug_that_is_cancelled_anywhere_leaves_it_plugged_or_gone,
    a_forced_unplug_does_not_ask_and_may_be_repeated,
    unplugging_from_a_domain_that_is_gone_does_nothing,
    devices_are_plugged_into_a_running_guest_and_unplugged_again_and_again_and_that_is_told,
    a_guest_that_refuses_is_quoted_and_the_disk_stays_until_it_is_forced_out,
    a_paused_guest_does_not_release_a_device_in_time_and_it_stays,
    a_medium_is_inserted_changed_and_ejected,
    a_medium_that_does_not_exist_leaves_the_drive_empty,
    many_devices_are_plugged_at_once,
    devices_of_a_foreign_domain_are_left_alone,
    a_pvh_guest_is_given_no_virtual_function,
    an_hvm_guest_that_starts_ballooned_is_not_made_for_virtual_functions,
)
