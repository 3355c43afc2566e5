"""VM.import: an archive that the master gets from a web server."""

import asyncio
import base64
import http.client
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final
from urllib.error import URLError
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, Request

from xenhost.core.units import KIB
from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.storage.streams import VdiStreams
from xenhost.pool.xva.importer import Importer
from xenhost.pool.xva.planning import Wanted

SILENT_SECONDS: Final = 60.0
"""The server's longest pause."""
_PIECE: Final = 256 * KIB


class ImportUrl:
    """Answers it."""

    def __init__(self, database: Database, streams: VdiStreams, importer: Importer) -> None:
        self._database: Final = database
        self._streams: Final = streams
        self._importer: Final = importer

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {"VM.import": self.load}

    async def load(self, context: Context, url: str, sr: Ref, full_restore: bool, force: bool) -> tuple[Ref, ...]:
        """The VMs. Raises ApiError IMPORT_ERROR if the server does not give it, and as any import."""
        if self._database.get("SR", sr)["content_type"] == "iso":
            raise ApiError("SR_OPERATION_NOT_SUPPORTED", sr)
        self._streams.check(NULL_REF, sr)
        async with aclosing(_fetched(url)) as pieces:
            return await self._importer.load(context, Wanted(sr, full_restore, force), pieces)


async def _fetched(url: str) -> AsyncGenerator[bytes, None]:
    """Redirects are not followed. Raises ApiError IMPORT_ERROR, INVALID_VALUE."""
    request = _request(url)
    opener = OpenerDirector()  # knows HTTP alone: no files, no FTP
    opener.add_handler(HTTPHandler())
    opener.add_handler(HTTPSHandler())
    try:
        answer = await asyncio.to_thread(opener.open, request, timeout=SILENT_SECONDS)
        if answer is None or answer.status != http.HTTPStatus.OK:
            raise ApiError("IMPORT_ERROR", f"the server answers {answer.status if answer is not None else 'nothing'}")
        try:
            while piece := await asyncio.to_thread(answer.read1, _PIECE):
                yield piece
        finally:
            # a thread may still wait for the server, up to its longest pause, and closing waits for the thread
            asyncio.get_running_loop().run_in_executor(None, answer.close)
    except (OSError, URLError, http.client.HTTPException, ValueError) as error:
        raise ApiError("IMPORT_ERROR", f"the server cannot be read: {error}"[:300]) from error


def _request(url: str) -> Request:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ApiError("INVALID_VALUE", "url", _shown(url)) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ApiError("INVALID_VALUE", "url", _shown(url))
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    place = host if port is None else f"{host}:{port}"
    request = Request(SplitResult(parts.scheme, place, parts.path or "/", parts.query, "").geturl())
    if parts.username is not None:
        words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_header("Authorization", f"Basic {base64.b64encode(words.encode()).decode()}")
    return request


def _shown(url: str) -> str:
    """Without a password."""
    return url.rpartition("@")[2][:200]
