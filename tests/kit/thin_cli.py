"""The client's half of the thin CLI protocol, as xe has it."""

import asyncio
import struct
from dataclasses import dataclass, field
from pathlib import Path

from xenhost.pool.cli_server.protocol import GREETING

OK = struct.pack("<iii", 8, 10, 5)
WAIT = struct.pack("<iii", 8, 10, 18)
FAILED = struct.pack("<iii", 8, 10, 6)
_GET = struct.pack("<i", 12)
_PUT = struct.pack("<i", 13)


@dataclass(slots=True)
class Ran:
    """What a command has printed, and how it ended."""

    out: list[str] = field(default_factory=list)
    err: str = ""
    error: tuple[str, ...] = ()
    status: int | None = None
    connected: list[str] = field(default_factory=list)
    """Where it was told to make a CONNECT."""


async def xe(at: int | Path, *args: str, greeting: bytes = GREETING) -> Ran:
    """Run it over HTTP/1.0 on a port of this machine, or on a unix socket. Files are moved, as xe does it."""
    if isinstance(at, Path):
        reader, writer = await asyncio.open_unix_connection(at)
    else:
        reader, writer = await asyncio.open_connection("127.0.0.1", at)
    body = "\n".join(args).encode()
    head = f"POST /cli HTTP/1.0\r\nUser-agent: xe-cli/Unix/0.2\r\nContent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    ran = Ran()
    try:
        async with asyncio.timeout(30):
            assert await reader.readexactly(len(GREETING)) == GREETING  # no header of HTTP before it
            writer.write(greeting)
            while ran.status is None:
                (length,) = struct.unpack("<i", await reader.readexactly(4))
                frame = await reader.readexactly(length)
                if frame[4:8] in (_GET, _PUT):
                    writer.write(OK if await _moved(at, frame) else FAILED)
                elif _take(ran, frame):
                    writer.write(WAIT + OK)
            assert await reader.read() == b""
    finally:
        writer.close()
    return ran


async def _moved(at: int | Path, frame: bytes) -> bool:
    """Do what HttpGet and HttpPut say. Says whether it was well."""
    assert isinstance(at, int)
    name, rest = _text(frame[8:])
    path, _ = _text(rest)
    is_put = frame[4:8] == _PUT
    if is_put and not Path(name).exists():
        return False
    reader, writer = await asyncio.open_connection("127.0.0.1", at)
    try:
        body = Path(name).read_bytes() if is_put else b""
        length = f"\r\nContent-length: {len(body)}" if is_put else ""
        writer.write(f"{'PUT' if is_put else 'GET'} {path} HTTP/1.0{length}\r\n\r\n".encode())
        if b" 200 " not in (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0]:
            return False
        writer.write(body)
        await writer.drain()
        if not is_put:
            Path(name).write_bytes(await reader.read())
    except OSError:
        return False
    finally:
        writer.close()
    return True


def _take(ran: Ran, frame: bytes) -> bool:
    """Says whether it wants a response."""
    kind, tag = struct.unpack_from("<ii", frame)
    assert kind == 9
    rest = frame[8:]
    match tag:
        case 0:
            ran.out.append(_text(rest)[0])
        case 4:
            (ran.status,) = struct.unpack("<i", rest)
        case 14:
            code, rest = _text(rest)
            (count,) = struct.unpack_from("<i", rest)
            rest, params = rest[4:], []
            for _ in range(count):
                param, rest = _text(rest)
                params.append(param)
            ran.error = (code, *params)
        case 16:
            ran.err += _text(rest)[0]
        case 17:
            ran.connected.append(_text(rest)[0])
            return True
        case _:
            raise AssertionError(f"command {tag}")
    return False


def _text(rest: bytes) -> tuple[str, bytes]:
    (length,) = struct.unpack_from("<i", rest)
    return rest[4 : 4 + length].decode(), rest[4 + length :]
