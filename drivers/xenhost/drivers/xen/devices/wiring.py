"""The steps that VBDs and VIFs share: looking, taking apart, asking the guest."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from xenhost.core.devices import DeviceClass
from xenhost.core.errors import DeviceAttachTimeout, DeviceDetachRejected, DeviceDetachTimeout, DomainGone
from xenhost.core.ids import DevId, DomId
from xenhost.core.ports.network import VifSwitch
from xenhost.core.vm import VmType
from xenhost.drivers.xen import paths
from xenhost.drivers.xen.devices import loop, nodes
from xenhost.drivers.xen.devices.kernel import Settling
from xenhost.drivers.xen.devices.records import DeviceRecord, VbdRecord, VifRecord, decode, path_of
from xenhost.drivers.xen.devices.uevents import Uevents
from xenhost.drivers.xen.devices.xenbus import TAKEN, XenbusState, changes, guest_text, parse_state, wait_for
from xenhost.native.xenstore import Batch, Transaction, Xenstore, XenstoreError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait for dom0's own kernel."""

    attach: float = 20.0
    """Until a backend driver has taken a device."""
    detach: float = 8.0
    """Until it has let it go, guest or no guest."""
    loop: float = 2.0
    """Until a loop device is free: somebody else, such as udev, may be looking at it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A device as it is now."""

    guest: VmType | None
    """Type of the domain; None if it is gone, or not one of ours."""
    record: DeviceRecord | None
    backend: XenbusState
    connected: bool
    """`hotplug-status` says so: plugging it was completed."""
    error: str
    """Why dom0's kernel refused it, empty if it did not."""


class Wiring:
    """Devices of any class on one xenstored."""

    def __init__(self, xs: Xenstore, kernel: Settling, switch: VifSwitch, patience: Patience) -> None:
        self.xs: Final = xs
        self.kernel: Final = kernel
        self.switch: Final = switch
        self.patience: Final = patience
        self._creating: Final = asyncio.Lock()

    async def look(self, domid: DomId, cls: DeviceClass, devid: DevId) -> Seen:
        """A device as it is now; also of a domain that is gone."""
        backend = paths.backend(domid, cls, devid)
        found = await self.xs.read_many(
            [
                paths.record_type(domid),
                paths.record_device(domid, cls, devid),
                f"{backend}/state",
                f"{backend}/hotplug-status",
                f"{nodes.backend_error(domid, cls, devid)}/error",
            ]
        )
        for value in found:
            if isinstance(value, XenstoreError):
                raise value
        guest = VmType(found[0].decode()) if isinstance(found[0], bytes) else None
        record = decode(domid, cls, devid, found[1]) if isinstance(found[1], bytes) else None
        return Seen(guest, record, parse_state(found[2]), found[3] == b"connected", guest_text(found[4]))

    async def place(self, domid: DomId, cls: DeviceClass, devid: DevId) -> Seen:
        """The place of a device in a domain that is ours. Raises DomainGone if it is not."""
        seen = await self.look(domid, cls, devid)
        if seen.guest is None:
            raise DomainGone(f"domain {domid} is gone, or not one of ours", vm="")
        return seen

    async def create(self, record: DeviceRecord, backend: nodes.Keys, frontend: nodes.Keys) -> None:
        """Write a device in one transaction, and return when its driver in dom0's kernel was probed.

        In a transaction, since the kernel asks xenstored twice about each node of a device that it does not know yet;
        so it knows the device at the first one's event, and the mark waits for no other.
        """
        batch, settled = nodes.plug_batch(record, backend, frontend, self.kernel.mark)

        async def write(tx: Transaction) -> None:
            await tx.apply(batch)

        try:
            async with self._creating:  # not to conflict with ourselves
                await self.xs.transact(write)
            await settled
        finally:
            settled.cancel()

    async def apply(self, batch: Batch) -> None:
        """Write, and return when dom0's kernel has handled all of it."""
        settled = self.kernel.mark(batch)
        try:
            await self.xs.apply(batch)
            await settled
        finally:
            settled.cancel()

    async def settle(self) -> None:
        """Return when dom0's kernel has handled everything written before."""
        await self.apply(Batch())

    async def taken(self, record: DeviceRecord) -> Seen:
        """The device when the backend driver has made up its mind: its state is in TAKEN, or it was refused.

        Raises DomainGone if the domain vanished meanwhile.
        """
        seen = await self.place(record.domid, record.cls, record.devid)
        if seen.backend is XenbusState.INITIALISING:  # its module is only just being loaded, or not there at all
            await wait_for(self.xs, f"{nodes.backend_path(record)}/state", TAKEN, self.patience.attach)
            await self.settle()
            seen = await self.place(record.domid, record.cls, record.devid)
        return seen

    @contextlib.asynccontextmanager
    async def attaching(
        self, record: DeviceRecord, undo: Callable[[], Coroutine[Any, Any, None]]
    ) -> AsyncIterator[None]:
        """The body makes the device, in the time allowed; if it fails or is cancelled, `undo` leaves nothing of it.

        Raises DeviceAttachTimeout.
        """
        try:
            try:
                async with asyncio.timeout(self.patience.attach):
                    yield
            except TimeoutError as error:
                raise DeviceAttachTimeout(
                    f"dom0's kernel did not take {record.name} of domain {record.domid} within"
                    f" {self.patience.attach:g} s; is its backend driver loaded?",
                    type=record.cls.upper(),
                    ref=record.name,
                ) from error
        except BaseException:
            await completed(undo())
            raise

    # Taking apart

    async def remove(self, records: Sequence[DeviceRecord], *, closed: bool = False) -> None:
        """Take devices away, whatever their guests think of it, and forget them. Idempotent.

        `closed`: their guests have closed them, so that only the kernel's answer to that is still to come.
        Raises DeviceDetachTimeout if dom0's kernel does not let go in time; their records then stay.
        """
        with Uevents() as uevents:
            if closed:
                await self._settled(records, self.settle())
            elif any(record.backend for record in records):
                await self.disconnect(records)
            await self.freed(records, uevents)
        for record in records:
            if isinstance(record, VifRecord):
                for interface in (record.interface, record.tap):
                    await self.switch.disconnect_vif(interface)
        await self.forget(records)

    async def disconnect(self, records: Sequence[DeviceRecord]) -> None:
        """Remove both ends and return when the kernel has let go of the devices. Raises DeviceDetachTimeout."""
        await self.let_go(records, nodes.unplug_batch(record for record in records if record.backend))

    async def let_go(self, records: Sequence[DeviceRecord], batch: Batch) -> None:
        """Write, and return when the kernel has let go of the devices by that. Raises DeviceDetachTimeout."""
        await self._settled(records, self.apply(batch))

    async def freed(self, records: Sequence[DeviceRecord], uevents: Uevents) -> None:
        """Wait until the loop devices are free: they free themselves, but only once nobody looks at them any more."""
        now = asyncio.get_running_loop().time
        deadline = now() + self.patience.loop
        for record in records:
            if isinstance(record, VbdRecord) and record.loop:
                name = record.loop.removeprefix("/dev/")
                await uevents.until(_is_freed(record), name, max(0.0, deadline - now()))

    async def forget(self, records: Sequence[DeviceRecord]) -> None:
        """Remove what is left of devices that are gone, and our records."""
        batch = nodes.unplug_batch(records)
        for record in records:
            batch.rm(path_of(record))
        await self.xs.apply(batch)

    async def _settled(self, records: Sequence[DeviceRecord], work: Coroutine[Any, Any, None]) -> None:
        """Do something that ends when the kernel has let go of devices. Raises DeviceDetachTimeout."""
        try:
            async with asyncio.timeout(self.patience.detach):
                await work
        except TimeoutError as error:
            names = ", ".join(record.name for record in records)
            raise DeviceDetachTimeout(
                f"dom0's kernel still holds {names} of domain {records[0].domid}; it may have I/O under way that"
                " does not end",
                type=records[0].cls.upper(),
                ref=names,
            ) from error

    # Asking the guest

    async def ask(self, record: DeviceRecord, within: float) -> None:
        """Have the guest let go of the device, waiting up to `within` seconds. Both ends are then to be removed.

        Raises DeviceDetachRejected with the guest's words, or DeviceDetachTimeout: the device is plugged as before.
        Cancelled: so it is too, or gone if the guest has closed it all the same.
        """
        try:
            async with asyncio.timeout(within):
                refusal = await self._answer(record)
        except BaseException as error:
            closed = await completed(self._keep(record))
            if closed and not isinstance(error, TimeoutError):
                await completed(self.remove([record]))
            if not isinstance(error, TimeoutError):
                raise
            if closed:
                return
            raise DeviceDetachTimeout(
                f"the guest did not let go of {record.name} within {within:g} s; a forced unplug does not ask it",
                type=record.cls.upper(),
                ref=record.name,
            ) from error
        if refusal and not await completed(self._keep(record)):
            raise DeviceDetachRejected(
                f"the guest refuses to let go of {record.name}: {refusal}",
                type=record.cls.upper(),
                ref=record.name,
                msg=refusal,
            )

    async def _answer(self, record: DeviceRecord) -> str:
        """Ask; empty when the device is closed, else the guest's refusal (bounded)."""
        state = f"{nodes.frontend_path(record)}/state"
        error = f"{nodes.guest_error(record.domid, record.cls, record.devid)}/error"
        async with changes(self.xs, state, error) as changed:
            await self.xs.apply(nodes.ask_batch(record))
            while True:
                await changed.wait()
                changed.clear()
                if await self._is_closed(record):
                    return ""
                if refusal := guest_text(await self.xs.get(error)):
                    return refusal

    async def _keep(self, record: DeviceRecord) -> bool:
        """Withdraw the request; True if the guest had closed the device before."""
        await self.xs.apply(nodes.keep_batch(record))
        return await self._is_closed(record)

    async def _is_closed(self, record: DeviceRecord) -> bool:
        """Whether the device is of no use any more: closed by either end, or its nodes are gone with the domain.

        It is the guest's own affair if it calls a device closed that is not.
        """
        ends = nodes.frontend_path(record), nodes.backend_path(record)
        states = map(parse_state, await self.xs.read_many([f"{end}/state" for end in ends]))
        return any(state in (XenbusState.CLOSED, XenbusState.UNKNOWN) for state in states)


def _is_freed(record: VbdRecord) -> Callable[[], bool]:
    """Whether the loop device is made of the record's file no more."""
    file = record.loop_file.encode("latin-1")
    return lambda: loop.backing(record.loop) != file


async def completed(work: Coroutine[Any, Any, T]) -> T:
    """Run something to its end even if the caller is cancelled meanwhile; the cancel then comes afterwards.

    For short work with a deadline of its own.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # it is superseded, and would be reported as never retrieved
        raise cancelled
    return task.result()
