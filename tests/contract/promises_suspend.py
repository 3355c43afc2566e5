"""Promises of the hypervisor port: guests that suspend. Each function is one, and its name says it."""

import asyncio
import os
import tempfile
from typing import IO

import pytest

from contract.ground import XVDA, Ground
from xenhost.core.devices import DeviceClass, DeviceState
from xenhost.core.errors import DomainBuildFailed, InternalError
from xenhost.core.ids import DomId
from xenhost.core.suspend import image_size
from xenhost.core.vm import ShutdownReason, VmSpec


async def a_guest_that_was_saved_goes_on_in_another_domain_with_its_devices(g: Ground) -> None:
    vm = g.guest_spec()
    domid = await g.booted(vm, vbds=(g.disk(),), vifs=(g.nic(),))
    with tempfile.TemporaryFile() as image:
        await _suspended(g, domid)
        told = await _saved(g, domid, image)
        assert told == sorted(told)
        assert 0 < image.seek(0, 2) <= image_size(vm.memory.static_max)
        await g.hypervisor.destroy_domain(domid)
        assert await g.leaks() == []
        other = await _restored(g, vm, image)
    assert other != domid
    await g.hypervisor.plug_vbd(other, g.disk())
    await g.hypervisor.plug_vif(other, g.nic())
    await g.hypervisor.unpause_domain(other)
    await g.in_state(other, DeviceClass.VBD, XVDA, DeviceState.ATTACHED)
    await g.hypervisor.request_shutdown(other, ShutdownReason.POWEROFF, g.patience)
    assert await asyncio.wait_for(g.hypervisor.wait_stopped(other), g.patience) is ShutdownReason.POWEROFF


async def a_suspended_guest_goes_on_in_its_domain_and_can_suspend_again(g: Ground) -> None:
    domid = await g.booted(g.guest_spec(), vbds=(g.disk(),))
    for _ in range(2):
        await _suspended(g, domid)
        for _ in range(2):
            await g.hypervisor.resume_domain(domid)
        domain = await g.hypervisor.domain(domid)
        assert domain is not None
        assert domain.shutdown is None
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(g.short):
                await g.hypervisor.wait_stopped(domid)
    await g.in_state(domid, DeviceClass.VBD, XVDA, DeviceState.ATTACHED)


async def a_guest_that_runs_is_not_saved(g: Ground) -> None:
    domid = await g.booted(g.simple_spec())
    with tempfile.TemporaryFile() as image:
        with pytest.raises(InternalError):
            await _saved(g, domid, image)
        assert image.seek(0, 2) == 0


async def a_save_that_fails_or_is_cancelled_leaves_the_guest_to_be_saved_or_resumed(g: Ground) -> None:
    domid = await g.booted(g.guest_spec())
    await _suspended(g, domid)
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(InternalError):
            await g.hypervisor.save_domain(domid, full, lambda percent: None)
    finally:
        os.close(full)
    with tempfile.TemporaryFile() as image:
        saving = asyncio.ensure_future(_saved(g, domid, image))
        await asyncio.sleep(0.01)
        saving.cancel()
        await asyncio.wait([saving])
        image.seek(0)
        image.truncate()
        await _saved(g, domid, image)
    await g.hypervisor.resume_domain(domid)
    await g.hypervisor.request_shutdown(domid, ShutdownReason.POWEROFF, g.patience)
    assert await asyncio.wait_for(g.hypervisor.wait_stopped(domid), g.patience) is ShutdownReason.POWEROFF


async def what_is_no_image_is_not_restored(g: Ground) -> None:
    vm = g.idle_spec()
    domid = await g.hypervisor.create_domain(vm)
    with tempfile.TemporaryFile() as image:
        image.write(b"no image at all" * 4096)
        image.seek(0)
        with pytest.raises(DomainBuildFailed):
            await g.hypervisor.restore_domain(domid, vm, image.fileno(), lambda percent: None)
    domain = await g.hypervisor.domain(domid)
    assert domain is not None
    assert not domain.built
    await g.hypervisor.destroy_domain(domid)
    assert await g.leaks() == []


PROMISES = (
    a_guest_that_was_saved_goes_on_in_another_domain_with_its_devices,
    a_suspended_guest_goes_on_in_its_domain_and_can_suspend_again,
    a_guest_that_runs_is_not_saved,
    a_save_that_fails_or_is_cancelled_leaves_the_guest_to_be_saved_or_resumed,
    what_is_no_image_is_not_restored,
)


async def _suspended(g: Ground, domid: DomId) -> None:
    await g.hypervisor.request_shutdown(domid, ShutdownReason.SUSPEND, g.patience)
    assert await asyncio.wait_for(g.hypervisor.wait_stopped(domid), g.patience) is ShutdownReason.SUSPEND


async def _saved(g: Ground, domid: DomId, image: IO[bytes]) -> list[int]:
    told: list[int] = []
    await g.hypervisor.save_domain(domid, image.fileno(), told.append)
    return told


async def _restored(g: Ground, vm: VmSpec, image: IO[bytes]) -> DomId:
    domid = await g.hypervisor.create_domain(vm)
    image.seek(0)
    await g.hypervisor.restore_domain(domid, vm, image.fileno(), lambda percent: None)
    return domid
