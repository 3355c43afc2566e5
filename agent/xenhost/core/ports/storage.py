"""The storage ports: types of SRs, attached SRs, and the datapaths that VBDs use.

Rules for every verb. It may be called again at any time, also after a crash in its middle, and then either completes
or finds nothing to do: ids of what is to be made are chosen by the caller. It raises only XenhostErrors, in bounded
time, whatever server or disk does not answer. Cancelling it leaves what the docstring says. It blocks no event loop.
Names, sizes, paths and metadata found on an SR are hostile input. A driver refuses with SrOperationNotSupported what
it has not declared as a capability. Verbs on different VDIs of an SR may run at the same time; the caller never runs
two on one VDI, nor any on a VDI together with `detach`, `destroy` or `create` of its SR.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from xenhost.core.devices import Source
from xenhost.core.storage import (
    AttachMode,
    Backend,
    Bitmap,
    Chore,
    Connection,
    DriverInfo,
    IoLimits,
    NewSnapshot,
    NewVdi,
    ProbeReport,
    ScanReport,
    SrSpec,
    SrStat,
    Vdi,
    VdiChange,
    VdiId,
)

Progress = Callable[[float], None]
"""Told how far long work is, 0 to 1. Never raises, never blocks."""


class SrDriver(Protocol):
    """A type of SR."""

    @property
    def info(self) -> DriverInfo:
        """Its SM record."""
        ...

    async def probe(self, device_config: Mapping[str, str], sm_config: Mapping[str, str]) -> ProbeReport:
        """What SRs, or what next choices, a (partial) device-config leads to. Changes nothing.

        A key that is missing is no error but a stage (`ProbeReport.missing`). Raises SrBackendFailure (server does not
        answer, wrong value).
        """
        ...

    async def create(self, sr: SrSpec) -> None:
        """Make an empty SR. Never overwrites one that is there, nor a file system, partition table or LVM signature.

        No-op if it was made with this id. Raises SrBackendFailure, SrUuidExists. Cancelled: not there, or complete.
        """
        ...

    async def attach(self, sr: SrSpec) -> "Sr":
        """Make it usable on this host: mount, log in, open the volume group. Finds what an earlier agent left.

        VDIs that an earlier agent activated stay active and are taken over. Raises SrBackendFailure. Cancelled: not
        attached, or as if it had returned.
        """
        ...


class Sr(Protocol):
    """An SR attached to this host."""

    # The repository

    async def detach(self) -> None:
        """Let go of it: unmount, log out. The object is of no use afterwards. VDIs are deactivated before."""
        ...

    async def destroy(self) -> None:
        """Delete it and what only it uses, and detach. Raises SrNotEmpty if it holds VDIs."""
        ...

    async def scan(self) -> ScanReport:
        """Everything on it. One unreadable image is a VDI with a `problem`, never an error. Linear in their number."""
        ...

    async def stat(self) -> SrStat:
        """Space and health. Unreachable is an answer here (`health`), not an error."""
        ...

    async def update(self, name: str, description: str) -> None:
        """Store its name and description on it, where the type has a place for them."""
        ...

    # VDIs

    async def create_vdi(self, new: NewVdi) -> Vdi:
        """Make a VDI, at least as big as asked, all zeros. No-op if `new.id` is there with that size.

        Raises SrFull, VdiTooBig (INVALID_VALUE), SrBackendFailure. Cancelled: not there, or complete.
        A foreign driver may answer with another id; then a repetition makes another one.
        """
        ...

    async def introduce_vdi(self, vdi: VdiId, location: str, sm_config: Mapping[str, str]) -> Vdi:
        """Take an existing file, volume or LUN on as a VDI. Raises VdiLocationMissing."""
        ...

    async def destroy_vdi(self, vdi: VdiId) -> None:
        """Delete it; space that only it used is free afterwards or a chore. No-op if it is gone.

        Raises VdiInUse if it is active here or on another host.
        """
        ...

    async def stat_vdi(self, vdi: VdiId) -> Vdi:
        """One VDI, read anew. Raises VdiMissing."""
        ...

    async def update_vdi(self, vdi: VdiId, change: VdiChange) -> Vdi:
        """Change what is kept with it on the SR."""
        ...

    async def resize_vdi(self, vdi: VdiId, size: int) -> Vdi:
        """Make it bigger, also while it is active (VDI_RESIZE_ONLINE). Raises SrFull, VdiTooSmall (never shrinks)."""
        ...

    async def snapshot_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        """A read-only copy of this instant, also of an active VDI whose guest goes on writing. O(1).

        No-op if `new.id` is there. Raises SrFull, SnapshotChainTooLong (SR_BACKEND_FAILURE_109).
        """
        ...

    async def clone_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        """A writable copy of this instant. As `snapshot_vdi`."""
        ...

    async def revert_vdi(self, vdi: VdiId, snapshot: VdiId) -> Vdi:
        """Give a VDI the content of its snapshot again; it keeps its id, and the snapshot stays. It is not active."""
        ...

    # Datapath: this host's superstate of the VDI. Counting and state are the caller's.

    async def attach_vdi(self, vdi: VdiId, mode: AttachMode) -> None:
        """Prepare. No-op if done. Raises VdiMissing, VdiInUse (another host writes to it)."""
        ...

    async def activate_vdi(self, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Sequence[Backend]:
        """Make its bytes reachable in dom0, best way first. If active: the same answer, the mode or limits changed.

        What serves it outlives the agent, and is found again by `attach` of the next one. Cancelled: not active, or
        as if it had returned.
        """
        ...

    async def deactivate_vdi(self, vdi: VdiId) -> None:
        """Flush and stop. No-op if not active."""
        ...

    async def detach_vdi(self, vdi: VdiId) -> None:
        """The opposite of `attach_vdi`."""
        ...

    async def active_vdis(self) -> Mapping[VdiId, AttachMode]:
        """Those that are active here now, as far as the driver can see by itself: what an earlier agent left, too."""
        ...

    # Changed block tracking

    async def enable_cbt(self, vdi: VdiId) -> Vdi:
        """From now on remember which blocks change."""
        ...

    async def disable_cbt(self, vdi: VdiId) -> Vdi:
        """Forget it. No-op if not enabled."""
        ...

    async def destroy_vdi_data(self, vdi: VdiId) -> Vdi:
        """Free the data of a snapshot and keep what changed since: it becomes a CBT_METADATA VDI.

        Raises VdiNoCbtMetadata if it has no tracking.
        """
        ...

    async def changed_blocks(self, older: VdiId, newer: VdiId) -> Bitmap:
        """Blocks in which `newer` may differ from `older`: every one that does, and few that do not.

        Raises SrBackendFailure 460 if they are not related, 459 if tracking was interrupted.
        """
        ...

    # Upkeep

    async def chores(self) -> Sequence[Chore]:
        """What can be deleted or merged now, most useful first. Only what is provably of no use is proposed."""
        ...

    async def perform(self, chore: Chore, progress: Progress, bytes_per_second: int) -> None:
        """Do it; 0: no limit of speed. No-op if there is nothing to do any more. Cancelled: undone, or to be proposed
        again; no data is lost either way. Raises SrFull before it begins if it cannot fit."""
        ...


@runtime_checkable
class ConfiguringSr(Protocol):
    """What an SR can besides, whose driver declares VDI_GENERATE_CONFIG."""

    async def generate_config(self, vdi: VdiId) -> str:
        """What its driver needs to attach the VDI by itself, when neither agent nor pool runs; it may hold secrets."""
        ...


class Datapaths(Protocol):
    """What the VM engine asks of storage. A datapath is named by its VBD: `vbd/<VM>/<device>`."""

    async def connect(self, datapath: str, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Connection:
        """Attach and activate a VDI for this datapath. Durable. If connected: the same answer.

        Raises HandleInvalid, SrNotAttached, VdiInUse, VdiReadonly, and what the driver raises. Cancelled or failed: not
        connected, or `disconnect` makes it so.
        """
        ...

    async def disconnect(self, datapath: str) -> None:
        """Deactivate and detach; the driver is called only when no other datapath needs the VDI. No-op if unknown."""
        ...

    async def limit(self, datapath: str, limits: IoLimits) -> None:
        """Change the limits of a connected datapath at once. Durable.

        Raises VdiNotAvailable if it is not connected, OperationNotAllowed if nothing that could hold the guest back is
        between it and the VDI, and what the driver raises; then its limits are as before.
        """
        ...

    async def snapshot(self, vdi: VdiId, new: VdiId) -> None:
        """Take a snapshot, which is called `new`, of a VDI, in use or not. Durable.

        Raises HandleInvalid, SrNotAttached, OtherOperationInProgress, SrOperationNotSupported if its driver gives it
        another id, and what that raises; then, and when it is cancelled, there is none.
        """
        ...

    def source(self, datapath: str) -> Source | None:
        """What a connected datapath leads to; None if it is not connected."""
        ...

    def datapaths(self) -> Sequence[str]:
        """All that are connected, or were about to be."""
        ...
