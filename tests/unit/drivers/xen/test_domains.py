"""Domains made and ended, on a stock xenstored and a make-believe Xen; killed at every step of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from unit.drivers.xen.conftest import RealClock, spec
from unit.drivers.xen.machine import FakeDomain, Killed, Life, Machine
from xenhost.core.errors import DomainExists, DomainGone, HostNotEnoughFreeMemory
from xenhost.core.ids import DomId, VmId
from xenhost.core.vm import VmSpec, VmType
from xenhost.drivers.xen import paths, tree
from xenhost.drivers.xen.build import Firmware
from xenhost.drivers.xen.domain import Domains, domain_config
from xenhost.drivers.xen.helper import Helpers
from xenhost.drivers.xen.hypercalls import Hypercalls
from xenhost.drivers.xen.record import Record, Stage, read_record
from xenhost.native.xen_types import Emulation
from xenhost.native.xenstore import Xenstore
from xenhost.native.xenstore_proto import Result
from xenhost.native.xs_wire import Op, Request


class MortalXenstore(Xenstore):
    """A client whose process may be killed between any two requests, also of one burst."""

    def __init__(self, address: str, life: Life) -> None:
        super().__init__(address)
        self._life = life

    async def run(self, requests: Sequence[Request], ref: object = None) -> list[Result]:
        results: list[Result] = []
        for request in requests:
            self._life.step()
            results += await super().run([request])
        return results

    async def run_paths(self, op: Op, paths: Sequence[str], ref: object = None) -> list[Result]:
        results: list[Result] = []
        for path in paths:
            self._life.step()
            results += await super().run_paths(op, [path])
        return results


@asynccontextmanager
async def opened(xs: Xenstore, machine: Machine) -> AsyncIterator[Domains]:
    xen = Hypercalls(machine.connect)
    await xen.open()
    domains = Domains(xs, xen, Helpers(Path("/nonexistent"), 1), Firmware(), RealClock())
    try:
        await domains.open()
        yield domains
    finally:
        await xen.close()


async def made(xs: Xenstore, machine: Machine, vm: VmSpec) -> DomId:
    async with opened(xs, machine) as domains:
        domid, new = await domains.create(vm)
        assert new
        return domid


async def swept(xs: Xenstore, domains: Domains) -> None:
    """What the backend does at its start."""
    for record in await domains.left_over():
        await domains.kill(record.domid)
        await domains.forget(record.domid, record.vm)


async def test_a_new_domain_is_ours_paused_and_not_built(xs: Xenstore, machine: Machine) -> None:
    vm = spec()
    async with opened(xs, machine) as domains:
        domid, _ = await domains.create(vm)
        domain = await domains.domain(domid)
        assert domain is not None
        assert (domain.vm, domain.managed, domain.built, domain.paused) == (vm.id, True, False, True)
        assert await domains.domains() == [domain]
        assert await domains.create(vm) == (domid, False)
        assert machine.calls == ["create"]


async def test_making_a_domain_again_leaves_what_was_plugged_meanwhile(xs: Xenstore, machine: Machine) -> None:
    vm = spec()
    async with opened(xs, machine) as domains:
        domid, _ = await domains.create(vm)
        frontend = f"{paths.home(domid)}/device/vbd/51712/state"
        await xs.write(frontend, "1")
        assert await domains.create(vm) == (domid, False)
        assert await xs.read(frontend) == b"1"


async def test_an_id_that_somebody_else_takes_first_is_left_to_them(xs: Xenstore, machine: Machine) -> None:
    async with opened(xs, machine) as domains:
        real = machine.domains
        # it comes between our look at the list and our hypercall
        machine.domains = Late(real, {1: FakeDomain(b"x" * 16)})
        domid, _ = await domains.create(spec())
        assert domid == 2
        assert await read_record(xs, DomId(1)) is None


class Late(dict[int, FakeDomain]):
    """Domains of which some are listed by nobody yet."""

    def __init__(self, listed: dict[int, FakeDomain], late: dict[int, FakeDomain]) -> None:
        super().__init__(listed)
        self._late = late

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or key in self._late


async def test_ids_are_not_used_again_soon_not_even_by_the_next_agent(xs: Xenstore, machine: Machine) -> None:
    ids = []
    for _ in range(3):
        vm = spec()
        domid = await made(xs, machine, vm)
        ids.append(domid)
        async with opened(xs, machine) as domains:
            await domains.kill(domid)
            await domains.forget(domid, vm.id)
    assert ids == [1, 2, 3]


async def test_many_domains_made_at_once_get_an_id_each(xs: Xenstore, machine: Machine) -> None:
    async with opened(xs, machine) as domains:
        found = await asyncio.gather(*(domains.create(spec()) for _ in range(20)))
    assert len({domid for domid, _ in found}) == 20
    assert len(machine.domains) == 21


async def test_a_foreign_domain_with_the_handle_is_refused_and_left_alone(xs: Xenstore, machine: Machine) -> None:
    vm = spec()
    machine.domains[3] = FakeDomain(bytes.fromhex(vm.id.replace("-", "")))
    async with opened(xs, machine) as domains:
        with pytest.raises(DomainExists) as caught:
            await domains.create(vm)
        assert caught.value.values == {"vm": vm.id, "domid": "3"}
        with pytest.raises(DomainExists):
            await domains.owned(DomId(3))


async def test_a_host_without_memory_makes_no_domain(xs: Xenstore, machine: Machine) -> None:
    machine.free_pages = 1000
    async with opened(xs, machine) as domains:
        with pytest.raises(HostNotEnoughFreeMemory):
            await domains.create(spec())
    assert machine.calls == []


async def test_a_domain_whose_predecessor_is_still_dying_is_made(xs: Xenstore, machine: Machine) -> None:
    vm = spec()
    domid = await made(xs, machine, vm)
    machine.zombies = True
    async with opened(xs, machine) as domains:
        await domains.kill(domid)
        with pytest.raises(DomainGone):
            await domains.owned(domid)
        second, new = await domains.create(vm)
        assert new
        assert second != domid


async def test_killed_at_any_step_of_making_there_is_nothing_or_a_domain_of_ours(
    address: str, xs: Xenstore, machine: Machine
) -> None:
    before = await _empty_host(xs, machine)
    for steps in range(10_000):
        vm, life = spec(), Life(steps)
        machine.life = life
        await _killed(address, machine, life, partial(Domains.create, vm=vm))
        machine.life = None
        async with opened(xs, machine) as domains:
            await swept(xs, domains)
            found = await domains.domains()
            assert [(one.vm, one.managed, one.built) for one in found] in ([], [(vm.id, True, False)])
            domid, _ = await domains.create(vm)  # a repeated request succeeds
            assert await xs.exists(f"{paths.home(domid)}/name")
            await domains.kill(domid)
            await domains.forget(domid, vm.id)
            await swept(xs, domains)
        assert await _nodes(xs) == before, f"killed after {steps} steps"
        assert list(machine.domains) == [0]
        if life.survived:
            assert steps > 20
            return
    raise AssertionError("it never ended")


async def test_killed_at_any_step_of_ending_the_next_start_completes_it(
    address: str, xs: Xenstore, machine: Machine
) -> None:
    before = await _empty_host(xs, machine)
    for steps in range(10_000):
        vm, life = spec(VmType.HVM), Life(steps)
        domid = await made(xs, machine, vm)
        await xs.apply(tree.guest_tree(domid, vm))
        machine.life = life
        await _killed(address, machine, life, partial(_end, domid=domid, vm=vm.id))
        machine.life = None
        async with opened(xs, machine) as domains:
            for domain in await domains.domains():
                assert domain.managed
                await _end(domains, domain.domid, domain.vm)
            await swept(xs, domains)
        assert await _nodes(xs) == before, f"killed after {steps} steps"
        if life.survived:
            return
    raise AssertionError("it never ended")


async def test_a_dead_domain_that_somebody_holds_is_not_waited_for_for_ever(xs: Xenstore, machine: Machine) -> None:
    domid = await made(xs, machine, spec())
    machine.zombies = True
    async with opened(xs, machine) as domains:
        await domains.kill(domid)
        assert not await domains.vanished(domid)
        del machine.domains[domid]
        assert await domains.vanished(domid)


async def _end(domains: Domains, domid: DomId, vm: VmId) -> None:
    await domains.kill(domid)
    await domains.forget(domid, vm)


async def _killed(address: str, machine: Machine, life: Life, work: Callable[[Domains], Awaitable[object]]) -> None:
    """Do it in a process that is killed when its life is over."""
    steps, life.steps = life.steps, 1 << 30  # it opens alive
    async with MortalXenstore(address, life) as mortal, opened(mortal, machine) as domains:
        life.steps = steps
        try:
            await work(domains)
        except Killed:
            return


async def _empty_host(xs: Xenstore, machine: Machine) -> set[str]:
    """Every node there is once a domain has come and gone: directories that all domains share stay."""
    vm = spec(VmType.HVM)
    domid = await made(xs, machine, vm)
    async with opened(xs, machine) as domains:
        await _end(domains, domid, vm.id)
    return await _nodes(xs)


async def _nodes(xs: Xenstore) -> set[str]:
    return set(await xs.read_tree("/"))


async def test_a_stale_record_of_an_id_that_others_use_now_makes_nothing_ours(xs: Xenstore, machine: Machine) -> None:
    vm = spec()
    domid = await made(xs, machine, vm)
    machine.domains[domid] = FakeDomain(b"y" * 16)
    async with opened(xs, machine) as domains:
        assert [domain.managed for domain in await domains.domains()] == [False]
        with pytest.raises(DomainExists):
            await domains.owned(domid)
        other, _ = await domains.create(vm)
        assert other != domid


@pytest.mark.parametrize(
    ("vm_type", "hvm", "emulation"),
    [(VmType.PV, False, Emulation.NONE), (VmType.PVH, True, Emulation.LAPIC), (VmType.HVM, True, Emulation.FULL)],
)
def test_what_xen_is_told_follows_the_type(vm_type: VmType, hvm: bool, emulation: Emulation) -> None:
    vm = spec(vm_type)
    config = domain_config(DomId(9), vm, 2)
    assert (config.domid, str(config.uuid), config.hvm, config.hap) == (9, vm.id, hvm, hvm)
    assert (config.emulation, config.grant_version) == (emulation, 2)


def test_a_record_says_whether_the_build_was_completed() -> None:
    record = Record(DomId(1), spec().id, VmType.PV, Stage.BUILDING)
    assert not record.built
