"""What the contract suite of the storage port stands on: a type of SR, places for SRs, and a hand on their bytes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol
from uuid import uuid4

import pytest

from xenhost.core.ports.storage import Sr, SrDriver
from xenhost.core.storage import (
    AttachMode,
    Backend,
    Capability,
    IoLimits,
    NewSnapshot,
    NewVdi,
    SrSpec,
    Vdi,
    VdiId,
)
from xenhost.core.units import KIB, MIB

NO_LIMITS = IoLimits()
BLOCK = 64 * KIB


class Bytes(Protocol):
    """The bytes of an activated VDI."""

    async def read(self, offset: int, length: int) -> bytes:
        """Exactly these."""
        ...

    async def write(self, offset: int, data: bytes) -> None:
        """Put them there."""
        ...

    async def flush(self) -> None:
        """Have them kept."""
        ...


Opener = Callable[[Sequence[Backend], AttachMode], AbstractAsyncContextManager[Bytes]]


@dataclass(slots=True)
class StorageGround:
    """One type of SR for one promise. Made by the binding; `close` leaves the host as it was."""

    driver: SrDriver
    spec: Callable[[], SrSpec]
    """An SR with a new UUID and place of its own, not made yet."""
    restart: Callable[[], Awaitable[SrDriver]]
    """The driver of a new agent on the same host; what the old one served is still served."""
    open: Opener
    size: int = 8 * MIB
    """Of a small VDI."""
    patience: float = 30.0
    own_ids: bool = False
    """The driver gives VDIs UUIDs of its own, not those it is asked for. Asked for the same one, it is the same VDI."""
    deviations: Mapping[str, str] = field(default_factory=dict)
    """Promises that this type cannot show: name and why."""
    _open: list[Sr] = field(default_factory=list)

    def needs(self, *capabilities: Capability) -> None:
        """Skip the promise unless the driver declares them."""
        missing = [each for each in capabilities if not self.driver.info.can(each)]
        if missing:
            pytest.skip(f"{self.driver.info.type} does not declare {', '.join(missing)}")

    async def made(self) -> tuple[SrSpec, Sr]:
        """A new SR, attached."""
        spec = self.spec()
        await self.driver.create(spec)
        return spec, await self.attached(spec)

    async def attached(self, spec: SrSpec) -> Sr:
        """An SR that is there, attached; `close` detaches it."""
        sr = await self.driver.attach(spec)
        self._open.append(sr)
        return sr

    async def detached(self, sr: Sr) -> None:
        """Detach it now."""
        self._open.remove(sr)
        await sr.detach()

    def forget(self, sr: Sr) -> None:
        """The promise ends it by itself."""
        self._open.remove(sr)

    async def reborn(self, spec: SrSpec, sr: Sr) -> Sr:
        """The SR as a new agent attaches it, the old one having ended without a word."""
        self._open.remove(sr)
        self.driver = await self.restart()
        return await self.attached(spec)

    async def vdi(self, sr: Sr, data: Mapping[int, bytes] | None = None, **fields: object) -> VdiId:
        """A small VDI, perhaps with something in it."""
        new = NewVdi(**{"id": fresh(), "virtual_size": self.size, **fields})  # type: ignore[arg-type]  # a test's own
        vdi = (await sr.create_vdi(new)).id
        if data:
            await self.write(sr, vdi, data)
        return vdi

    async def snapshot(self, sr: Sr, vdi: VdiId) -> VdiId:
        """A snapshot of it."""
        new = NewSnapshot(fresh(), time=1_700_000_000.0)
        return (await sr.snapshot_vdi(vdi, new)).id

    async def clone(self, sr: Sr, vdi: VdiId) -> VdiId:
        """A clone of it."""
        return (await sr.clone_vdi(vdi, NewSnapshot(fresh()))).id

    async def begin(self, sr: Sr, vdi: VdiId, mode: AttachMode = AttachMode.RW) -> Sequence[Backend]:
        """Attach and activate."""
        await sr.attach_vdi(vdi, mode)
        return await sr.activate_vdi(vdi, mode, NO_LIMITS)

    async def end(self, sr: Sr, vdi: VdiId) -> None:
        """Deactivate and detach."""
        await sr.deactivate_vdi(vdi)
        await sr.detach_vdi(vdi)

    async def write(self, sr: Sr, vdi: VdiId, data: Mapping[int, bytes]) -> None:
        """Put bytes into an inactive VDI."""
        backends = await self.begin(sr, vdi)
        try:
            await self.put(backends, data)
        finally:
            await self.end(sr, vdi)

    async def put(self, backends: Sequence[Backend], data: Mapping[int, bytes]) -> None:
        """Put bytes into an active VDI."""
        async with self.open(backends, AttachMode.RW) as disk:
            for offset, piece in data.items():
                await disk.write(offset, piece)
            await disk.flush()

    async def read(self, sr: Sr, vdi: VdiId, offset: int, length: int) -> bytes:
        """Bytes of an inactive VDI."""
        backends = await self.begin(sr, vdi, AttachMode.RO)
        try:
            return await self.get(backends, offset, length)
        finally:
            await self.end(sr, vdi)

    async def get(self, backends: Sequence[Backend], offset: int, length: int) -> bytes:
        """Bytes of an active VDI."""
        async with self.open(backends, AttachMode.RO) as disk:
            return await disk.read(offset, length)

    async def holds(self, sr: Sr, vdi: VdiId, data: Mapping[int, bytes]) -> None:
        """Fail unless an inactive VDI holds these bytes."""
        backends = await self.begin(sr, vdi, AttachMode.RO)
        try:
            for offset, piece in data.items():
                assert await self.get(backends, offset, len(piece)) == piece, f"VDI {vdi} at {offset}"
        finally:
            await self.end(sr, vdi)

    async def found(self, sr: Sr) -> dict[VdiId, Vdi]:
        """What a scan finds."""
        return {vdi.id: vdi for vdi in (await sr.scan()).vdis}

    async def tidy(self, sr: Sr) -> int:
        """Do all chores; how many there were."""
        done = 0
        while chores := await sr.chores():
            for chore in chores:
                await sr.perform(chore, lambda fraction: None, 0)
            done += len(chores)
            assert done < 100, "the same chores are proposed for ever"
        return done

    async def close(self) -> None:
        """Deactivate what is active, and detach every SR."""
        for sr in self._open:
            for vdi in await sr.active_vdis():
                await self.end(sr, vdi)
            await sr.detach()
        self._open.clear()


def fresh() -> VdiId:
    """A new UUID."""
    return VdiId(str(uuid4()))


def block(text: str) -> bytes:
    """One block of a disk that is like no other."""
    return (text.encode() * BLOCK)[:BLOCK]
