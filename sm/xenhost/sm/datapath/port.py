"""What SR drivers need of datapaths: image servers (QEMU storage daemons), and NBD exports as block devices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from xenhost.core.devices import Source
from xenhost.core.ports.storage import Progress
from xenhost.core.storage import AttachMode, Backend, Bitmap, IoLimits, NbdExport, VdiId


@dataclass(frozen=True, slots=True)
class Layer:
    """One image of a chain. `format` is never guessed: raw, qcow2, vpc (a dynamic or fixed VHD, never differencing)."""

    path: str
    """Absolute; the image keeps this name for as long as it is open."""
    format: str
    locks: bool = True
    """Does QEMU lock it? Not where a lock keeps others from what is locked: on SMB that is the header."""
    read_caching: bool = field(default=True, compare=False)
    """May it be read through dom0's page cache when it lies below a leaf?"""


@dataclass(frozen=True, slots=True)
class OpenChain:
    """What an image server has open."""

    layers: tuple[Layer, ...]
    """The leaf first."""
    mode: AttachMode
    limits: IoLimits


class Images(Protocol):
    """Image servers: one process for each active VDI, which outlives the agent. Errors: SrBackendFailure.

    Every layer is opened by name and format as given: what an image says about its own backing file is never followed.
    Verbs are idempotent and safe to call on different VDIs at the same time.
    """

    async def find(self) -> Mapping[VdiId, OpenChain]:
        """Those that run, of this agent and earlier ones. Called once, before the others."""
        ...

    def chain(self, vdi: VdiId) -> OpenChain | None:
        """What is open for a VDI now; None: nothing."""
        ...

    def users(self, path: str) -> frozenset[VdiId]:
        """VDIs whose server has that image open."""
        ...

    async def open(self, vdi: VdiId, layers: Sequence[Layer], mode: AttachMode, limits: IoLimits) -> Sequence[Backend]:
        """Serve a chain, leaf first; only the leaf is writable, and only in mode RW. If served: adapt mode, limits.

        The backends are an NBD export on a unix socket (`Backend.export` is the VDI's UUID). The `cbt` bitmap of the
        leaf, if it has one, records. A leaf and base are locked as QEMU does, so a second writer is refused.
        """
        ...

    async def close(self, vdi: VdiId) -> None:
        """Flush, end the process, remove its folder. No-op if it does not run."""
        ...

    async def snapshot(self, vdi: VdiId, overlay: Layer) -> None:
        """Make an empty overlay (made before, over the leaf) the leaf, between two writes of the guest.

        No-op if it is the leaf.
        """
        ...

    async def commit(self, vdi: VdiId, top: str, base: str, bytes_per_second: int, progress: Progress) -> None:
        """Copy the layer `top` into the one right below it, `base`, while the guest writes, and drop it from the chain.

        The image above `top` then names `base` (its file name, relative) as its backing file; if `top` was the leaf,
        `base` is now. The files stay. No-op if `top` is not open any more. Cancelled: the job is cancelled, the chain
        is as before.
        """
        ...

    async def resize(self, vdi: VdiId, size: int) -> None:
        """Grow the leaf, and what the guest sees."""
        ...

    async def throttle(self, vdi: VdiId, limits: IoLimits) -> None:
        """Change its limits."""
        ...

    async def add_bitmap(self, vdi: VdiId, name: str) -> None:
        """A persistent dirty bitmap of 64 KiB granularity on the leaf. No-op if there."""
        ...

    async def remove_bitmap(self, vdi: VdiId, name: str) -> None:
        """No-op if not there."""
        ...

    async def dirty(self, layers: Sequence[Layer], bitmap: str) -> Bitmap:
        """What a stored bitmap of the first layer (not open for writing anywhere) holds. Raises backend_failure 459."""
        ...

    async def dirty_now(self, vdi: VdiId, bitmap: str) -> Bitmap:
        """What a recording bitmap of an active VDI holds now."""
        ...

    async def export(self, vdi: VdiId, layers: Sequence[Layer], changed: Bitmap | None, export: str) -> NbdExport:
        """Serve a chain read-only over TCP with TLS for a backup tool, `changed` as its dirty bitmap."""
        ...

    async def unexport(self, vdi: VdiId) -> None:
        """Stop. No-op if not exported."""
        ...


class Blocks(Protocol):
    """Backends as what a hypervisor can connect a guest to."""

    async def connect(self, vdi: VdiId, backends: Sequence[Backend]) -> Source:
        """BLOCK and FILE as they are, an NBD export as a `/dev/nbdN` of the kernel. If connected: the same.

        Where the kernel has no NBD device, and the hypervisor is simulated, an NBD source with its URI.
        """
        ...

    async def disconnect(self, vdi: VdiId) -> None:
        """Free the NBD device, flushed. No-op if there is none."""
        ...

    async def resized(self, vdi: VdiId, size: int) -> None:
        """Tell the block device (and through it blkback and the guest) of a new size."""
        ...
