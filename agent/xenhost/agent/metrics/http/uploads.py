"""The body of PUT /rrd. XenServer gives no length and no chunks: it waits for our answer, writes, and hangs up."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from xenhost.system.http.message import TAKEN_OVER, HttpError, Request, Response

MAX_UPLOAD: Final = 64 << 20
"""Bytes, packed or not; a database of 2,000 data sources as XML has 40 MiB."""
_GO_ON: Final = b"HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-cache, no-store\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Upload:
    """What came, and what to answer when it is done."""

    data: bytes
    response: Response


@contextlib.asynccontextmanager
async def received(request: Request) -> AsyncIterator[Upload]:
    """The whole body. Raises HttpError, BodyTooLarge, BodyCut, StreamEnded."""
    if request.body.length is not None or request.headers.get("transfer-encoding"):
        yield Upload(await request.body.read(MAX_UPLOAD), Response(HTTPStatus.OK))
        return
    stream = await request.take_over()
    await stream.write(_GO_ON)
    pieces: list[bytes] = []
    size = 0
    async for piece in stream.upload():
        size += len(piece)
        if size > MAX_UPLOAD:
            stream.abort()
            raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {MAX_UPLOAD} bytes")
        pieces.append(piece)
    yield Upload(b"".join(pieces), TAKEN_OVER)
