"""Domains: made, listed, built, destroyed.

Which comes first, the record or the domain? The record. We choose the domain's id ourselves, write the record
`/xenhost/domain/D` that names the VM, and only then ask Xen for a domain with that id and the VM's UUID as handle; Xen
refuses an id that is taken. A domain is ours ("managed") if it has a record that names its handle. So after a crash

- before the record: there is nothing;
- between record and domain: a record without a domain. Nothing lists it, and `sweep` removes it at the next start;
- between domain and the end of its home: a managed domain whose record says `making`. `create` completes the home;
- in the middle of a build: the record says `building`. Such a domain can only be destroyed, and `build` says so;
- in the middle of `destroy`: what is left is found through the record, which goes last, after everything it names.

Another tool stack cannot get in between: if it takes the id first, its domain has another handle and is not ours.
"""

import asyncio
import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final
from uuid import UUID

import structlog

from xenhost.core.clock import Clock
from xenhost.core.errors import DomainBuildFailed, DomainExists, TooBusy
from xenhost.core.ids import DomId, VmId
from xenhost.core.memory import plan_memory
from xenhost.core.suspend import stream_seconds
from xenhost.core.vm import DirectBoot, Domain, ShutdownReason, VmSpec, VmType
from xenhost.drivers.network.vif_port import check_memory_for_functions
from xenhost.drivers.xen import paths, tree
from xenhost.drivers.xen.build import (
    Firmware,
    build_failed,
    build_request,
    deadline,
    not_enough_memory,
    restore_request,
    save_failed,
)
from xenhost.drivers.xen.domain_ids import next_domid, recently_used
from xenhost.drivers.xen.faults import gone
from xenhost.drivers.xen.helper import HelperLost, Helpers
from xenhost.drivers.xen.hypercalls import Hypercalls
from xenhost.drivers.xen.observed import domain_type, handle, shutdown_reason
from xenhost.drivers.xen.record import (
    Record,
    Stage,
    list_records,
    new_record,
    prepare,
    read_record,
    read_records,
)
from xenhost.native.domain_helper import BuildRequest, BuildResult, HelperFailure, Progress, Save
from xenhost.native.xen_types import DomainConfig, DomainInfo, Emulation, PhysInfo
from xenhost.native.xenctrl import Xenctrl, XenctrlError
from xenhost.native.xenstore import Xenstore

_log = structlog.get_logger()

_ATTEMPTS: Final = 16
"""Ids that are tried, should others take each before us."""
_MAX_NAME: Final = 255
VANISH_WITHIN: Final = 2.0
"""Seconds that a dead domain is given to vanish."""


class Domains:
    """The domains of this host, ours and others."""

    def __init__(self, xs: Xenstore, xen: Hypercalls, helpers: Helpers, firmware: Firmware, clock: Clock) -> None:
        self._clock = clock
        self._xs = xs
        self._xen = xen
        self._helpers = helpers
        self._firmware = firmware
        self._last = DomId(0)
        self._reserved: set[DomId] = set()

    async def open(self) -> None:
        """Prepare the place of our records."""
        self._last = await prepare(self._xs)

    async def left_over(self) -> list[Record]:
        """Records whose domain Xen does not know: of a crash before it was made, or in the middle of its teardown.

        A record that was cut short itself never had a domain, and is removed.
        """
        alive = {info.domid for info in await self._xen.run(Xenctrl.domains)}
        domids = [domid for domid in await list_records(self._xs) if domid not in alive]
        records = await read_records(self._xs, domids)
        cut_short = [domid for domid, record in zip(domids, records, strict=True) if record is None]
        await self._xs.rm_many([paths.record(domid) for domid in cut_short])
        return [record for record in records if record is not None]

    # Looking

    async def info(self, domid: DomId) -> DomainInfo | None:
        """What Xen says of a domain now."""
        return await self._xen.run(Xenctrl.domain, domid)

    async def owned(self, domid: DomId) -> tuple[DomainInfo, Record]:
        """A living domain of ours. Raises DomainGone if there is none, DomainExists if it is not ours."""
        info, record = await asyncio.gather(self.info(domid), read_record(self._xs, domid))
        if info is None or info.dying:
            raise gone(record.vm if record else None)
        if record is None or record.vm != handle(info):
            raise _foreign(domid, info)
        return info, record

    async def domain(self, domid: DomId) -> Domain | None:
        """One domain."""
        if domid == 0:
            return None
        info = await self.info(domid)
        return (await self._described([info]))[0] if info is not None else None

    async def domains(self) -> list[Domain]:
        """All but dom0."""
        infos = await self._xen.run(Xenctrl.domains)
        return await self._described([info for info in infos if info.domid != 0])

    async def _described(self, infos: Sequence[DomainInfo]) -> list[Domain]:
        domids = [DomId(info.domid) for info in infos]
        names, records = await asyncio.gather(
            self._xs.read_many([f"{paths.home(domid)}/name" for domid in domids]), read_records(self._xs, domids)
        )
        return [
            describe(info, record, name if isinstance(name, bytes) else b"")
            for info, record, name in zip(infos, records, names, strict=True)
        ]

    # Making

    async def create(self, vm: VmSpec, functions: bool = False) -> tuple[DomId, bool]:
        """See the port. Returns the id, and whether the domain was made now."""
        (infos, physical, recent), recorded = await asyncio.gather(self._xen.run(_survey), list_records(self._xs))
        existing = await self._existing(vm.id, infos)
        if existing is not None:
            if existing.stage is Stage.MAKING:
                await self._xs.apply(tree.new_home(existing.domid, vm))
            return existing.domid, False
        if functions:
            check_memory_for_functions(vm)
        needed, free = plan_memory(vm).footprint, available(physical)
        if free < needed:
            raise not_enough_memory(vm, needed, free)
        taken = {DomId(info.domid) for info in infos} | set(recorded) | recent
        making = asyncio.ensure_future(
            self._make(vm, taken, 2 if physical.gnttab_v2 else 1, functions and physical.directio)
        )
        try:
            domid = await asyncio.shield(making)
        except asyncio.CancelledError:
            # Xen may be making it at this moment: what is left must be there to be found when we return
            await asyncio.wait([making])
            making.cancelled() or making.exception()
            raise
        if functions:  # what a function can be given to depends on it
            await self._xen.run(Xenctrl.set_max_memory, domid, vm.memory.static_max)
        await self._xs.apply(tree.new_home(domid, vm))
        return domid, True

    async def _existing(self, vm: VmId, infos: Sequence[DomainInfo]) -> Record | None:
        """The domain of ours to go on with. Raises DomainExists."""
        same = [info for info in infos if handle(info) == vm and not info.dying and info.domid != 0]
        records = await read_records(self._xs, [DomId(info.domid) for info in same]) if same else []
        for info, record in zip(same, records, strict=True):
            if record is None or record.vm != vm or record.built:
                raise _foreign(DomId(info.domid), info)
        return records[0] if records else None

    async def _make(self, vm: VmSpec, taken: set[DomId], grant_version: int, iommu: bool) -> DomId:
        for _ in range(_ATTEMPTS):
            domid = self._last = next_domid(self._last, taken | self._reserved)
            self._reserved.add(domid)
            try:
                await self._xs.apply(new_record(Record(domid, vm.id, vm.type, Stage.MAKING)))
                try:
                    config = replace(domain_config(domid, vm, grant_version), iommu=iommu, iommu_sharept=False)
                    await self._xen.run(Xenctrl.create_domain, config)
                except XenctrlError as error:
                    await self._xs.rm(paths.record(domid))
                    if error.errno == errno.EEXIST:
                        continue
                    raise
                return domid
            finally:
                self._reserved.discard(domid)
        raise TooBusy(f"{_ATTEMPTS} domain ids in a row were taken by others")

    async def build(self, domid: DomId, vm: VmSpec, record: Record, boot: DirectBoot | None) -> None:
        """See the port. `record` is the domain's now; `boot` the kernel, None for an HVM guest."""
        await self._fill(record, vm, build_request(domid, vm, boot, self._firmware), _progress(domid))

    async def restore(self, vm: VmSpec, record: Record, fd: int, progress: Callable[[int], None]) -> None:
        """See the port. `record` is the domain's now."""
        await self._fill(record, vm, restore_request(record.domid, vm, fd), lambda told: progress(told.percent))

    async def _fill(
        self, record: Record, vm: VmSpec, request: BuildRequest, on_progress: Callable[[Progress], None]
    ) -> None:
        domid = record.domid
        if record.built:
            return
        if record.stage is Stage.BUILDING:
            raise DomainBuildFailed(
                f"a build of domain {domid} was cut short; destroy it first",
                vm=vm.id,
                function="build_domain",
                msg="an earlier build was cut short",
            )
        await self._xs.write(paths.record_stage(domid), Stage.BUILDING)
        within = deadline(vm) if request.fd is None else stream_seconds(vm.memory.static_max)
        helpers = self._helpers.helper() if request.fd is None else self._helpers.alone(request.fd)
        guest_tree = asyncio.ensure_future(self._xs.apply(tree.guest_tree(domid, vm)))
        try:
            async with helpers as helper, asyncio.timeout(within):
                result = await helper.build(request, on_progress)
                if isinstance(result, BuildResult):
                    await asyncio.gather(helper.released(), self._introduce(domid, result))
        except (HelperLost, ValueError) as error:
            raise await self._lost(domid, vm, str(error)) from error
        except TimeoutError as error:
            raise await self._lost(domid, vm, f"no end after {within:.0f} s") from error
        finally:
            # it cannot hang for longer than xenstored itself, and must not write after we are gone
            await asyncio.wait([guest_tree])
        guest_tree.result()
        if isinstance(result, HelperFailure):
            raise await self._failed(domid, vm, result)
        await self._xs.write(paths.record_stage(domid), Stage.BUILT)

    async def _introduce(self, domid: DomId, result: BuildResult) -> None:
        _log.debug("domain built", domid=domid, guest_os=result.guest_os, phases=dict(result.phases))
        store = (result.store_frame, result.store_port)
        rings = tree.ring_nodes(domid, store, (result.console_frame, result.console_port))
        # In one burst: requests of one connection are served in order, so xenconsoled finds the nodes when it hears
        await asyncio.gather(self._xs.apply(rings), self._xs.introduce(domid, *store))

    async def _failed(self, domid: DomId, vm: VmSpec, failure: HelperFailure) -> Exception:
        info = await self.info(domid)
        if info is None or info.dying:
            return gone(vm.id)
        free = available(await self._xen.run(Xenctrl.physinfo))
        return build_failed(vm, failure, lambda: free)

    async def _lost(self, domid: DomId, vm: VmSpec, message: str) -> Exception:
        return await self._failed(domid, vm, HelperFailure("failed", 0, "xh-domain-helper", message))

    # Saving

    async def save(self, info: DomainInfo, fd: int, progress: Callable[[int], None]) -> None:
        """See the port. `info` is the domain now."""
        within = stream_seconds(info.max_memory)
        try:
            async with self._helpers.alone(fd) as helper, asyncio.timeout(within):
                failure = await helper.save(Save(info.domid, fd), lambda told: progress(told.percent))
        except HelperLost as error:
            raise save_failed(info.uuid, str(error)) from error
        except TimeoutError as error:
            raise save_failed(info.uuid, f"no end after {within:.0f} s") from error
        if failure is not None:
            raise save_failed(info.uuid, f"{failure.call}: {failure.message or os.strerror(failure.errno)}")

    async def resume(self, info: DomainInfo) -> None:
        """See the port. `info` is the domain now."""
        if shutdown_reason(info) is ShutdownReason.SUSPEND:
            await self._xen.run(partial(Xenctrl.resume, fast=True), info.domid)
            # xenstored tells of each stop of a domain once; again, after this
            await self._xs.resume(info.domid)

    # Ending

    async def still(self, domid: DomId) -> None:
        """Let a domain that is about to end run no more. No-op if Xen does not know it."""
        try:
            await self._xen.run(Xenctrl.pause, domid)
        except XenctrlError as error:
            if error.errno != errno.ESRCH:
                raise

    async def kill(self, domid: DomId) -> None:
        """Have Xen end a domain and take its memory back. No-op if Xen does not know it."""
        try:
            await self._xen.run_slow(Xenctrl.destroy, domid)
        except XenctrlError as error:
            if error.errno != errno.ESRCH:
                raise

    async def forget(self, domid: DomId, vm: VmId) -> None:
        """Remove every node of a domain that is dead, and whose devices are gone; the record goes last."""
        await self._xs.rm_many(tree.removal(domid, vm))

    async def vanished(self, domid: DomId) -> bool:
        """Wait until Xen has forgotten a domain that was killed: xenstored, xenconsoled and the backends let go of its
        pages when they hear, within milliseconds. No event tells when all have. False if it is still there after
        VANISH_WITHIN: it keeps a few pages, and no id or memory that anybody waits for.
        """
        waited, pause = 0.0, 0.001
        while (info := await self.info(domid)) is not None and info.dying:
            if waited > VANISH_WITHIN:
                _log.warning("a dead domain stays: somebody holds its pages", domid=domid, memory=info.memory)
                return False
            await self._clock.sleep(pause)
            waited, pause = waited + pause, min(2 * pause, 0.05)
        return True


def describe(info: DomainInfo, record: Record | None, untrusted_name: bytes) -> Domain:
    """A domain in the words of the port. Pure."""
    managed = record is not None and record.vm == handle(info)
    name = untrusted_name.decode(errors="replace")[:_MAX_NAME]
    return Domain(
        domid=DomId(info.domid),
        vm=handle(info),
        type=record.type if record is not None and managed else domain_type(info),
        paused=info.paused,
        dying=info.dying,
        shutdown=shutdown_reason(info),
        memory=info.memory,
        memory_max=info.max_memory,
        vcpus_online=info.online_vcpus,
        vcpus_max=info.max_vcpus,
        cpu_time_ns=info.cpu_time,
        managed=managed,
        built=managed and record is not None and record.built,
        name="".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name),
    )


def domain_config(domid: DomId, vm: VmSpec, grant_version: int) -> DomainConfig:
    """What Xen must know to make the domain. Pure."""
    hvm = vm.type is not VmType.PV
    emulation = {VmType.PV: Emulation.NONE, VmType.PVH: Emulation.LAPIC, VmType.HVM: Emulation.FULL}
    return DomainConfig(
        uuid=UUID(vm.id),
        max_vcpus=vm.vcpus.maximum,
        domid=domid,
        hvm=hvm,
        hap=hvm and vm.platform.get("hap", "1") == "1",
        emulation=emulation[vm.type],
        nested_virt=hvm and vm.platform.get("nested-virt", "0") == "1",
        max_grant_frames=max(64, 8 * (len(vm.vifs) + 1) + len(vm.vbds) + 1),
        grant_version=grant_version,
    )


def available(physical: PhysInfo) -> int:
    """Bytes free for domains: what is being scrubbed counts, what is claimed does not."""
    return max(0, physical.free_memory + physical.scrub_memory - physical.outstanding_memory)


def _survey(xen: Xenctrl) -> tuple[list[DomainInfo], PhysInfo, set[DomId]]:
    """What must be known to make a domain, in one visit to the thread."""
    return xen.domains(), xen.physinfo(), recently_used()


def _foreign(domid: DomId, info: DomainInfo) -> DomainExists:
    return DomainExists(
        f"domain {domid} has the UUID {info.uuid}; shut it down with the tool that started it",
        vm=str(info.uuid),
        domid=str(domid),
    )


def _progress(domid: DomId) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        _log.debug("building a domain", domid=domid, percent=progress.percent, phase=progress.phase)

    return report
