"""A VDI as a block device of dom0: what is beneath it changes, dies and grows, and not a byte is wrong."""

import asyncio
import fcntl
import os
import signal
import struct
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bare.datapath_host import BLOCK, FREE, RW, VDI, Guest, Host, new_host
from kit.images import MIB, check, make_image
from xenhost.core.storage import AttachMode, IoLimits, VdiId
from xenhost.core.storage_errors import SrBackendFailure
from xenhost.sm.datapath import nbd_kernel
from xenhost.sm.datapath.port import Layer

BLKGETSIZE64 = 0x80081272


def size_of(device: Path) -> int:
    with device.open("rb") as file:
        return int(struct.unpack("Q", fcntl.ioctl(file, BLKGETSIZE64, bytes(8)))[0])


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    async with new_host() as host:
        yield host


@pytest.mark.xen_core
async def test_snapshots_and_merges_under_a_guest_that_writes_lose_nothing(host: Host) -> None:
    folder = host.folder
    base = make_image(folder / "base.qcow2")
    device = await host.attach(base)
    guest = Guest(device).start()
    layers = [base]
    for name in ("one", "two", "three"):
        await guest.progress()
        overlay = make_image(folder / f"{name}.qcow2", backing=Path(layers[0].path))
        await host.images.snapshot(VDI, overlay)
        layers.insert(0, overlay)
    three, two, one, base = layers
    await guest.progress()
    await host.images.commit(VDI, two.path, one.path, 0, lambda done: None)
    await guest.progress()
    await host.images.commit(VDI, three.path, one.path, 0, lambda done: None)
    await guest.progress()
    await host.images.commit(VDI, one.path, base.path, 0, lambda done: None)
    await guest.progress()
    await guest.stop()
    guest.verify()
    chain = host.images.chain(VDI)
    assert chain is not None
    assert chain.layers == (base,)
    print(f"{guest.count} writes, the slowest took {guest.slowest:.3f} s")
    guest.close()
    await host.end()
    check(base.path)
    again = Guest(await host.attach(base))
    again.written = guest.written
    again.verify()
    again.close()


async def test_a_new_agent_finds_the_device_while_the_guest_goes_on(host: Host) -> None:
    leaf = make_image(host.folder / "leaf.qcow2")
    device = await host.attach(leaf)
    guest = Guest(device).start()
    await host.restart()
    await guest.progress()
    assert (await host.images.find())[VDI].layers == (leaf,)
    assert await host.attach(leaf) == device
    await guest.progress()
    await guest.stop()
    guest.verify()
    guest.close()


async def test_a_guest_sees_errors_when_its_server_was_killed_and_what_it_had_flushed_is_there(host: Host) -> None:
    leaf = make_image(host.folder / "leaf.qcow2")
    device = await host.attach(leaf)
    first = Guest(device).start()
    await first.progress()
    await first.stop()
    first.flush()
    first.close()
    second = Guest(device, start=64).start()  # it writes and never flushes
    await second.progress()
    os.kill(host.pid(), signal.SIGKILL)
    await asyncio.wait_for(host.lost.wait(), 10)
    assert host.images.chain(VDI) is None
    await host.blocks.disconnect(VDI)
    await second.stop()
    assert second.errors
    again = await host.attach(leaf)
    assert again != device  # the other one is still in somebody's hands
    second.close()
    third = Guest(again)
    third.written = {block: number for block, number in first.written.items() if block not in second.written}
    assert third.written
    third.verify()
    third.close()


async def test_a_device_is_not_connected_to_another_server_than_its_first(host: Host) -> None:
    leaf = make_image(host.folder / "leaf.qcow2")
    device = await host.attach(leaf)
    guest = Guest(device).start()
    await guest.progress()
    os.kill(host.pid(), signal.SIGKILL)
    await asyncio.wait_for(host.lost.wait(), 10)
    again = await host.attach(leaf)
    assert again != device
    await guest.stop()
    assert guest.errors
    guest.close()


@pytest.mark.xen_core
async def test_a_resized_vdi_is_a_bigger_device_under_a_guest_that_writes(host: Host) -> None:
    leaf = make_image(host.folder / "leaf.qcow2", 64 * MIB)
    device = await host.attach(leaf)
    guest = Guest(device).start()
    await guest.progress()
    await host.images.resize(VDI, 96 * MIB)
    await host.blocks.resized(VDI, 96 * MIB)
    assert size_of(device) == 96 * MIB
    await guest.progress()
    await guest.stop()
    guest.verify()
    print(f"the slowest write took {guest.slowest:.1f} s")
    guest.close()


async def test_a_resize_that_fails_does_not_cut_the_guest_off(host: Host) -> None:
    with (host.folder / "image.raw").open("wb") as file:
        file.truncate(16 * MIB)
    subprocess.run(["losetup", "/dev/loop6", host.folder / "image.raw"], check=True)
    try:
        guest = Guest(await host.attach(Layer("/dev/loop6", "raw"))).start()
        await guest.progress()
        with pytest.raises(SrBackendFailure):
            await host.images.resize(VDI, 32 * MIB)  # the device below cannot grow
        await guest.progress()
        await guest.stop()
        guest.verify()
        guest.close()
        await host.end()
    finally:
        subprocess.run(["losetup", "-d", "/dev/loop6"], check=True)


async def test_limits_hold_on_the_device(host: Host) -> None:
    leaf = make_image(host.folder / "leaf.qcow2")
    limit = 2 * BLOCK  # far below what even a busy bed can do
    device = await host.attach(leaf, limits=IoLimits(bytes_per_second=limit))
    guest = Guest(device).start()
    await guest.until(2)  # past the burst
    before, began = guest.count, time.monotonic()
    await asyncio.sleep(5.0)
    rate = (guest.count - before) * BLOCK / (time.monotonic() - began)
    await host.images.throttle(VDI, FREE)
    before, began = guest.count, time.monotonic()
    await guest.until(before + 20)
    free = (guest.count - before) * BLOCK / (time.monotonic() - began)
    await guest.stop()
    guest.close()
    print(f"limited {rate / MIB:.2f} MiB/s, free {free / MIB:.1f} MiB/s")
    assert 0.4 * limit < rate < 1.5 * limit
    assert free > 2 * rate


async def test_a_read_only_device_is_not_made_writable_under_its_users(host: Host) -> None:
    leaf = make_image(host.folder / "leaf.qcow2")
    source = await host.blocks.connect(VDI, await host.images.open(VDI, [leaf], AttachMode.RO, FREE))
    guest = Guest(Path(source.path)).start()
    await guest.stop()
    assert guest.errors
    guest.close()
    backends = await host.images.open(VDI, [leaf], RW, FREE)
    with pytest.raises(SrBackendFailure, match="another mode"):
        await host.blocks.connect(VDI, backends)
    await host.blocks.disconnect(VDI)
    assert (await host.blocks.connect(VDI, backends)).path


async def test_a_device_is_never_taken_for_another_vdi(host: Host) -> None:
    await host.attach(make_image(host.folder / "leaf.qcow2"))
    (device,) = nbd_kernel.devices(VDI)
    other = VdiId("00000000-6c5c-4b53-8a59-0d6b2d0f1c55")
    with pytest.raises(OSError, match="Invalid argument"):
        nbd_kernel.disconnect(replace(device, vdi=other))
    assert nbd_kernel.devices(VDI) == [device]
    assert nbd_kernel.devices(other) == []
