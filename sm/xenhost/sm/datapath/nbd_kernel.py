"""The kernel's NBD devices, through generic netlink and sysfs. Everything here blocks: it is for threads.

A device carries its VDI and the process that serves it as backend identifier, which the kernel keeps with it and shows
in sysfs. So there is no file that could be wrong: which device belongs to which VDI is read from the kernel, and a
change of a device that meanwhile became another's is refused by it.

One connection and no time-out of requests: with several, or with a time-out, Linux sends a request that takes long a
second time, and the late first one may then overwrite newer data. When a connection breaks, requests wait for the next
one, DEAD_CONNECTION seconds at most; those that were on their way are sent again after RETRY seconds. That is for an
export that was made anew by its process, which ends all requests before. A device is never connected to another
process: what the first one had acknowledged, but not yet written (a qcow2 image's tables), died with it, and a guest
that went on would find old data where it had written new.
"""

import errno
import mmap
import os
import re
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from xenhost.core.storage import Backend, VdiId
from xenhost.sm.datapath.nbd_proto import ExportInfo, Handshake, NbdProtocolError, TransmissionFlag
from xenhost.system import genl, netlink

DEAD_CONNECTION: Final = 300
"""Seconds a new request waits for an export that is made anew, even if the agent is started again meanwhile."""
RETRY: Final = 5.0
"""Seconds after which a request of a broken connection is sent again on the next."""
TIMEOUT: Final = 20.0
SECTOR: Final = 512

_FAMILY: Final = "nbd"
_CONNECT, _DISCONNECT, _RECONFIGURE = 1, 2, 3
_INDEX, _SIZE, _BLOCK_SIZE, _TIMEOUT, _SERVER_FLAGS, _CLIENT_FLAGS, _SOCKETS, _DEAD_CONNECTION = range(1, 9)
_BACKEND: Final = 10
_SOCKET_ITEM: Final = 1
_SOCKET_FD: Final = 1
_DESTROY_ON_DISCONNECT: Final = 1
_PREFIX: Final = "xenhost/"
_NAME: Final = re.compile(r"nbd(0|[1-9][0-9]{0,5})")
_IDENTIFIER: Final = re.compile(_PREFIX + r"([^/\s]+)/([0-9]+-[0-9]+)")


@dataclass(frozen=True, slots=True)
class Device:
    """A device of ours."""

    index: int
    vdi: VdiId
    server: str
    """The process that serves it: its pid and when it started."""

    @property
    def path(self) -> str:
        """Its node in dom0."""
        return f"/dev/nbd{self.index}"

    @property
    def identifier(self) -> str:
        """As the kernel keeps it."""
        return f"{_PREFIX}{self.vdi}/{self.server}"


def devices(vdi: VdiId, sysfs: Path = Path("/sys")) -> Sequence[Device]:
    """Devices of a VDI that are not torn down. More than one only after its server died under somebody's hands."""
    return [device for device in _all(sysfs) if device.vdi == vdi and _bound(device)]


def _all(sysfs: Path) -> Iterator[Device]:
    for folder in sorted((sysfs / "block").glob("nbd*")):
        match = _NAME.fullmatch(folder.name)
        try:
            identifier = (folder / "backend").read_text().strip()
        except OSError:
            continue  # not connected, or by another tool
        if match and (parts := _IDENTIFIER.fullmatch(identifier)):
            yield Device(int(match[1]), VdiId(parts[1]), parts[2])


def _bound(device: Device) -> bool:
    """Not so any more if it was disconnected and somebody still has it open."""
    try:
        _reconfigure(device, [])
    except OSError as error:
        if error.errno == errno.EINVAL:
            return False
        raise
    return True


def server_lives(device: Device) -> bool:
    """Does the process run that served it when it was connected?"""
    pid, _, _ = device.server.partition("-")
    return _process(int(pid)) == device.server


def loaded(sysfs: Path = Path("/sys")) -> bool:
    """Is the driver there?"""
    return (sysfs / "module/nbd").exists()


def connect(vdi: VdiId, backend: Backend) -> Device:
    """Make a device of an export. Raises OSError, NbdProtocolError."""
    connection, info, server = _handshake(backend)
    wanted = Device(-1, vdi, server)
    with connection:
        answer = genl.call(
            _FAMILY,
            _CONNECT,
            [
                netlink.u64(_SIZE, info.size),
                netlink.u64(_BLOCK_SIZE, SECTOR),
                netlink.u64(_TIMEOUT, 0),
                netlink.u64(_SERVER_FLAGS, info.flags & ~TransmissionFlag.CAN_MULTI_CONN),
                netlink.u64(_CLIENT_FLAGS, _DESTROY_ON_DISCONNECT),
                netlink.u64(_DEAD_CONNECTION, DEAD_CONNECTION),
                netlink.text(_BACKEND, wanted.identifier),
                _socket(connection),
            ],
            TIMEOUT,
        )
    device = replace(wanted, index=int(struct.unpack_from("=I", answer[_INDEX])[0]))
    if device not in devices(vdi):
        disconnect(device)
        raise OSError(errno.EOPNOTSUPP, "the kernel does not keep backend identifiers; Linux 5.14 or newer is needed")
    Path(f"/sys/block/nbd{device.index}/queue/io_timeout").write_text(str(round(RETRY * 1000)))
    return device


def serves(backend: Backend) -> str:
    """The process that serves an export. Raises OSError."""
    with _connected(backend) as connection:
        return _peer(connection)


def reconnect(device: Device, backend: Backend) -> ExportInfo:
    """Give a device whose connection is broken a new one, and the size the export has now. No harm if it is not broken.

    Raises OSError (EINVAL: the device is another VDI's now, or its server another process), NbdProtocolError.
    """
    connection, info, server = _handshake(backend)
    with connection:
        _reconfigure(replace(device, server=server), [netlink.u64(_SIZE, info.size), _socket(connection)])
    return info


def is_read_only(device: Device) -> bool:
    """Does the device refuse writes?"""
    return Path(f"/sys/block/nbd{device.index}/ro").read_text().strip() == "1"


def size(device: Device) -> int:
    """Its size in bytes."""
    return int(Path(f"/sys/block/nbd{device.index}/size").read_text()) * SECTOR


def answers(device: Device) -> None:
    """Return when the device has answered a read. Blocks for as long as nothing answers. Raises OSError."""
    file = os.open(device.path, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    try:
        with mmap.mmap(-1, mmap.PAGESIZE) as aligned:
            os.preadv(file, [aligned], 0)
    finally:
        os.close(file)


def flush(device: Device) -> None:
    """Make durable what was written through the device. Raises OSError."""
    file = os.open(device.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def disconnect(device: Device) -> None:
    """Free the device; requests under way fail. It is gone when nobody has it open any more. Raises OSError."""
    _reconfigure(device, [])  # refused if it is another's now
    genl.call(_FAMILY, _DISCONNECT, [netlink.u32(_INDEX, device.index)], TIMEOUT)


def _reconfigure(device: Device, attributes: list[bytes]) -> None:
    head = [netlink.u32(_INDEX, device.index), netlink.text(_BACKEND, device.identifier)]
    genl.call(_FAMILY, _RECONFIGURE, [*head, *attributes], TIMEOUT)


def _socket(connection: socket.socket) -> bytes:
    item = netlink.nested(_SOCKET_ITEM, [netlink.u32(_SOCKET_FD, connection.fileno())])
    return netlink.nested(_SOCKETS, [item])


def _handshake(backend: Backend) -> tuple[socket.socket, ExportInfo, str]:
    """A connection that has negotiated, ready for the kernel, which knows simple replies only; and its server."""
    handshake = Handshake(backend.export, structured=False)
    connection = _connected(backend)
    try:
        while handshake.info is None:
            if not (data := connection.recv(4096)):
                raise NbdProtocolError(f"{backend.path} closed the connection during the handshake")
            connection.sendall(handshake.feed(data))
        connection.settimeout(None)
        return connection, handshake.info, _peer(connection)
    except BaseException:
        connection.close()
        raise


def _connected(backend: Backend) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        connection.settimeout(TIMEOUT)
        connection.connect(backend.path)
    except BaseException:
        connection.close()
        raise
    return connection


def _peer(connection: socket.socket) -> str:
    pid, _, _ = struct.unpack("=iii", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if not (process := _process(pid)):
        raise ConnectionResetError(errno.ECONNRESET, "the NBD server is gone")
    return process


def _process(pid: int) -> str:
    """The pid and when the process started, so that it is never taken for another; empty: there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat[stat.rindex(")") + 2 :].split()
    return "" if fields[0] in "ZX" else f"{pid}-{fields[19]}"
