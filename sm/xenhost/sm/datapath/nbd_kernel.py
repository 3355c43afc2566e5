"""The kernel's NBD devices, through generic netlink and sysfs. Everything here blocks: it is for threads.

A device carries its VDI as backend identifier, which the kernel keeps with it and shows in sysfs. So there is no file
that could be wrong: which device belongs to which VDI is read from the kernel, and a change of a device that meanwhile
became another's is refused by it.

One connection and no time-out of requests: with several, or with a time-out, Linux sends a request that takes long a
second time, and the late first one may then overwrite newer data. A connection that breaks makes requests wait for the
next one, DEAD_CONNECTION seconds at most. Those that were on their way are sent again after RETRY seconds, which no
server has seen then: it is gone, or has ended the export and with it all that was in flight.
"""

import errno
import mmap
import os
import re
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from xenhost.core.storage import Backend, VdiId
from xenhost.sm.datapath.nbd_proto import ExportInfo, Handshake, NbdProtocolError, TransmissionFlag
from xenhost.system import genl

DEAD_CONNECTION: Final = 120
"""Seconds a request waits for a server that died to be started again."""
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


def devices(sysfs: Path = Path("/sys")) -> Mapping[VdiId, int]:
    """Devices of ours, by VDI."""
    found = {}
    for folder in (sysfs / "block").glob("nbd*"):
        match = _NAME.fullmatch(folder.name)
        try:
            identifier = (folder / "backend").read_text().strip()
        except OSError:
            continue  # not connected, or by an older tool
        if match and identifier.startswith(_PREFIX):
            found[VdiId(identifier.removeprefix(_PREFIX))] = int(match[1])
    return found


def loaded(sysfs: Path = Path("/sys")) -> bool:
    """Is the driver there?"""
    return (sysfs / "module/nbd").exists()


def connect(vdi: VdiId, backend: Backend) -> int:
    """Make a device of an export; its index. Raises OSError, NbdProtocolError."""
    connection, info = _handshake(backend)
    with connection:
        answer = genl.call(
            _FAMILY,
            _CONNECT,
            [
                genl.u64(_SIZE, info.size),
                genl.u64(_BLOCK_SIZE, SECTOR),
                genl.u64(_TIMEOUT, 0),
                genl.u64(_SERVER_FLAGS, info.flags & ~TransmissionFlag.CAN_MULTI_CONN),
                genl.u64(_CLIENT_FLAGS, _DESTROY_ON_DISCONNECT),
                genl.u64(_DEAD_CONNECTION, DEAD_CONNECTION),
                genl.text(_BACKEND, _PREFIX + vdi),
                _socket(connection),
            ],
            TIMEOUT,
        )
    index = int(struct.unpack_from("=I", answer[_INDEX])[0])
    if devices().get(vdi) != index:
        disconnect(vdi, index)
        raise OSError(errno.EOPNOTSUPP, "the kernel does not keep backend identifiers; Linux 5.14 or newer is needed")
    Path(f"/sys/block/nbd{index}/queue/io_timeout").write_text(str(round(RETRY * 1000)))
    return index


def reconnect(vdi: VdiId, index: int, backend: Backend) -> ExportInfo:
    """Give a device whose connection is broken a new one, and the size the export has now. No harm if it is not broken.

    Raises OSError (EINVAL: the device is another VDI's now), NbdProtocolError.
    """
    connection, info = _handshake(backend)
    with connection:
        _reconfigure(vdi, index, [genl.u64(_SIZE, info.size), _socket(connection)])
    return info


def is_read_only(index: int) -> bool:
    """Does the device refuse writes?"""
    return Path(f"/sys/block/nbd{index}/ro").read_text().strip() == "1"


def size(index: int) -> int:
    """Its size in bytes."""
    return int(Path(f"/sys/block/nbd{index}/size").read_text()) * SECTOR


def answers(index: int) -> None:
    """Return when the device has answered a read. Blocks for as long as nothing answers. Raises OSError."""
    device = os.open(f"/dev/nbd{index}", os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    try:
        with mmap.mmap(-1, mmap.PAGESIZE) as aligned:
            os.preadv(device, [aligned], 0)
    finally:
        os.close(device)


def flush(index: int) -> None:
    """Make durable what was written through the device. Raises OSError."""
    device = os.open(f"/dev/nbd{index}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(device)
    finally:
        os.close(device)


def disconnect(vdi: VdiId, index: int) -> None:
    """Free the device; requests under way fail. Raises OSError."""
    _reconfigure(vdi, index, [])  # refused if it is another VDI's now
    genl.call(_FAMILY, _DISCONNECT, [genl.u32(_INDEX, index)], TIMEOUT)


def _reconfigure(vdi: VdiId, index: int, attributes: list[bytes]) -> None:
    genl.call(
        _FAMILY, _RECONFIGURE, [genl.u32(_INDEX, index), genl.text(_BACKEND, _PREFIX + vdi), *attributes], TIMEOUT
    )


def _socket(connection: socket.socket) -> bytes:
    item = genl.nested(_SOCKET_ITEM, [genl.u32(_SOCKET_FD, connection.fileno())])
    return genl.nested(_SOCKETS, [item])


def _handshake(backend: Backend) -> tuple[socket.socket, ExportInfo]:
    """A connection that has negotiated, ready for the kernel: with simple replies, all that it knows."""
    handshake = Handshake(backend.export, structured=False)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        connection.settimeout(TIMEOUT)
        connection.connect(backend.path)
        while handshake.info is None:
            if not (data := connection.recv(4096)):
                raise NbdProtocolError(f"{backend.path} closed the connection during the handshake")
            connection.sendall(handshake.feed(data))
        connection.settimeout(None)
    except BaseException:
        connection.close()
        raise
    return connection, handshake.info
