"""The hypervisor port: domains and their devices on one host.

Rules for every verb. It may be called again at any time, also after a crash in its middle, and then either completes
or finds nothing to do. It raises only XenhostErrors. Cancelling it leaves what the docstring says and nothing half
open. It blocks no event loop. Teardown never believes what a guest can write: drivers keep their own records of what
they made, readable only by dom0, and with the lifetime of the domain.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Protocol

from xenhost.core.devices import DeviceStatus, Vbd, Vif
from xenhost.core.guest_metrics import GuestData
from xenhost.core.host import HostInfo, PciDevice
from xenhost.core.ids import DevId, DomId, VmId
from xenhost.core.vm import Domain, ShutdownReason, VmSpec


class DomainEventKind(StrEnum):
    """What a hypervisor reports without being asked."""

    APPEARED = auto()
    STOPPED = auto()
    """The guest shut down, rebooted or crashed; the domain waits to be destroyed."""
    GONE = auto()
    EMULATOR_LOST = auto()
    """The device model of an HVM domain died or closed its QMP connection."""
    CHANGED = auto()
    """A device's state or a guest key that the mirror keeps changed."""
    RESYNC = auto()
    """Events may have been lost (xenstored came back): look at everything again. domid is 0."""


@dataclass(frozen=True, slots=True)
class DomainEvent:
    """Something happened to a domain."""

    kind: DomainEventKind
    domid: DomId
    vm: VmId | None = None
    reason: ShutdownReason | None = None
    """Why it stopped, for STOPPED."""


@dataclass(frozen=True, slots=True)
class Console:
    """Where the consoles of a domain are; empty where it has none (yet)."""

    serial_tty: str
    """A pseudo-terminal, `/dev/pts/N`."""
    vnc_socket: str
    """A unix socket that speaks RFB."""


class Hypervisor(Protocol):
    """Everything the agent asks of a hypervisor."""

    # Life of the driver itself

    async def open(self) -> None:
        """Connect. Raises HypervisorUnavailable. Nothing else may be called before."""
        ...

    async def close(self) -> None:
        """Let go of every connection, task and idle helper process. Running domains and their emulators stay."""
        ...

    # Host

    async def host(self) -> HostInfo:
        """The host now."""
        ...

    async def pci_devices(self) -> Sequence[PciDevice]:
        """Its devices that VMs, or their disks and networks, may use: storage, network, display, accelerators."""
        ...

    # Domains

    async def domains(self) -> Sequence[Domain]:
        """Every domain but dom0, foreign and dying ones included."""
        ...

    async def domain(self, domid: DomId) -> Domain | None:
        """One domain, or None."""
        ...

    async def create_domain(self, vm: VmSpec, functions: bool = False) -> DomId:
        """Make an empty paused domain with handle `vm.id`, its xenstore home and our private record.

        `functions`: VIFs of it will be virtual functions. Raises DomainBuildFailed for an HVM guest that would start
        with less than its maximum of memory then.

        If a managed, unbuilt and not dying domain of that VM exists it is returned. Raises DomainExists (a built or
        foreign domain has that handle), HostNotEnoughFreeMemory. Cancelled: no domain, or one that `domains()` shows
        as managed and not built.
        """
        ...

    async def build_domain(self, domid: DomId, vm: VmSpec) -> None:
        """Give it memory, kernel or firmware, vCPUs, and introduce it to xenstore; it stays paused.

        Runs the boot loader where the VM has one. No-op if built. Raises BootloaderFailed, DomainBuildFailed,
        HostNotEnoughFreeMemory, DomainGone. Cancelled or failed: the domain is not built and fit only to be destroyed.
        """
        ...

    async def start_device_model(self, domid: DomId, vm: VmSpec) -> None:
        """Start and supervise the emulator of an HVM domain; no-op for others or if it runs. VBDs are plugged before.

        Returns when QMP answers. Raises EmulatorFailed with the end of its log. Cancelled: not running.
        """
        ...

    async def pause_domain(self, domid: DomId) -> None:
        """Stop its vCPUs. No-op if paused. Raises DomainGone."""
        ...

    async def unpause_domain(self, domid: DomId) -> None:
        """Let its vCPUs run. No-op if running. Raises DomainGone."""
        ...

    async def request_shutdown(self, domid: DomId, reason: ShutdownReason, ack_within: float) -> None:
        """Ask the guest to power off or reboot, and wait up to `ack_within` seconds until it acknowledges.

        An HVM guest without PV drivers is shut down by the hypervisor instead. If the guest does not acknowledge, the
        request is withdrawn before ShutdownNotAcknowledged is raised. Returns at once if it has stopped. Raises
        DomainGone. Cancelled: withdrawn.
        """
        ...

    async def wait_stopped(self, domid: DomId) -> ShutdownReason | None:
        """Wait until the guest has stopped (then why), or the domain is gone (None). No deadline of its own."""
        ...

    async def destroy_domain(self, domid: DomId) -> None:
        """End the domain with its emulator, devices, loop devices, network ports and every xenstore node we made.

        No-op if gone; completes a teardown that was cut short, even if Xen has forgotten the domain. Never waits for
        the guest. Refuses (DomainExists) a domain that is not managed. Cancelled: call it again.
        """
        ...

    # Suspended guests

    async def save_domain(self, domid: DomId, fd: int, progress: Callable[[int], None]) -> None:
        """Write memory and vCPUs of a guest that has suspended to a descriptor, from where that stands on.

        The domain stays as it is: fit to be destroyed, saved again or resumed. `progress` is told percents. Writes at
        most the guest's memory and some MiB (`core.suspend.image_size`). Raises InternalError (it did not suspend, the
        descriptor takes no more, no end within minutes), EmulatorFailed, DomainGone. Cancelled: what was written is of
        no use. The state of an emulator, up to 64 MiB, is written to its end first: as long as the storage takes.
        """
        ...

    async def restore_domain(self, domid: DomId, vm: VmSpec, fd: int, progress: Callable[[int], None]) -> None:
        """Fill an empty domain with what `save_domain` wrote, instead of building it; it stays paused.

        Same contract as build_domain. Devices must be plugged before it is unpaused; the guest connects them anew.
        """
        ...

    async def resume_domain(self, domid: DomId) -> None:
        """Let a guest that has suspended go on in the same domain, as if it had not. No-op if it has not stopped so.

        If its emulator is gone, EMULATOR_LOST is told then. Raises EmulatorFailed if that does not answer.
        """
        ...

    # Running adjustments

    async def set_vcpus(self, domid: DomId, online: int) -> None:
        """Tell the guest how many vCPUs to use, 1 to its maximum."""
        ...

    async def set_scheduling(self, domid: DomId, vm: VmSpec) -> None:
        """Apply affinity, weight and cap of the specification."""
        ...

    async def set_memory_target(self, domid: DomId, target: int) -> None:
        """Tell the guest's balloon driver its target in bytes, and let Xen hold it to that."""
        ...

    async def set_vm_data(self, domid: DomId, data: Mapping[str, str]) -> None:
        """Replace what the guest finds below vm-data/, in one step; keys are as in VmSpec.xenstore_data."""
        ...

    # Devices

    async def plug_vbd(self, domid: DomId, vbd: Vbd) -> None:
        """Connect a VBD: a ready backend and a frontend in its initial state. The domain need not be built or run.

        Returns when the backend has taken the device; does not wait for the guest. No-op if plugged. Raises
        DeviceAttachFailed (no such path, busy, not a block device), DeviceAttachTimeout, DomainGone. Cancelled or
        failed: nothing is left of it.
        """
        ...

    async def unplug_vbd(self, domid: DomId, devid: DevId, force: bool, within: float) -> None:
        """Disconnect a VBD and release its loop device. No-op if not plugged.

        Clean: ask the guest and wait up to `within` seconds; raises DeviceDetachRejected with the guest's message or
        DeviceDetachTimeout, the device then stays plugged. Forced: does not ask. Cancelled: plugged or gone.
        """
        ...

    async def change_medium(self, domid: DomId, vbd: Vbd) -> None:
        """Make the medium of the CD drive in place `vbd.devid` be `vbd.source` (EMPTY ejects). No-op if it is.

        Raises DeviceAttachFailed. On failure the drive is empty.
        """
        ...

    async def plug_vif(self, domid: DomId, vif: Vif) -> None:
        """Connect a VIF to its bridge. Same contract as plug_vbd; DeviceAttachFailed if there is no such bridge.

        A VIF with a `function` is that PCI device instead, taken from dom0 until the VIF is unplugged or the domain is
        destroyed. Only for PV and HVM domains that have not run, before start_device_model; else, or without an IOMMU,
        DeviceAttachFailed.
        """
        ...

    async def update_vif(self, domid: DomId, vif: Vif) -> None:
        """Make the plugged VIF in place `vif.devid` so, without the guest losing it: another bridge, other rules.

        Its MAC stays. No-op if it is so, or not plugged. Raises DeviceAttachFailed (no such bridge: it stays as it
        was), InvalidValue (another MAC), DomainGone.
        """
        ...

    async def unplug_vif(self, domid: DomId, devid: DevId, force: bool, within: float) -> None:
        """Disconnect a VIF. Same contract as unplug_vbd."""
        ...

    async def devices(self, domid: DomId) -> Sequence[DeviceStatus]:
        """Every plugged device of a managed domain; empty if it is gone."""
        ...

    async def functions(self) -> Collection[str]:
        """PCI addresses of virtual functions: those VIFs have, are about to have, or had in domains half destroyed."""
        ...

    # Consoles and events

    async def console(self, domid: DomId) -> Console:
        """Where its consoles are."""
        ...

    def guest_data(self, domid: DomId) -> AsyncIterator[GuestData]:
        """What the guest tells of itself: now, and whenever it is different. Ends when the domain is gone.

        Untrusted, but bounded in size and in how often it comes, whatever the guest does. A change is told within some
        seconds; of a guest that never rests, within half a minute. Never raises: what cannot be read is tried again.
        """
        ...

    def events(self) -> AsyncIterator[DomainEvent]:
        """What happens to domains, from now on. Several may iterate; a slow one gets RESYNC, never blocks others."""
        ...
