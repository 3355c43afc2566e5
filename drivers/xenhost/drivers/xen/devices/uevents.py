"""What dom0's kernel tells about devices: kobject uevents, so that nobody has to look again and again."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

_NETLINK_KOBJECT_UEVENT: Final = 15
_KERNEL_GROUP: Final = 1
_SIZE: Final = 16 * 1024


class Uevents:
    """A context in which no event is missed; `until` then waits for something to become so."""

    def __enter__(self) -> Self:
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, kind, _NETLINK_KOBJECT_UEVENT)
        try:
            self._socket.bind((0, _KERNEL_GROUP))
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    async def until(self, holds: Callable[[], bool], device: str, within: float) -> bool:
        """Look at `holds` now and at each event of the kernel device of that name; False after `within` seconds."""
        loop = asyncio.get_running_loop()
        suffix = os.fsencode(f"/{device}")
        try:
            async with asyncio.timeout(within):
                while not holds():
                    await self._event_of(loop, suffix)
        except TimeoutError:
            return holds()
        return True

    async def _event_of(self, loop: asyncio.AbstractEventLoop, suffix: bytes) -> None:
        """The next event of that device, or that events were lost: reason enough to look."""
        try:
            while not (await loop.sock_recv(self._socket, _SIZE)).partition(b"\0")[0].endswith(suffix):
                pass
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
