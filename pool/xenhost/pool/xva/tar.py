"""The tar of an archive: members written one by one, and read as they come."""

import tarfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from xenhost.pool.call import ApiError

BLOCK: Final = 512
END: Final = bytes(2 * BLOCK)
"""What an archive ends with."""
MAX_NAME: Final = 100
"""Bytes, as the oldest form of a header has them."""


@dataclass(frozen=True, slots=True)
class Member:
    """What stands in front of a file."""

    name: str
    size: int


def member(name: str, data: bytes, time: int = 0, end: bytes = b"") -> bytes:
    """A file with its header, filled up to whole blocks, and what is behind it. `time` in seconds since 1970."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(data), 0o400, time
    return b"".join((info.tobuf(tarfile.USTAR_FORMAT), data, bytes(-len(data) % BLOCK), end))


def parse_header(untrusted: bytes) -> Member | None:
    """A block that is a header; None at the end of the archive. Raises ApiError IMPORT_ERROR."""
    if not untrusted.strip(b"\0"):
        return None
    try:
        info = tarfile.TarInfo.frombuf(untrusted, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError, OverflowError) as error:
        raise ApiError("IMPORT_ERROR", f"not a tar header: {error}"[:200]) from error
    if not info.isreg() or info.size < 0 or not info.name.isascii() or not info.name.isprintable():
        raise ApiError("IMPORT_ERROR", f"the archive holds {info.name[:MAX_NAME]!r}, which is no plain file")
    return Member(info.name, info.size)


class TarReader:
    """Members of a tar that comes in pieces."""

    def __init__(self, untrusted: AsyncIterator[bytes]) -> None:
        self._pieces: Final = untrusted
        self._held = b""
        self._at = 0

    async def next(self) -> Member | None:
        """The next header; None at the end. What was before it has been read. Raises ApiError IMPORT_ERROR…"""
        return parse_header(await self._exactly(BLOCK))

    async def content(self, header: Member, limit: int) -> bytes:
        """All of a file of at most `limit` bytes. Raises ApiError IMPORT_ERROR…"""
        if header.size > limit:
            raise ApiError("IMPORT_ERROR", f"{header.name} has {header.size} bytes; {limit} are the most")
        data = await self._exactly(header.size)
        await self._exactly(-header.size % BLOCK)
        return data

    async def _exactly(self, size: int) -> bytes:
        """Raises ApiError IMPORT_ERROR_PREMATURE_EOF."""
        parts: list[bytes] = []
        while size > 0:
            if self._at == len(self._held):
                piece = await anext(self._pieces, None)
                if piece is None:
                    raise ApiError("IMPORT_ERROR_PREMATURE_EOF")
                self._held, self._at = piece, 0
                continue
            part = self._held[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
