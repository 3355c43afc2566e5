"""`/vncsnapshot`: a picture of a VM's screen, as JPEG, or as PNG for those who ask for it."""

import asyncio
import io
from http import HTTPStatus
from typing import Final

from PIL import Image

from xenhost.core.errors import XenhostError
from xenhost.pool.call import ApiError, Context
from xenhost.pool.consoles.finding import BUSY, attach, find
from xenhost.pool.consoles.rfb import Picture, RfbClient, RfbError
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.attached import Attached
from xenhost.system.http.message import HttpError, Request, Response

SECONDS: Final = 30.0
"""For the whole screen, as in xapi."""
AT_ONCE: Final = 4
"""A screen is up to 38 MB."""
_JPEG: Final = "image/jpeg"
_PNG: Final = "image/png"


class Snapshots:
    """Takes them."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._under_way = 0

    async def answer(self, context: Context, request: Request) -> Response:
        """GET /vncsnapshot. Raises HttpError."""
        found = find(self._database, request, only_screen=True)
        if self._under_way >= AT_ONCE:
            raise HttpError(HTTPStatus.SERVICE_UNAVAILABLE, "others take pictures; try again later", BUSY)
        self._under_way += 1
        try:
            console = await attach(self._agents, found)
            try:
                picture = await _taken(console)
            finally:
                console.close()
            content_type = _PNG if _PNG in request.headers.get("accept") else _JPEG
            image = await asyncio.to_thread(_encoded, picture, content_type)
        finally:
            self._under_way -= 1
        headers = (("Content-Type", content_type), ("Cache-Control", "no-store"))
        return Response(HTTPStatus.OK, headers, image)


async def _taken(console: Attached) -> Picture:
    """Raises HttpError."""
    buffer = bytearray()

    async def read(size: int) -> bytes:
        while len(buffer) < size:
            data = await console.read()
            if not data:
                raise RfbError("the screen has gone")
            buffer.extend(data)
        taken = bytes(buffer[:size])
        del buffer[:size]
        return taken

    try:
        async with asyncio.timeout(SECONDS):
            return await RfbClient(read, console.write).look()
    except TimeoutError as error:
        raise HttpError(HTTPStatus.GATEWAY_TIMEOUT, "the screen does not answer") from error
    except (RfbError, XenhostError, ApiError) as error:
        raise HttpError(HTTPStatus.BAD_GATEWAY, f"no picture: {error}") from error


def _encoded(picture: Picture, content_type: str) -> bytes:
    size = (picture.width, picture.height)
    image = Image.frombuffer("RGB", size, picture.pixels, "raw", "BGRX", 0, 1)
    written = io.BytesIO()
    image.save(written, "PNG" if content_type == _PNG else "JPEG")
    return written.getvalue()
