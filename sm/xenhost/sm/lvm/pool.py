"""The thin pool of an SR: how full it is, and what its volumes map."""

import asyncio
from collections.abc import Mapping as Dict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from xenhost.core.units import GIB, KIB, MIB
from xenhost.sm.command import CommandError, Commands
from xenhost.sm.lvm import names
from xenhost.sm.lvm.group import VolumeGroup
from xenhost.sm.lvm.mapping import BadMapping, DumpReader, Mapping
from xenhost.sm.lvm.tool import DeviceMissing, LvmError

CHUNK: Final = 64 * KIB
_METADATA_BLOCK: Final = 4 * KIB
_LARGEST_METADATA: Final = 15 * GIB
_DUMP_TIMEOUT: Final = 600.0
METADATA_GROWS_AT: Final = 0.7
"""Share of the metadata in use from which it is made bigger."""


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """How full a pool is. Sizes in bytes."""

    data_used: int
    data_size: int
    metadata_used: int
    metadata_size: int
    problem: str
    held: bool
    """There is a metadata snapshot."""


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """Sizes of a pool to be made."""

    data: int
    metadata: int
    chunk: int


def plan(free: int, extent: int) -> PoolPlan | None:
    """How a volume group of so many free bytes is divided; None: it is too small.

    The metadata is there twice (LVM keeps a spare for repairs), and as much again stays free for it to grow.
    """
    chunk = CHUNK
    while free // chunk * 64 > _LARGEST_METADATA:
        chunk *= 2
    metadata = -(-max(free // chunk * 64, 4 * MIB) // extent) * extent
    data = (free - 3 * metadata) // extent * extent
    return PoolPlan(data, metadata, chunk) if data >= 4 * extent else None


def parse_status(untrusted_line: str, chunk: int) -> PoolStatus:
    """The line of `dmsetup status` for a pool. Raises LvmError if the pool is broken."""
    words = untrusted_line.split()
    try:
        if len(words) < 8 or words[2] != "thin-pool":
            raise ValueError
        metadata_used, metadata_size = (int(part) for part in words[4].split("/"))
        data_used, data_size = (int(part) for part in words[5].split("/"))
    except ValueError as error:
        raise LvmError(f"the thin pool does not work: {untrusted_line.strip()[:200] or 'it has no status'}") from error
    problem = ""
    if "needs_check" in words[8:]:
        problem = "the thin pool's metadata needs a check: detach the SR and run lvconvert --repair on it"
    elif words[7] == "ro":
        problem = "the thin pool is read-only because its metadata is full or damaged"
    elif words[7] == "out_of_data_space":
        problem = "the thin pool is full: guests that write get errors until something is deleted"
    return PoolStatus(
        data_used * chunk,
        data_size * chunk,
        metadata_used * _METADATA_BLOCK,
        metadata_size * _METADATA_BLOCK,
        problem,
        words[6] != "-",
    )


class ThinPool:
    """The active pool of a volume group."""

    def __init__(self, group: VolumeGroup, commands: Commands, chunk: int) -> None:
        self._group = group
        self._commands = commands
        self.chunk = chunk
        self._device = names.mapper_name(group.name, names.POOL)
        self._metadata = f"/dev/mapper/{names.mapper_name(group.name, names.POOL)}_tmeta"
        self._lock = asyncio.Lock()
        """A pool has one metadata snapshot at a time."""

    async def status(self) -> PoolStatus:
        """How full it is. Raises LvmError."""
        return parse_status(await self._dm("status", "--noflush"), self.chunk)

    async def mapped(self) -> Dict[int, int]:
        """Bytes stored for each thin volume, shared or not. Raises LvmError."""
        async with self._lock:
            await self._reserve()
            try:
                result = await self._commands.run(
                    *("thin_ls", "-m", "--no-headers", "--format", "DEV,MAPPED_BLOCKS", self._metadata),
                    timeout=_DUMP_TIMEOUT,
                )
            except CommandError as error:
                raise LvmError(str(error)) from error
            finally:
                await self._release()
        found = {}
        for line in result.text().splitlines():
            words = line.split()
            if len(words) == 2 and all(word.isascii() and word.isdigit() for word in words):
                found[int(words[0])] = int(words[1]) * self.chunk
        return found

    async def mappings(self, volumes: Sequence[tuple[int, int]]) -> Sequence[Mapping]:
        """What volumes (thin id, size) map, all at one instant. Raises LvmError, BadMapping."""
        readers = [DumpReader(thin_id, size) for thin_id, size in volumes]
        async with self._lock:
            await self._reserve()
            try:
                for (thin_id, _), reader in zip(volumes, readers, strict=True):
                    await self._commands.run(
                        *("thin_dump", "-m", "--dev-id", str(thin_id), self._metadata),
                        timeout=_DUMP_TIMEOUT,
                        on_output=reader.feed,
                        max_output=0,
                    )
            except CommandError as error:
                raise BadMapping(str(error)) from error
            finally:
                await self._release()
        return [reader.mapping() for reader in readers]

    async def release_left(self) -> None:
        """Drop the metadata snapshot that an agent which died has left: it holds freed blocks of metadata."""
        if (await self.status()).held:
            await self._release()

    async def _reserve(self) -> None:
        await self.release_left()
        await self._dm("message", "0", "reserve_metadata_snap")

    async def _release(self) -> None:
        await self._dm("message", "0", "release_metadata_snap")

    async def _dm(self, verb: str, *words: str) -> str:
        """Run dmsetup on the pool: as long as it has no volumes, LVM activates it without the layer `-tpool`."""
        options = [word for word in words if word.startswith("-")]
        rest = [word for word in words if not word.startswith("-")]
        try:
            return await self._group.lvm.dm(verb, *options, f"{self._device}-tpool", *rest)
        except DeviceMissing:
            return await self._group.lvm.dm(verb, *options, self._device, *rest)
