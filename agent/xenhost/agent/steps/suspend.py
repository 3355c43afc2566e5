"""Steps that bring the memory of a guest into an image, and let the guest go on from it.

The head of the image says what it is good for, durable before what depends on it: EMPTY before the guest is asked,
WHOLE before its domain is destroyed, TAKEN before it goes on. So whatever is interrupted, the guest goes on from one
place, and from an image at most once.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from xenhost.agent.steps import image
from xenhost.agent.steps.base import PORT_SECONDS, BaseStep, domid_of
from xenhost.agent.steps.guest import ACK_SECONDS
from xenhost.agent.steps.patience import before
from xenhost.agent.steps.vdi import CONNECT_SECONDS, image_datapath, let_go
from xenhost.agent.steps.vif import has_functions
from xenhost.core.devices import IoLimits, SourceKind
from xenhost.core.errors import (
    DomainGone,
    ShutdownNotAcknowledged,
    SuspendNotAcknowledged,
    SuspendTimeout,
    VmNonSuspendable,
    XenhostError,
)
from xenhost.core.ids import DomId, VmId
from xenhost.core.steps import Work
from xenhost.core.storage import AttachMode, VdiId
from xenhost.core.suspend import ImageHead, ImageState, stream_seconds
from xenhost.core.vm import Domain, ShutdownReason


@dataclass(frozen=True, slots=True)
class ConnectImage(BaseStep):
    """Attach and activate the VDI of the image."""

    kind: ClassVar[str] = "image.connect"
    weight: ClassVar[int] = 2

    @property
    def deadline(self) -> float:
        """For a slow server."""
        return CONNECT_SECONDS

    def text(self, work: Work) -> str:
        """For humans."""
        return "connecting the VDI of the suspend image"

    async def apply(self, work: Work) -> None:
        """No-op for a file."""
        await _connect(work)

    async def undo(self, work: Work) -> None:
        """Let it go."""
        await let_go(work, image_datapath(work.spec.id))


@dataclass(frozen=True, slots=True)
class PrepareImage(BaseStep):
    """Say that there is no image yet; from here on a whole one is of this attempt."""

    kind: ClassVar[str] = "image.prepare"
    domid: DomId

    def text(self, work: Work) -> str:
        """For humans."""
        return "preparing the suspend image"

    async def apply(self, work: Work) -> None:
        """Makes the file, if it is one."""
        await image.write(work, ImageHead.of(work.spec, self.domid, ImageState.EMPTY), make=True)

    async def undo(self, work: Work) -> None:
        """There is none. Its head says so already: storage that does not answer now holds nothing up."""
        with contextlib.suppress(XenhostError):
            await _connect(work)
            await image.drop(work)


@dataclass(frozen=True, slots=True)
class SuspendGuest(BaseStep):
    """Ask the guest to suspend and wait until it has. Its undo lets it go on."""

    kind: ClassVar[str] = "guest.suspend"
    weight: ClassVar[int] = 2
    waits: ClassVar[bool] = True
    domid: DomId
    vm: VmId
    timeout: float
    """Seconds for all of it."""

    @property
    def deadline(self) -> float:
        """The time of the guest, and ours."""
        return self.timeout + PORT_SECONDS

    def text(self, work: Work) -> str:
        """For humans."""
        return f"waiting for the guest of domain {self.domid} to suspend"

    async def apply(self, work: Work) -> None:
        """Raises SuspendNotAcknowledged, SuspendTimeout, DomainGone: also if it stopped for another reason."""
        if has_functions(work):
            why = "it has a VIF on an SR-IOV network, and the state of such a card cannot be saved"
            raise VmNonSuspendable(f"VM {self.vm}: {why}", vm=self.vm, reason_text=why)
        until, ack = work.clock.monotonic() + self.timeout, min(ACK_SECONDS, self.timeout)
        try:
            await work.hypervisor.request_shutdown(self.domid, ShutdownReason.SUSPEND, ack)
        except ShutdownNotAcknowledged as error:
            message = f"the guest of VM {self.vm} did not acknowledge the request to suspend within {ack:g} s"
            raise SuspendNotAcknowledged(message, vm=self.vm) from error
        left = max(0.0, until - work.clock.monotonic())
        stopped, reason = await before(work.clock, left, work.hypervisor.wait_stopped(self.domid))
        if not stopped:
            raise SuspendTimeout(
                f"the guest of VM {self.vm} acknowledged, but had not suspended after {self.timeout:g} s",
                vm=self.vm,
                timeout=f"{self.timeout:g}",
            )
        if reason is not ShutdownReason.SUSPEND:
            raise DomainGone(f"the guest of VM {self.vm} did not suspend: {reason or 'it is gone'}", vm=self.vm)
        work.stopped = reason

    async def undo(self, work: Work) -> None:
        """In the same domain. One that has gone or stopped otherwise is looked after as ever."""
        work.stopped = None
        if await _own_domain(work, self.domid) is not None:
            await work.hypervisor.resume_domain(self.domid)


@dataclass(frozen=True, slots=True)
class SaveDomain(BaseStep):
    """Write the image. Once it is whole there is no way back."""

    kind: ClassVar[str] = "domain.save"
    weight: ClassVar[int] = 20
    domid: DomId
    memory: int
    """Bytes."""

    @property
    def deadline(self) -> float:
        """The driver gives up before."""
        return stream_seconds(self.memory) + PORT_SECONDS

    def text(self, work: Work) -> str:
        """For humans."""
        return f"saving the memory of domain {self.domid}"

    async def apply(self, work: Work) -> None:
        """First what the hypervisor writes, then the head that says so."""

        async def save(fd: int) -> None:
            await work.hypervisor.save_domain(self.domid, fd, _parts(work))

        await image.with_stream(work, True, save)
        work.sealed = True
        await image.write(work, ImageHead.of(work.spec, self.domid, ImageState.WHOLE))

    async def undo(self, work: Work) -> None:
        """Nobody may go on from it: its guest will, at once if nothing has said that it was whole."""
        if not work.sealed and not work.recovering:
            return
        await _connect(work)
        if await image.read(work) is not None:
            await image.write(work, ImageHead.of(work.spec, self.domid, ImageState.EMPTY))

    async def happened(self, work: Work) -> bool:
        """Is there a whole image of this domain, which has not run since?"""
        await _connect(work)
        domain = await _own_domain(work, self.domid)
        if domain is not None and domain.shutdown is not ShutdownReason.SUSPEND:
            return False
        return await image.read(work) == ImageHead.of(work.spec, self.domid, ImageState.WHOLE)


@dataclass(frozen=True, slots=True)
class SnapshotDisk(BaseStep):
    """Take a snapshot of a disk while the guest is suspended. It is its caller's, also if the operation fails."""

    kind: ClassVar[str] = "disk.snapshot"
    weight: ClassVar[int] = 2
    vdi: VdiId
    new: VdiId

    @property
    def deadline(self) -> float:
        """For a slow server."""
        return CONNECT_SECONDS

    def text(self, work: Work) -> str:
        """For humans."""
        return f"taking a snapshot of VDI {self.vdi}"

    async def apply(self, work: Work) -> None:
        """An operation of storage."""
        await work.storage.snapshot(self.vdi, self.new)


@dataclass(frozen=True, slots=True)
class ResumeGuest(BaseStep):
    """Let a guest go on in its domain: saved, suspended unasked, or after nobody waited for it any more."""

    kind: ClassVar[str] = "guest.resume"
    domid: DomId

    def text(self, work: Work) -> str:
        """For humans."""
        return f"resuming domain {self.domid}"

    async def apply(self, work: Work) -> None:
        """In the same domain."""
        await work.hypervisor.resume_domain(self.domid)


@dataclass(frozen=True, slots=True)
class RestoreDomain(BaseStep):
    """Memory and vCPUs out of the image."""

    kind: ClassVar[str] = "domain.restore"
    weight: ClassVar[int] = 20
    memory: int
    """Bytes."""

    @property
    def deadline(self) -> float:
        """The driver gives up before."""
        return stream_seconds(self.memory) + PORT_SECONDS

    def text(self, work: Work) -> str:
        """For humans."""
        return f"restoring the memory of domain {work.domid}"

    async def apply(self, work: Work) -> None:
        """Raises SuspendImageUnusable."""
        domid = domid_of(work)
        await _check(work)

        async def restore(fd: int) -> None:
            await work.hypervisor.restore_domain(domid, work.spec, fd, _parts(work))

        await image.with_stream(work, False, restore)


@dataclass(frozen=True, slots=True)
class CheckImage(BaseStep):
    """Another host may have begun as we have, and taken it meanwhile. A step of its own: it is not undone."""

    kind: ClassVar[str] = "image.check"

    def text(self, work: Work) -> str:
        """For humans."""
        return "looking at the suspend image again"

    async def apply(self, work: Work) -> None:
        """Raises SuspendImageUnusable."""
        await _check(work)


@dataclass(frozen=True, slots=True)
class TakeImage(BaseStep):
    """From here on the guest goes on in its domain, and never again from the image."""

    kind: ClassVar[str] = "image.take"

    def text(self, work: Work) -> str:
        """For humans."""
        return "taking the suspend image"

    async def apply(self, work: Work) -> None:
        """Say so."""
        await _become(work, ImageState.TAKEN)

    async def undo(self, work: Work) -> None:
        """Only if the guest has certainly not run: its new domain is there, and still paused."""
        await _connect(work)
        domain = None if work.domid is None else await _own_domain(work, work.domid)
        if domain is not None and domain.paused and domain.shutdown is None:
            await _become(work, ImageState.WHOLE)

    async def happened(self, work: Work) -> bool:
        """Is the guest in its domain, and the image no longer to be used?"""
        domain = None if work.domid is None else await _own_domain(work, work.domid)
        if domain is None or not domain.built:
            return False
        await _connect(work)
        head = await image.read(work)
        return head is None or head.state is not ImageState.WHOLE


@dataclass(frozen=True, slots=True)
class DropImage(BaseStep):
    """Nobody needs it any more."""

    kind: ClassVar[str] = "image.drop"

    @property
    def deadline(self) -> float:
        """For a slow server."""
        return CONNECT_SECONDS

    def text(self, work: Work) -> str:
        """For humans."""
        return "dropping the suspend image"

    async def apply(self, work: Work) -> None:
        """Its file is removed; a VDI is its owner's, and holds no image afterwards."""
        await _connect(work)
        await image.drop(work)


@dataclass(frozen=True, slots=True)
class DisconnectImage(BaseStep):
    """Let its VDI go."""

    kind: ClassVar[str] = "image.disconnect"

    @property
    def deadline(self) -> float:
        """For a slow server."""
        return CONNECT_SECONDS

    def text(self, work: Work) -> str:
        """For humans."""
        return "disconnecting the VDI of the suspend image"

    async def apply(self, work: Work) -> None:
        """Now, or later."""
        await let_go(work, image_datapath(work.spec.id))


async def _connect(work: Work) -> None:
    """Have the VDI of the image, also after an agent died that had let it go already."""
    if work.image is not None and work.image.kind is SourceKind.VDI:
        vdi = VdiId(work.image.path)
        await work.storage.connect(image_datapath(work.spec.id), vdi, AttachMode.RW, IoLimits())


async def _check(work: Work) -> None:
    """Can the guest go on from it? Raises SuspendImageUnusable."""
    head = await image.read(work)
    if head is None or head.state is ImageState.EMPTY:
        raise image.unusable(work, "there is none, or it is not complete; shut the VM down hard")
    if head.state is ImageState.TAKEN:
        raise image.unusable(work, "the guest has gone on from it before; shut the VM down hard")
    if not _fits(work, head):
        raise image.unusable(work, "it is of another VM, or of another size")


def _fits(work: Work, head: ImageHead) -> bool:
    """A file is of its own VM; the image in a VDI may be a copy, of whichever VM its owner says."""
    mine = head.vm == work.spec.id or (work.image is not None and work.image.kind is SourceKind.VDI)
    return mine and head.fits(work.spec)


async def _become(work: Work, state: ImageState) -> None:
    head = await image.read(work)
    if head is not None and _fits(work, head) and head.state is not state:
        await image.write(work, replace(head, state=state))


async def _own_domain(work: Work, domid: DomId) -> Domain | None:
    """That domain, if it is there and the VM's."""
    domain = await work.hypervisor.domain(domid)
    return None if domain is None or domain.vm != work.spec.id or domain.dying else domain


def _parts(work: Work) -> Callable[[int], None]:
    """Percents that a driver tells, as the operation's progress."""

    def tell(percent: int) -> None:
        work.part = percent / 100
        work.on_part()

    return tell
