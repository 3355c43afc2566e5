"""The two ways to xenstored: its unix socket and the kernel's /dev/xen/xenbus. Both never block."""

import asyncio
import errno
import os
import socket
import stat
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from xenhost.native.xenstore_errors import ConnectionLost

XENBUS_DEVICE: Final = "/dev/xen/xenbus"
_RECEIVE: Final = 64 * 1024
_BUSY_ATTEMPTS: Final = 1000
_BUSY_PAUSE: Final = 0.002


class Link(Protocol):
    """Bytes to and from xenstored."""

    window: int
    """Most requests that may be under way."""

    def start(self, on_readable: Callable[[], None], on_lost: Callable[[OSError], None]) -> None:
        """Watch for input. `on_lost` is called at most once, from the loop."""
        ...

    def send(self, views: list[memoryview]) -> None:
        """Send now what can be sent now, and the rest in order as room comes."""
        ...

    def receive(self) -> bytes | None:
        """What there is; None if nothing is, b"" at the end. Raises OSError."""
        ...

    def close(self) -> None:
        """Drop it. Idempotent."""
        ...


def default_address(environ: Mapping[str, str]) -> str:
    """Where libxenstore would go: XENSTORED_PATH, else the socket in XENSTORED_RUNDIR
    (/run/xenstored) if it is there, else the kernel's device."""
    if path := environ.get("XENSTORED_PATH"):
        return path
    sock = Path(environ.get("XENSTORED_RUNDIR", "/run/xenstored")) / "socket"
    device = Path(XENBUS_DEVICE)
    return str(device if not sock.exists() and device.exists() else sock)


async def open_link(address: str | None) -> Link:
    """Connect to a socket or open a character device. Raises ConnectionLost."""
    loop = asyncio.get_running_loop()
    if address is None:
        address = await asyncio.to_thread(default_address, os.environ)
    try:
        mode = (await asyncio.to_thread(os.stat, address)).st_mode
        if stat.S_ISCHR(mode):
            flags = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC
            return DeviceLink(loop, await asyncio.to_thread(os.open, address, flags))
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            await _connect(sock, address)
        except BaseException:
            sock.close()
            raise
        return SocketLink(loop, sock)
    except OSError as error:
        code = error.errno or errno.EIO
        raise ConnectionLost(code, "connect", address, sent=False) from error


async def _connect(sock: socket.socket, address: str) -> None:
    """Connect a unix socket that does not block. Raises OSError.

    xenstored listens with a backlog of one. While that is full connect() fails with EAGAIN and
    nothing is under way, unlike TCP; loop.sock_connect would take it for connected.
    """
    for _ in range(_BUSY_ATTEMPTS):
        try:
            sock.connect(address)
            return
        except BlockingIOError:
            await asyncio.sleep(_BUSY_PAUSE)
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


class SocketLink:
    """A unix stream socket. Takes any number of requests."""

    window = 2**31

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        self._loop = loop
        self._sock = sock
        self._backlog: deque[memoryview] = deque()
        self._on_lost: Callable[[OSError], None] | None = None

    def start(self, on_readable: Callable[[], None], on_lost: Callable[[OSError], None]) -> None:
        """See Link."""
        self._on_lost = on_lost
        self._loop.add_reader(self._sock, on_readable)

    def send(self, views: list[memoryview]) -> None:
        """See Link. Many small views leave in one system call."""
        data = views[0] if len(views) == 1 else memoryview(b"".join(views))
        if self._backlog:
            self._backlog.append(data)
            return
        rest = self._push(data)
        if rest:
            self._backlog.append(rest)
            self._loop.add_writer(self._sock, self._on_writable)

    def receive(self) -> bytes | None:
        """See Link."""
        try:
            return self._sock.recv(_RECEIVE)
        except (BlockingIOError, InterruptedError):
            return None

    def close(self) -> None:
        """See Link."""
        self._on_lost = None
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock.close()
        self._backlog.clear()

    def _push(self, data: memoryview) -> memoryview:
        """Send what goes; return the rest."""
        try:
            return data[self._sock.send(data) :]
        except (BlockingIOError, InterruptedError):
            return data
        except OSError as error:
            self._lose(error)
            return data[:0]

    def _on_writable(self) -> None:
        while self._backlog:
            rest = self._push(self._backlog[0])
            if not self._backlog:  # lost, and so closed, by _push
                return
            if rest:
                self._backlog[0] = rest
                return
            self._backlog.popleft()
        self._loop.remove_writer(self._sock)

    def _lose(self, error: OSError) -> None:
        """Tell once, from the loop: the caller is in the middle of something."""
        self._backlog.clear()
        self._loop.remove_writer(self._sock)
        self._loop.call_soon(self._tell, error)

    def _tell(self, error: OSError) -> None:
        on_lost, self._on_lost = self._on_lost, None
        if on_lost is not None:
            on_lost(error)


class DeviceLink:
    """/dev/xen/xenbus: one request under way at a time.

    The kernel takes one message a write and hands its own thread a pointer to the file's only
    buffer; a second write before the first one's answer overwrites that request's payload,
    silently (seen with Linux 6.1: reads answered for another path). Readers are woken through
    poll; it says nothing about writing, which never has to wait.

    Source: linux drivers/xen/xenbus/xenbus_dev_frontend.c, xenbus_xs.c
    (xenbus_dev_request_and_reply).
    """

    window = 1

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int) -> None:
        self._loop = loop
        self._fd = fd
        self._on_lost: Callable[[OSError], None] | None = None

    def start(self, on_readable: Callable[[], None], on_lost: Callable[[OSError], None]) -> None:
        """See Link."""
        self._on_lost = on_lost
        self._loop.add_reader(self._fd, on_readable)

    def send(self, views: list[memoryview]) -> None:
        """See Link."""
        for view in views:
            try:
                os.write(self._fd, view)
            except OSError as error:
                self._loop.call_soon(self._tell, error)
                return

    def receive(self) -> bytes | None:
        """See Link."""
        try:
            return os.read(self._fd, _RECEIVE)
        except (BlockingIOError, InterruptedError):
            return None

    def close(self) -> None:
        """See Link."""
        self._on_lost = None
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _tell(self, error: OSError) -> None:
        on_lost, self._on_lost = self._on_lost, None
        if on_lost is not None:
            on_lost(error)
