"""A stream of bytes, read in pieces of the reader's choice."""

from collections.abc import AsyncIterable
from typing import Final

from xenhost.core.units import MIB
from xenhost.sm.image.bad import BadImage

_PART: Final = MIB


class ByteStream:
    """Chunks of any size in; exactly what is asked for out. Keeps no more than was asked for and one chunk."""

    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        self._chunks = aiter(chunks)
        self._held = bytearray()
        self.position = 0
        """Bytes handed out."""

    async def read(self, length: int) -> bytes:
        """Exactly so many. Raises BadImage if the stream ends before."""
        data = await self.read_upto(length)
        if len(data) < length:
            raise BadImage(f"the image ends after {self.position} bytes; it is not whole")
        return data

    async def peek(self, length: int) -> bytes:
        """The next so many bytes, or all there are, which stay to be read."""
        await self._fill(length)
        return bytes(self._held[:length])

    async def read_upto(self, length: int) -> bytes:
        """So many, or fewer at the end of the stream only."""
        await self._fill(length)
        data = bytes(self._held[:length])
        del self._held[:length]
        self.position += len(data)
        return data

    async def skip_to(self, position: int) -> None:
        """Throw away what comes before a position."""
        while self.position < position:
            await self.read(min(_PART, position - self.position))

    async def _fill(self, length: int) -> None:
        while len(self._held) < length:
            try:
                self._held += await anext(self._chunks)
            except StopAsyncIteration:
                return
