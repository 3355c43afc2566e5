"""Xenctrl, the event channels and the domain helper against the hypervisor they are made for."""

import asyncio
import errno
import select
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from xenhost.native.domain_helper import (
    BuildRequest,
    BuildResult,
    Done,
    GuestKind,
    HelperFailure,
    HelperReader,
    Preload,
    Ready,
    Reply,
    encode,
    helper_path,
)
from xenhost.native.evtchn import EventChannelError, EventChannels
from xenhost.native.xen_types import (
    DomainConfig,
    E820Entry,
    E820Type,
    Emulation,
    SchedParams,
    Scheduler,
    ShutdownReason,
    Virq,
)
from xenhost.native.xenctrl import Xenctrl, XenctrlError

MIB = 1 << 20
TIMER_MODE = 10
"""HVM_PARAM_TIMER_MODE"""


@pytest.fixture
def xen() -> Iterator[Xenctrl]:
    with Xenctrl() as handle:
        before = {domain.domid for domain in handle.domains()}
        yield handle
        for domain in handle.domains():
            if domain.domid not in before:
                handle.destroy(domain.domid)


def config(kind: GuestKind = GuestKind.PV, vcpus: int = 1) -> DomainConfig:
    emulation = {GuestKind.PV: Emulation.NONE, GuestKind.PVH: Emulation.LAPIC, GuestKind.HVM: Emulation.FULL}
    virtual = kind is not GuestKind.PV
    return DomainConfig(uuid=uuid4(), max_vcpus=vcpus, hvm=virtual, hap=virtual, emulation=emulation[kind])


class Helper:
    """A running helper."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._reader = HelperReader()
        self._replies: list[Reply] = []

    async def reply(self) -> Reply:
        assert self.process.stdout is not None
        while not self._replies:
            data = await asyncio.wait_for(self.process.stdout.read(65536), 150)
            assert data, "the helper ended"
            self._replies += self._reader.feed(data)
        return self._replies.pop(0)

    async def run(self, request: BuildRequest | Preload) -> Reply:
        assert self.process.stdin is not None
        self.process.stdin.write(encode(request))
        while not isinstance(reply := await self.reply(), Done | BuildResult | HelperFailure):
            pass
        if isinstance(reply, BuildResult):
            assert await self.reply() == Done()  # the guest may run
        return reply


@asynccontextmanager
async def running_helper() -> AsyncIterator[Helper]:
    process = await asyncio.create_subprocess_exec(
        helper_path(), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        helper = Helper(process)
        assert await helper.reply() == Ready("4.17")
        yield helper
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def request(domid: int, guests: Path, kind: GuestKind = GuestKind.PV, vcpus: int = 1) -> BuildRequest:
    return BuildRequest(
        domid=domid,
        kind=kind,
        max_memory=128 * MIB,
        target_memory=128 * MIB,
        xen_max_memory=130 * MIB,
        vcpus=vcpus,
        kernel=str(guests / "vmlinux"),
        ramdisk=str(guests / "initrd.gz"),
        paging_pool=0 if kind is GuestKind.PV else 4 * MIB,
    )


def test_the_machine_is_described(xen: Xenctrl) -> None:
    version, info = xen.version(), xen.physinfo()
    assert (version.major, version.minor) >= (4, 17)
    assert "xen-3.0-x86_64" in version.capabilities
    assert "dom0_mem=" in version.command_line
    assert info.pv
    assert info.cpus >= 1
    assert info.cpu_khz > 100_000
    assert 0 < info.free_memory < info.total_memory
    assert [cpu.cpu for cpu in xen.cpu_topology()] == list(range(info.cpus))
    assert xen.numa_nodes()[0].total_memory > 0
    assert len(xen.cpu_idle_times()) == info.cpus
    assert xen.scheduler() in (Scheduler.CREDIT2, Scheduler.CREDIT)


def test_what_debug_keys_print_is_in_the_console_ring(xen: Xenctrl) -> None:
    xen.send_debug_keys("h")
    assert b"keypress" in xen.console_ring() or b"key '" in xen.console_ring()


def test_dom0_is_listed_and_a_domain_that_is_not_there_is_none(xen: Xenctrl) -> None:
    assert xen.domains()[0].domid == 0
    assert xen.domain(0) is not None
    assert xen.domain(0x7FEF) is None


def test_a_domain_can_be_made_changed_and_destroyed(xen: Xenctrl) -> None:
    wanted = config(vcpus=2)
    domid = xen.create_domain(wanted)
    info = xen.domain(domid)
    assert info is not None
    assert (info.uuid, info.paused, info.hvm, info.memory) == (wanted.uuid, True, False, 0)
    xen.set_max_vcpus(domid, 2)
    xen.set_max_memory(domid, 16 * MIB)
    renamed = UUID(int=wanted.uuid.int ^ 1)
    xen.set_handle(domid, renamed)
    info = xen.domain(domid)
    assert info is not None
    assert (info.uuid, info.max_vcpus, info.max_memory) == (renamed, 2, 16 * MIB)
    assert xen.alloc_unbound_port(domid) > 0
    xen.pause(domid)
    xen.unpause(domid)
    xen.destroy(domid)
    assert xen.domain(domid) is None


def test_a_domid_that_is_taken_is_refused(xen: Xenctrl) -> None:
    domid = xen.create_domain(config())
    with pytest.raises(XenctrlError, match="domctl:createdomain") as caught:
        xen.create_domain(replace(config(), domid=domid))
    assert caught.value.errno == errno.EEXIST


def test_calls_on_a_domain_that_is_gone_say_so(xen: Xenctrl) -> None:
    domid = xen.create_domain(config())
    xen.destroy(domid)
    calls = (
        lambda: xen.pause(domid),
        lambda: xen.destroy(domid),
        lambda: xen.set_max_memory(domid, MIB),
        lambda: xen.vcpu_info(domid, 0),
        lambda: xen.shutdown(domid, ShutdownReason.POWEROFF),
        lambda: xen.alloc_unbound_port(domid),
        lambda: xen.set_hvm_param(domid, TIMER_MODE, 1),
    )
    for call in calls:
        with pytest.raises(XenctrlError) as caught:
            call()
        assert caught.value.errno == errno.ESRCH


def test_vcpus_can_be_placed_and_weighed(xen: Xenctrl) -> None:
    domid = xen.create_domain(config(vcpus=2))
    xen.set_max_vcpus(domid, 2)
    every = frozenset(range(xen.physinfo().cpus))
    assert xen.affinity(domid, 1).hard == every
    xen.set_affinity(domid, 1, hard=[0])
    xen.set_affinity(domid, 0, soft=[0])
    assert xen.affinity(domid, 1).hard == {0}
    assert xen.affinity(domid, 0).hard == every
    with pytest.raises(XenctrlError) as caught:
        xen.set_affinity(domid, 1, hard=[])
    assert caught.value.errno == errno.EINVAL
    xen.set_sched_params(domid, SchedParams(weight=512, cap=50))
    assert xen.sched_params(domid) == SchedParams(weight=512, cap=50)
    assert xen.vcpu_info(domid, 0).cpu_time == 0
    with pytest.raises(XenctrlError):
        xen.vcpu_info(domid, 2)


def test_memory_can_be_claimed_and_given_back(xen: Xenctrl) -> None:
    domid = xen.create_domain(config())
    xen.set_max_memory(domid, 64 * MIB)
    xen.claim(domid, 32 * MIB)
    info = xen.domain(domid)
    assert info is not None
    assert info.outstanding_memory == 32 * MIB
    xen.claim(domid, 0)
    info = xen.domain(domid)
    assert info is not None
    assert info.outstanding_memory == 0
    xen.set_max_memory(domid, 1 << 40)
    with pytest.raises(XenctrlError, match="claim") as caught:
        xen.claim(domid, 1 << 39)
    assert caught.value.errno == errno.ENOMEM


def test_a_pvh_domain_has_parameters_a_paging_pool_and_a_memory_map(xen: Xenctrl) -> None:
    domid = xen.create_domain(config(GuestKind.PVH))
    info = xen.domain(domid)
    assert info is not None
    assert info.hvm
    assert info.hap
    assert info.emulation_flags == 1
    xen.set_max_vcpus(domid, 1)
    xen.set_hvm_param(domid, TIMER_MODE, 2)
    assert xen.hvm_param(domid, TIMER_MODE) == 2
    xen.set_paging_pool(domid, 8 * MIB)
    assert xen.paging_pool(domid) == 8 * MIB
    xen.set_memory_map(domid, [E820Entry(0, 64 * MIB, E820Type.RAM)])
    xen.set_time_offset(domid, 3600)
    xen.set_tsc_mode(domid, 1)


def test_an_event_is_waited_for_on_a_descriptor() -> None:
    with EventChannels() as channels:
        ours = channels.bind_unbound(0)
        theirs = channels.bind_interdomain(0, ours)
        while select.select([channels.fileno()], [], [], 0.1)[0]:  # connecting signals both ends once
            channels.unmask(channels.pending())
        channels.notify(theirs)
        assert select.select([channels.fileno()], [], [], 10)[0]
        assert channels.pending() == ours
        assert not select.select([channels.fileno()], [], [], 0)[0]
        channels.unmask(ours)
        channels.unbind(theirs)
        with pytest.raises(EventChannelError, match="evtchn:notify"):
            channels.notify(theirs)


def test_a_virtual_interrupt_can_be_bound_once_in_the_system() -> None:
    with EventChannels() as channels, EventChannels() as others:
        port = channels.bind_virq(Virq.ENOMEM)
        with pytest.raises(EventChannelError, match="evtchn:bind_virq") as caught:
            others.bind_virq(Virq.ENOMEM)
        assert caught.value.errno == errno.EEXIST
        channels.unbind(port)
        others.bind_virq(Virq.ENOMEM)


@pytest.mark.timeout(60)
async def test_the_helper_builds_pv_domains_one_after_the_other(xen: Xenctrl, guests: Path) -> None:
    async with running_helper() as helper:
        files = Preload(str(guests / "vmlinux"), str(guests / "initrd.gz"))
        assert await helper.run(files) == Done()
        for _ in range(3):
            domid = xen.create_domain(config(vcpus=2))
            result = await helper.run(request(domid, guests, vcpus=2))
            assert isinstance(result, BuildResult), result
            assert result.guest_os == "linux"
            assert result.store_port != result.console_port
            info = xen.domain(domid)
            assert info is not None
            assert info.paused
            assert info.max_vcpus == 2
            assert info.memory == 128 * MIB
            assert info.outstanding_memory == 0
            xen.destroy(domid)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("target", [128 * MIB, 64 * MIB])
async def test_the_helper_builds_pvh_domains_also_below_their_maximum(xen: Xenctrl, guests: Path, target: int) -> None:
    async with running_helper() as helper:
        domid = xen.create_domain(config(GuestKind.PVH, 2))
        wanted = replace(
            request(domid, guests, GuestKind.PVH, 2), target_memory=target, xen_max_memory=target + 2 * MIB
        )
        result = await helper.run(wanted)
        assert isinstance(result, BuildResult), result
        info = xen.domain(domid)
        assert info is not None
        assert target <= info.memory <= target + 2 * MIB
        if target < wanted.max_memory:
            assert xen.pod_target(domid).entries > 0


@pytest.mark.timeout(60)
async def test_a_failed_build_names_the_call_and_the_helper_builds_the_next(xen: Xenctrl, guests: Path) -> None:
    async with running_helper() as helper:
        domid = xen.create_domain(config())
        failed = await helper.run(replace(request(domid, guests), kernel="/nowhere/vmlinux"))
        assert failed == HelperFailure("failed", errno.ENOENT, "open:kernel", "")
        xen.destroy(domid)
        domid = xen.create_domain(config())
        failed = await helper.run(replace(request(domid, guests), kernel=str(guests / "initrd.gz")))
        assert isinstance(failed, HelperFailure)
        assert failed.call == "dom:parse_image"
        assert "loader" in failed.message
        xen.destroy(domid)
        domid = xen.create_domain(config())
        failed = await helper.run(replace(request(domid, guests), xen_max_memory=64 * MIB))
        assert isinstance(failed, HelperFailure)
        assert failed.call == "dom:populate_memory"
        xen.destroy(domid)
        gone = await helper.run(request(domid, guests))
        assert isinstance(gone, HelperFailure)
        assert (gone.errno, gone.call) == (errno.ESRCH, "domctl:max_vcpus")
        domid = xen.create_domain(config())
        assert isinstance(await helper.run(request(domid, guests)), BuildResult)


@pytest.mark.timeout(60)
async def test_a_helper_killed_in_the_middle_of_a_build_leaves_a_domain_that_can_be_destroyed(
    xen: Xenctrl, guests: Path
) -> None:
    for delay in (0.0, 0.02, 0.05, 0.1):
        async with running_helper() as helper:
            domid = xen.create_domain(config())
            assert helper.process.stdin is not None
            helper.process.stdin.write(encode(request(domid, guests)))
            await asyncio.sleep(delay)
            helper.process.kill()
            await helper.process.wait()
            xen.destroy(domid)
            assert xen.domain(domid) is None
