"""XenHypervisor: the port, each verb handed to the part that does it. No logic of its own but the order of things."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Final

import structlog

from xenhost.core.devices import DeviceStatus, Vbd, Vif
from xenhost.core.errors import BootloaderFailed, HypervisorUnavailable, XenhostError
from xenhost.core.guest_metrics import GuestData
from xenhost.core.host import HostInfo, PciDevice
from xenhost.core.ids import DevId, DomId, VmId
from xenhost.core.ports.hypervisor import Console, DomainEvent, DomainEventKind
from xenhost.core.vm import BootloaderBoot, DirectBoot, Domain, ShutdownReason, VmSpec, VmType, boot_disk
from xenhost.drivers.xen import control
from xenhost.drivers.xen.bootloader import BootloaderConfig, Loaded, remove_stale, run_bootloader
from xenhost.drivers.xen.build import build_failed, save_failed
from xenhost.drivers.xen.console import Consoles
from xenhost.drivers.xen.devices.plugs import Devices
from xenhost.drivers.xen.domain import Domains
from xenhost.drivers.xen.emulator.emulators import Emulators
from xenhost.drivers.xen.fanout import Fanout
from xenhost.drivers.xen.faults import translate, translated
from xenhost.drivers.xen.guest_data import GuestDataReader
from xenhost.drivers.xen.helper import HelperLost, Helpers
from xenhost.drivers.xen.host import look_at_host
from xenhost.drivers.xen.hypercalls import Hypercalls
from xenhost.drivers.xen.observed import handle, shutdown_reason
from xenhost.drivers.xen.pci_devices import PciDevices
from xenhost.drivers.xen.record import Record, read_record
from xenhost.drivers.xen.shutdown import Shutdowns
from xenhost.drivers.xen.watch import Watcher
from xenhost.native.domain_helper import HelperFailure
from xenhost.native.errors import NativeError, NativeUnavailable
from xenhost.native.xen_types import DomainInfo
from xenhost.native.xenstore import Xenstore

_log = structlog.get_logger()


class XenHypervisor:
    """Xen through libxenctrl, xenstore and the domain helper. See the port for every verb."""

    def __init__(
        self,
        *,
        xs: Xenstore,
        xen: Hypercalls,
        helpers: Helpers,
        fanout: Fanout,
        watcher: Watcher,
        domains: Domains,
        devices: Devices,
        emulators: Emulators,
        shutdowns: Shutdowns,
        bootloader: BootloaderConfig,
        guest_data: GuestDataReader,
    ) -> None:
        self._xs: Final = xs
        self._xen: Final = xen
        self._helpers: Final = helpers
        self._fanout: Final = fanout
        self._watcher: Final = watcher
        self._domains: Final = domains
        self._devices: Final = devices
        self._emulators: Final = emulators
        self._shutdowns: Final = shutdowns
        self._bootloader: Final = bootloader
        self._consoles: Final = Consoles(xs, emulators)
        self._guest_data: Final = guest_data
        self._pci: Final = PciDevices()
        self._looking: Final = asyncio.Lock()
        self._lost: Final[dict[DomId, VmId]] = {}
        """Domains whose emulator ended while there was no agent; who listens is told."""

    # Life of the driver itself

    async def open(self) -> None:
        """Connect, start helpers, remove what earlier lives left of dead domains, take up emulators that run."""
        try:
            with translated():
                await self._xen.open()
                await self._xs.connect()
                await self._xs.outlast()  # nothing of an agent that was killed comes after what we look at
                await self._domains.open()
                await asyncio.gather(self._helpers.open(), self._devices.open(), self._watcher.open())
                await asyncio.to_thread(remove_stale, self._bootloader)
                await self._sweep()
                await self._adopt()
        except HelperLost as error:
            await self.close()
            raise HypervisorUnavailable(str(error), msg=str(error)) from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Let go of everything; domains and their emulators run on."""
        await self._watcher.close()
        self._fanout.close()
        await self._helpers.close()
        await self._emulators.close()
        await self._devices.close()
        await self._xs.close()
        await self._xen.close()

    async def _adopt(self) -> None:
        for domain in await self._domains.domains():
            if domain.managed and domain.built and domain.type is VmType.HVM and not domain.dying:
                found = await self._emulators.adopt(domain.domid)
                if not found and not domain.paused and domain.shutdown is None:
                    self._lost[domain.domid] = domain.vm

    async def _sweep(self) -> None:
        for record in await self._domains.left_over():
            _log.info("removing what is left of a dead domain", domid=record.domid, vm=record.vm)
            try:
                with translated(record.vm):
                    await self._end(record.domid, record)
            except XenhostError as error:
                _log.error("what is left of a dead domain could not be removed", domid=record.domid, error=str(error))

    # Host

    async def host(self) -> HostInfo:
        """See the port."""
        with translated():
            return await self._xen.run(look_at_host)

    async def pci_devices(self) -> Sequence[PciDevice]:
        """See the port."""
        async with self._looking:
            return await asyncio.to_thread(self._pci.all)

    # Domains

    async def domains(self) -> Sequence[Domain]:
        """See the port."""
        with translated():
            return await self._domains.domains()

    async def domain(self, domid: DomId) -> Domain | None:
        """See the port."""
        with translated():
            return await self._domains.domain(domid)

    async def create_domain(self, vm: VmSpec, functions: bool = False) -> DomId:
        """See the port."""
        with translated(vm.id):
            domid, new = await self._domains.create(vm, functions)
        if new:
            self._watcher.made(domid, vm.id)
        return domid

    async def build_domain(self, domid: DomId, vm: VmSpec) -> None:
        """See the port."""
        with translated(vm.id):
            info, record = await self._domains.owned(domid)
            if record.built:
                return
            boot, loaded = await self._kernel(vm)
            try:
                await self._domains.build(domid, vm, record, boot)
            finally:
                if loaded is not None:
                    await asyncio.to_thread(loaded.discard)
            if control.wants_scheduling(vm.vcpus):
                info, _ = await self._domains.owned(domid)
                await control.set_scheduling(self._xen, info, vm.vcpus)

    async def _kernel(self, vm: VmSpec) -> tuple[DirectBoot | None, Loaded | None]:
        """The kernel in dom0, and what is to be discarded after the build."""
        match vm.boot:
            case DirectBoot() as boot:
                return boot, None
            case BootloaderBoot() as boot:
                disk = boot_disk(vm)
                if disk is None:
                    raise BootloaderFailed(
                        f"VM {vm.id} has no disk that a boot loader could look at", vm=vm.id, msg="no disk"
                    )
                loaded = await run_bootloader(self._bootloader, vm.id, boot, disk.source.path)
                return loaded.boot, loaded
            case _:
                return None, None

    async def start_device_model(self, domid: DomId, vm: VmSpec) -> None:
        """See the port."""
        if vm.type is not VmType.HVM:
            return
        with translated(vm.id):
            await self._domains.owned(domid)
            media, functions = await asyncio.gather(self._devices.media(domid), self._devices.functions_of(domid))
            await self._emulators.start(domid, vm, media, functions)
            try:
                await self._devices.join_emulated(domid, [vif for vif in vm.vifs if vif.devid not in functions])
            except BaseException:
                await asyncio.shield(self._emulators.stop(domid))
                raise
            self._lost.pop(domid, None)

    async def pause_domain(self, domid: DomId) -> None:
        """See the port."""
        with translated():
            info, _ = await self._domains.owned(domid)
            await control.pause(self._xen, info)

    async def unpause_domain(self, domid: DomId) -> None:
        """See the port."""
        with translated():
            info, _ = await self._domains.owned(domid)
            await control.unpause(self._xen, info)

    async def request_shutdown(self, domid: DomId, reason: ShutdownReason, ack_within: float) -> None:
        """See the port."""
        with translated():
            info, record = await self._domains.owned(domid)
            await self._shutdowns.request(info, record.vm, reason, ack_within)

    async def wait_stopped(self, domid: DomId) -> ShutdownReason | None:
        """See the port."""
        vm: VmId | None = None
        while True:
            news = self._fanout.news(domid)
            try:
                with translated():
                    info = await self._domains.info(domid)
                if info is None or info.dying or (vm is not None and handle(info) != vm):
                    return None
                if info.shutdown:
                    return shutdown_reason(info)
                vm = handle(info)
                await news
            finally:
                news.cancel()

    async def destroy_domain(self, domid: DomId) -> None:
        """See the port."""
        with translated():
            info, record = await asyncio.gather(self._domains.info(domid), read_record(self._xs, domid))
            if info is not None and (record is None or record.vm != handle(info)):
                await self._domains.owned(domid)  # says why not
            if record is not None:
                await self._end(domid, record)

    async def _end(self, domid: DomId, record: Record) -> None:
        """Everything at once but for virtual functions, waiting for no guest. What fails keeps the record, so that the
        next call goes on."""
        if await self._devices.functions_of(domid):  # nobody may have his hands on them when dom0 has them back
            await self._domains.still(domid)
            if record.type is VmType.HVM:
                await self._emulators.stop(domid)
            await self._devices.disconnect_functions(domid)
        parts = [self._domains.kill(domid), self._devices.teardown(domid)]
        if record.type is VmType.HVM:
            parts.append(self._emulators.stop(domid))
        for result in await asyncio.gather(*parts, return_exceptions=True):
            if isinstance(result, NativeError | NativeUnavailable):
                raise translate(result, record.vm) from result
            if isinstance(result, BaseException):
                raise result
        await self._domains.forget(domid, record.vm)
        await self._domains.vanished(domid)
        self._lost.pop(domid, None)
        self._watcher.look()

    # Suspended guests

    async def save_domain(self, domid: DomId, fd: int, progress: Callable[[int], None]) -> None:
        """See the port."""
        with translated():
            info, record = await self._domains.owned(domid)
            if record.type is VmType.HVM:
                await self._save_emulator(info, fd)
            await self._domains.save(info, fd, progress)

    async def restore_domain(self, domid: DomId, vm: VmSpec, fd: int, progress: Callable[[int], None]) -> None:
        """See the port."""
        with translated(vm.id):
            _, record = await self._domains.owned(domid)
            if vm.type is VmType.HVM and not record.built:
                try:
                    await self._emulators.restore(domid, fd)
                except OSError as error:
                    raise build_failed(vm, HelperFailure("failed", 0, "emulator:state", str(error))) from error
            await self._domains.restore(vm, record, fd, progress)

    async def _save_emulator(self, info: DomainInfo, fd: int) -> None:
        if shutdown_reason(info) is not ShutdownReason.SUSPEND:
            raise save_failed(info.uuid, "it has not suspended")
        try:
            await self._emulators.save(DomId(info.domid), fd)
        except OSError as error:
            raise save_failed(info.uuid, f"the state of its emulator: {error.strerror or error}") from error

    async def resume_domain(self, domid: DomId) -> None:
        """See the port."""
        with translated():
            info, record = await self._domains.owned(domid)
            emulated = record.type is VmType.HVM and shutdown_reason(info) is ShutdownReason.SUSPEND
            lost = emulated and not await self._emulators.adopt(domid)
            if emulated and not lost:
                await self._emulators.resume(domid)
            await self._domains.resume(info)
        self._watcher.resumed(domid)
        if lost:  # not before: of a guest that does not run, nobody would do anything about it
            self._fanout.publish(DomainEvent(DomainEventKind.EMULATOR_LOST, domid, record.vm))

    # Running adjustments

    async def set_vcpus(self, domid: DomId, online: int) -> None:
        """See the port."""
        with translated():
            info, _ = await self._domains.owned(domid)
            await control.set_vcpus(self._xs, info, online)

    async def set_scheduling(self, domid: DomId, vm: VmSpec) -> None:
        """See the port."""
        with translated(vm.id):
            info, _ = await self._domains.owned(domid)
            await control.set_scheduling(self._xen, info, vm.vcpus)

    async def set_memory_target(self, domid: DomId, target: int) -> None:
        """See the port."""
        with translated():
            info, _ = await self._domains.owned(domid)
            await control.set_memory_target(self._xs, self._xen, info, target)

    async def set_vm_data(self, domid: DomId, data: Mapping[str, str]) -> None:
        """See the port."""
        with translated():
            await self._domains.owned(domid)
            await control.set_vm_data(self._xs, domid, data)

    # Devices

    async def plug_vbd(self, domid: DomId, vbd: Vbd) -> None:
        """See the port."""
        with translated():
            await self._devices.plug_vbd(domid, vbd)

    async def unplug_vbd(self, domid: DomId, devid: DevId, force: bool, within: float) -> None:
        """See the port."""
        with translated():
            await self._devices.unplug_vbd(domid, devid, force, within)

    async def change_medium(self, domid: DomId, vbd: Vbd) -> None:
        """See the port."""
        with translated():
            await self._devices.change_medium(domid, vbd)

    async def plug_vif(self, domid: DomId, vif: Vif) -> None:
        """See the port."""
        with translated():
            await self._devices.plug_vif(domid, vif)

    async def update_vif(self, domid: DomId, vif: Vif) -> None:
        """See the port."""
        with translated():
            await self._devices.update_vif(domid, vif)

    async def unplug_vif(self, domid: DomId, devid: DevId, force: bool, within: float) -> None:
        """See the port."""
        with translated():
            await self._devices.unplug_vif(domid, devid, force, within)

    async def functions(self) -> Collection[str]:
        """See the port."""
        with translated():
            return await self._devices.functions()

    async def devices(self, domid: DomId) -> Sequence[DeviceStatus]:
        """See the port."""
        with translated():
            return await self._devices.devices(domid)

    # Consoles and events

    async def console(self, domid: DomId) -> Console:
        """See the port."""
        with translated():
            _, record = await self._domains.owned(domid)
            return await self._consoles.of(domid, record.type)

    def guest_data(self, domid: DomId) -> AsyncIterator[GuestData]:
        """See the port."""
        return self._guest_data.follow(domid)

    def events(self) -> AsyncIterator[DomainEvent]:
        """See the port."""
        subscription = self._fanout.subscribe()
        for domid, vm in self._lost.items():
            subscription.put(DomainEvent(DomainEventKind.EMULATOR_LOST, domid, vm))
        return subscription
