"""VM.import: an archive that the master gets from a web server."""

import asyncio
import base64
import http.client
import socket
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import aclosing, suppress
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote, urlsplit

from xenhost.core.units import KIB
from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.storage.streams import VdiStreams
from xenhost.pool.xva.importer import MAX_IMPORTS, Importer
from xenhost.pool.xva.planning import Wanted

SILENT_SECONDS: Final = 60.0
"""The server's longest pause."""
ANSWER_SECONDS: Final = 120.0
"""Until it must have begun its answer."""
_PIECE: Final = 256 * KIB


class ImportUrl:
    """Answers it."""

    def __init__(
        self, database: Database, streams: VdiStreams, importer: Importer, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        self._database: Final = database
        self._streams: Final = streams
        self._importer: Final = importer
        self._answer_seconds: Final = answer_seconds
        self._threads: Final = ThreadPoolExecutor(MAX_IMPORTS, "import from a URL")
        """Its own: slow servers keep no threads that others need."""

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {"VM.import": self.load}

    async def load(self, context: Context, url: str, sr: Ref, full_restore: bool, force: bool) -> tuple[Ref, ...]:
        """The VMs. Raises ApiError IMPORT_ERROR if the server does not give it in time, and as any import."""
        if self._database.get("SR", sr)["content_type"] == "iso":
            raise ApiError("SR_OPERATION_NOT_SUPPORTED", sr)
        self._streams.check(NULL_REF, sr)
        async with aclosing(_fetched(_Visit(url), self._threads, self._answer_seconds)) as pieces:
            return await self._importer.load(context, Wanted(sr, full_restore, force), pieces)


async def _fetched(visit: "_Visit", threads: Executor, answer_seconds: float) -> AsyncGenerator[bytes, None]:
    """Redirects are not followed. Raises ApiError IMPORT_ERROR."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(answer_seconds):
            status = await loop.run_in_executor(threads, visit.ask)
        if status != HTTPStatus.OK:
            raise ApiError("IMPORT_ERROR", f"the server answers {status}")
        while piece := await loop.run_in_executor(threads, visit.read):
            yield piece
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ApiError("IMPORT_ERROR", f"the server cannot be read: {str(error) or 'it is too slow'}"[:300]) from error
    finally:
        visit.end()
        loop.run_in_executor(threads, visit.close)


class _Visit:
    """One request. All but `end` is for threads."""

    def __init__(self, url: str) -> None:
        """Raises ApiError INVALID_VALUE."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ApiError("INVALID_VALUE", "url", _shown(url)) from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ApiError("INVALID_VALUE", "url", _shown(url))
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection: Final = kind(parts.hostname, port, timeout=SILENT_SECONDS)
        self._target: Final = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers: Final = {"Connection": "close"}
        if parts.username is not None:
            words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(words.encode()).decode()}"
        self._socket: socket.socket | None = None
        self._answer: http.client.HTTPResponse | None = None
        self._ended = False

    def ask(self) -> int:
        """The status of the answer. Blocks. Raises OSError, HTTPException, ValueError."""
        self._connection.connect()
        self._socket = self._connection.sock
        if self._ended:
            raise OSError("nobody waits for it any more")
        self._connection.request("GET", self._target, headers=self._headers)
        self._answer = self._connection.getresponse()
        return self._answer.status

    def read(self) -> bytes:
        """Some bytes of it, none at its end. Blocks, and raises as `ask` does."""
        assert self._answer is not None
        return self._answer.read1(_PIECE)

    def end(self) -> None:
        """A thread that connects, asks or reads soon ends. Immediate; then somebody has to `close`."""
        self._ended = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of it. Blocks while it is being read, for which there is an end."""
        if self._answer is not None:
            self._answer.close()
        self._connection.close()


def _shown(url: str) -> str:
    """Without a password."""
    return url.rpartition("@")[2][:200]
