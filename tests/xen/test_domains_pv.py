"""PV domains of the Xen driver beyond the contract suite: what Debian's own tools see, and what a crash leaves."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from xen.xen_host import made, opened, opened_alone, read_until, run, tty_of
from xenhost.core.errors import DomainBuildFailed, DomainExists
from xenhost.core.ids import DomId, VmId
from xenhost.core.ports.hypervisor import DomainEventKind, Hypervisor
from xenhost.core.units import MIB
from xenhost.core.vm import DirectBoot, Memory, ShutdownReason, Vcpus, VmSpec, VmType
from xenhost.drivers.xen import paths
from xenhost.native.xen_types import SchedParams
from xenhost.native.xenctrl import Xenctrl
from xenhost.native.xenstore import RELEASE_DOMAIN, Xenstore

HELPER = "xh-domain-helper"


@pytest.fixture
async def hv(tmp_path: Path) -> AsyncIterator[Hypervisor]:
    async with opened_alone(tmp_path) as hypervisor:
        yield hypervisor


@pytest.fixture
def vm(guests: Path) -> VmSpec:
    return VmSpec(
        id=VmId(str(uuid4())),
        name="web-1",
        type=VmType.PV,
        boot=DirectBoot(str(guests / "vmlinux"), str(guests / "initrd.gz"), "console=hvc0 quiet"),
        memory=Memory(128 * MIB, 128 * MIB, 128 * MIB),
        xenstore_data={"vm-data/role": "web"},
    )


def another(vm: VmSpec, name: str = "web-2") -> VmSpec:
    return replace(vm, id=VmId(str(uuid4())), name=name)


async def test_a_guest_lives_from_its_creation_to_its_clean_shutdown_and_leaves_nothing(
    hv: Hypervisor, vm: VmSpec
) -> None:
    async with Xenstore() as xs:
        # what a first domain leaves for all others is there already
        await hv.destroy_domain(await made(hv, another(vm)))
        before = set(await xs.read_tree("/"))
        events = hv.events()
        domid = await made(hv, vm)
        await hv.unpause_domain(domid)
        await read_until(await tty_of(hv, domid), b"GUESTUP")
        await hv.request_shutdown(domid, ShutdownReason.POWEROFF, 120)
        kinds = []
        async with asyncio.timeout(150):
            async for event in events:
                if event.domid == domid and event.kind is not DomainEventKind.CHANGED:
                    kinds.append((event.kind, event.reason))
                if event.kind is DomainEventKind.STOPPED:
                    break
        assert kinds == [(DomainEventKind.APPEARED, None), (DomainEventKind.STOPPED, ShutdownReason.POWEROFF)]
        await hv.destroy_domain(domid)
        assert await hv.domain(domid) is None
        left = set(await xs.read_tree("/")) - before
        assert {path for path in left if not path.startswith("/tool/")} == set()


async def test_xl_sees_the_domain_by_name_and_finds_its_console(hv: Hypervisor, vm: VmSpec) -> None:
    domid = await made(hv, vm)
    listed = [line.split() for line in (await run("xl", "list")).splitlines()]
    assert ["web-1", str(domid)] in [line[:2] for line in listed]
    assert vm.id in await run("xl", "list", "--verbose")
    assert int(await run("xl", "domid", "web-1")) == domid
    tty = await tty_of(hv, domid)
    assert os.path.exists(tty)
    assert await run("xenstore-read", f"/local/domain/{domid}/console/tty") == f"{tty}\n"


async def test_the_guest_finds_what_its_owner_gave_it(hv: Hypervisor, vm: VmSpec) -> None:
    wanted = replace(
        vm,
        vcpus=Vcpus(maximum=2, at_startup=1, weight=512, cap=50, affinity=((1,),)),
        memory=Memory(192 * MIB, 128 * MIB, 96 * MIB),
    )
    domid = await made(hv, wanted)
    async with Xenstore() as xs:
        home = paths.home(domid)
        values = await xs.read_many(
            [f"{home}/{key}" for key in ("vm-data/role", "cpu/1/availability", "memory/static-max", "memory/target")]
        )
        assert values == [b"web", b"offline", b"196608", b"131072"]
    with Xenctrl() as xen:
        assert xen.sched_params(domid) == SchedParams(weight=512, cap=50)
        assert xen.affinity(domid, 0).hard == {1}
        assert xen.affinity(domid, 1).hard >= {0, 1}
        info = xen.domain(domid)
        assert info is not None
        assert info.max_memory == 129 * MIB
        assert info.memory <= 128 * MIB


async def test_a_helper_that_is_killed_in_the_middle_of_a_build_costs_that_build_only(
    hv: Hypervisor, vm: VmSpec
) -> None:
    domid = await hv.create_domain(vm)
    building = asyncio.create_task(hv.build_domain(domid, vm))
    async with Xenstore() as xs, asyncio.timeout(150):
        while await xs.read(paths.record_stage(domid)) == b"created":
            await asyncio.sleep(0)
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and (process / "comm").read_text().strip() == HELPER[:15]:
            os.kill(int(process.name), signal.SIGKILL)
    with pytest.raises(DomainBuildFailed, match="SIGKILL"):
        await building
    with pytest.raises(DomainBuildFailed, match="cut short"):
        await hv.build_domain(domid, vm)
    await hv.destroy_domain(domid)
    assert (await made(hv, vm)) != domid


async def test_eight_domains_are_made_and_ended_at_once(hv: Hypervisor, vm: VmSpec) -> None:
    specs = [replace(another(vm, f"vm-{number}"), memory=Memory(96 * MIB, 96 * MIB, 96 * MIB)) for number in range(8)]
    domids = await asyncio.gather(*(made(hv, spec) for spec in specs))
    assert len(set(domids)) == 8
    assert {domain.vm for domain in await hv.domains() if domain.built} == {spec.id for spec in specs}
    await asyncio.gather(*(hv.destroy_domain(domid) for domid in domids))
    assert [domain for domain in await hv.domains() if domain.managed] == []


async def test_a_domain_of_xl_that_dies_is_told_and_ours_are_untouched(
    hv: Hypervisor, vm: VmSpec, tmp_path: Path, guests: Path
) -> None:
    ours = await made(hv, vm)
    events = hv.events()
    config = tmp_path / "theirs.cfg"
    config.write_text(f'name = "theirs"\nkernel = "{guests / "vmlinux"}"\nmemory = 96\ntype = "pv"\n')
    await run("xl", "create", "-p", str(config))
    theirs = DomId(int(await run("xl", "domid", "theirs")))
    found = await hv.domain(theirs)
    assert found is not None
    assert (found.managed, found.name) == (False, "theirs")
    with pytest.raises(DomainExists):
        await hv.build_domain(theirs, vm)
    waiting = asyncio.create_task(hv.wait_stopped(theirs))
    await run("xl", "destroy", "theirs")
    assert await asyncio.wait_for(waiting, 150) is None
    kinds = set()
    async with asyncio.timeout(150):
        async for event in events:
            if event.domid == theirs:
                kinds.add(event.kind)
            if event.kind is DomainEventKind.GONE:
                break
    assert kinds >= {DomainEventKind.APPEARED, DomainEventKind.GONE}
    assert await hv.domain(ours) is not None


async def test_what_xl_destroys_of_ours_is_cleaned_up_behind_it(hv: Hypervisor, vm: VmSpec, tmp_path: Path) -> None:
    domid = await made(hv, vm)
    waiting = asyncio.create_task(hv.wait_stopped(domid))
    await run("xl", "destroy", str(domid))
    assert await asyncio.wait_for(waiting, 150) is None
    async with Xenstore() as xs:
        assert await xs.exists(paths.record(domid))
        # by the verb, or by the next agent at its start
        async with opened(tmp_path):
            assert not await xs.exists(paths.record(domid))
    await hv.destroy_domain(domid)
    assert await made(hv, vm) != domid


async def test_the_watches_fire_for_a_domain_that_was_never_introduced_too(hv: Hypervisor, vm: VmSpec) -> None:
    """Xenstored tells nothing of those: the driver does, for its own."""
    async with Xenstore() as xs, xs.watch(RELEASE_DOMAIN):
        events = hv.events()
        domid = await hv.create_domain(vm)
        await hv.destroy_domain(domid)
        async with asyncio.timeout(150):
            told = [(await anext(events)).kind for _ in range(2)]
        assert told == [DomainEventKind.APPEARED, DomainEventKind.GONE]
