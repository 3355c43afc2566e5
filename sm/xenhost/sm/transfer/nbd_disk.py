"""An NBD export as a disk."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from xenhost.core.storage import Backend
from xenhost.core.storage_errors import backend_failure
from xenhost.sm.datapath.nbd_client import ALLOCATION, ZERO, NbdClient, NbdError
from xenhost.sm.transfer.disk import EIO, MAX_EXTENTS, Extent


class NbdDisk:
    """One connection to the server of an activated VDI."""

    def __init__(self, client: NbdClient) -> None:
        self._client = client
        self._tells = ALLOCATION in client.info.contexts
        self.size = client.info.size

    @classmethod
    async def open(cls, backend: Backend) -> "NbdDisk":
        """Connect. Raises SrBackendFailure 200."""
        with _nbd_errors():
            return cls(await NbdClient.connect_to(backend, (ALLOCATION,)))

    async def read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes."""
        with _nbd_errors():
            return await self._client.read(offset, length)

    async def write(self, offset: int, data: bytes) -> None:
        """Write all of it."""
        with _nbd_errors():
            await self._client.write(offset, data)

    async def zero(self, offset: int, length: int) -> None:
        """Make a range zeros that take no space."""
        with _nbd_errors():
            await self._client.zero(offset, length)

    async def flush(self) -> None:
        """Make durable what was written."""
        with _nbd_errors():
            await self._client.flush()

    async def extents(self, offset: int, length: int) -> Sequence[Extent]:
        """As the server tells; all is data if it does not."""
        if not self._tells:
            return [Extent(offset, length, data=True)]
        found: list[Extent] = []
        with _nbd_errors():
            async for at, extent in self._client.extents(ALLOCATION, offset, length):
                found.append(Extent(at, extent.length, data=not extent.flags & ZERO))
                if len(found) == MAX_EXTENTS:
                    break
        return found

    async def close(self) -> None:
        """End the connection."""
        await self._client.close()


@contextmanager
def _nbd_errors() -> Iterator[None]:
    try:
        yield
    except NbdError as error:
        raise backend_failure(EIO, str(error)) from error
