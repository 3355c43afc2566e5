"""The content of one disk after another, out of an archive: in order, whole, with right checksums, or not at all."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Container
from typing import Final

from xenhost.core.units import MIB
from xenhost.pool.call import ApiError, Ref
from xenhost.pool.storage.streams import Piece
from xenhost.pool.xva import checksum
from xenhost.pool.xva.tar import Member, TarReader

MAX_CHUNK: Final = 16 * MIB
"""All known writers have 1 MiB."""
_NAME: Final = re.compile(r"([A-Za-z]+:[0-9A-Za-z-]+)/([0-9]{1,12})")


class DiskReader:
    """Reads them in the order in which they are in the archive."""

    def __init__(
        self, tar: TarReader, ignored: Container[Ref], force: bool, progress: Callable[[int], None] = lambda size: None
    ) -> None:
        """`ignored` are disks that may be in it and are passed over; `force` passes over wrong checksums.

        `progress` is told how many bytes of disk have come.
        """
        self._tar: Final = tar
        self._ignored: Final = ignored
        self._force: Final = force
        self._progress: Final = progress

    async def disk(self, id: Ref, size: int) -> AsyncGenerator[Piece, None]:
        """All of it. Raises ApiError IMPORT_ERROR… for anything that is not as it should be.

        Numbers count chunks since the last one, zeros that were left out as well; a chunk without content, which some
        writers send to be heard of, counts for nothing but its number.
        """
        done, last, usual = 0, -1, MIB
        while done < size:
            member = await self._next(id, last)
            number = int(member.name.rpartition("/")[2])
            if number <= last:
                raise _unexpected(f"{id}/{last + 1:08}", member)
            data, is_zero = await self._checked(member)
            left_out = (number - last - 1) * usual
            if last < 0 and data:
                usual = len(data)
            if done + left_out + len(data) > size:
                raise ApiError("IMPORT_ERROR", f"{member.name}: the disk has {size} bytes, and no more")
            if left_out:
                yield Piece(zeros=left_out)
            if data:
                yield Piece(zeros=len(data)) if is_zero else Piece(data)
            done += left_out + len(data)
            last = number
            self._progress(left_out + len(data))

    async def _next(self, id: Ref, last: int) -> Member:
        """The next chunk of the disk, past those of ignored ones."""
        while True:
            member = await self._tar.next()
            if member is None:
                raise ApiError("IMPORT_ERROR_PREMATURE_EOF")
            named = _NAME.fullmatch(member.name)
            if named is None:
                raise _unexpected(f"{id}/{last + 1:08}", member)
            if named[1] == id:
                return member
            if named[1] not in self._ignored:
                raise _unexpected(f"{id}/{last + 1:08}", member)
            await self._checked(member)

    async def _checked(self, chunk: Member) -> tuple[bytes, bool]:
        """Its content, and whether that is all zeros. Raises ApiError IMPORT_ERROR_SOME_CHECKSUMS_FAILED."""
        data = await self._tar.content(chunk, MAX_CHUNK)
        member = await self._tar.next()
        if member is None:
            raise ApiError("IMPORT_ERROR_PREMATURE_EOF")
        sum_of = checksum.SUMS.get(member.name.removeprefix(chunk.name))
        if sum_of is None or not member.name.startswith(chunk.name):
            raise _unexpected(chunk.name + checksum.XXHASH, member)
        said = await self._tar.content(member, checksum.MAX_BYTES)
        found, is_zero = await asyncio.to_thread(lambda: (sum_of(data), not data.strip(b"\0")))
        if said.strip().lower() != found.lower().encode() and not self._force:
            raise ApiError("IMPORT_ERROR_SOME_CHECKSUMS_FAILED")
        return data, is_zero


def _unexpected(expected: str, found: Member) -> ApiError:
    return ApiError("IMPORT_ERROR_UNEXPECTED_FILE", expected, found.name[:200])
