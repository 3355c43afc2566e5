"""GET /system-status, and messages about status reports: gathered from a host's agent and the pool's database."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from datetime import UTC, datetime
from http import HTTPStatus
from ssl import SSLContext
from typing import IO, Final

from xenhost.api.host.v1 import host_service_pb2 as pb
from xenhost.core.clock import Clock
from xenhost.core.errors import XenhostError
from xenhost.pool.call import ApiError, Context, Implementation, Ref, Role
from xenhost.pool.database.database import Database
from xenhost.pool.database.dump import dump
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.coordinator import master_host
from xenhost.pool.hosts.reports.archive import MIME, Archive, Format, Full
from xenhost.pool.hosts.reports.entries import POOL_DATABASE, as_xml, chosen
from xenhost.pool.hosts.reports.redaction import redacted
from xenhost.pool.hosts.web_address import is_web_address
from xenhost.pool.wire.gate import Gate, HttpAction, refuse_head
from xenhost.system.http.connection import Handler
from xenhost.system.http.message import HttpError, Request, Response, file_pieces

PATIENCE: Final = 600.0
"""Seconds that an agent may take for all it tells."""
UPLOAD_SECONDS: Final = 600.0
"""That all of an upload may take."""
STALL_SECONDS: Final = 60.0
"""That whoever gets it may be silent."""
MAX_FILE: Final = 16 << 20
MAX_FILES: Final = 1000
_ROWS_A_TURN: Final = 500
_OPERATORS: Final = frozenset({Role.POOL_ADMIN, Role.POOL_OPERATOR})


class StatusReports:
    """Makes them, one at a time."""

    def __init__(
        self, database: Database, agents: Agents, clock: Clock, tls: Callable[[], Awaitable[SSLContext]]
    ) -> None:
        """`tls`: how to call who gets one by HTTPS."""
        self._database: Final = database
        self._agents: Final = agents
        self._clock: Final = clock
        self._tls: Final = tls
        self._making: Final = asyncio.Lock()
        self._sending: Final = asyncio.Lock()
        self._sender: Final = ThreadPoolExecutor(1, "upload of a report")
        """Its own: whoever is slow to take a report keeps no thread that others need."""

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "host.get_system_status_capabilities": self._capabilities,
            "host.bugreport_upload": self._upload,
        }

    def routes(self, gate: Gate) -> Mapping[tuple[str, str], Handler]:
        """For operators."""
        return {("GET", "/system-status"): gate.guarded(HttpAction("get_system_status", _OPERATORS, self._download))}

    async def _capabilities(self, context: Context, host: Ref) -> str:
        return as_xml()

    async def _upload(self, context: Context, host: Ref, url: str, options: Mapping[str, str]) -> None:
        """By HTTP PUT, one at a time. Raises ApiError INVALID_VALUE, INTERNAL_ERROR if it does not arrive in time.

        Cancelled or late, its thread ends with the next piece of the file, which is closed.
        """
        if not is_web_address(url):
            raise ApiError("INVALID_VALUE", "url", url[:200])
        tls, loop = await self._tls(), asyncio.get_running_loop()
        async with self._sending:
            file = await self._made(host, Format.TAR_BZ2, chosen(""))
            try:
                async with asyncio.timeout(UPLOAD_SECONDS):
                    await loop.run_in_executor(self._sender, _put, url, file, options.get("http_proxy", ""), tls)
            except TimeoutError as error:
                raise ApiError("INTERNAL_ERROR", f"the report could not be sent in {UPLOAD_SECONDS:g} s") from error
            finally:
                file.close()

    async def _download(self, context: Context, request: Request) -> Response:
        """GET /system-status?entries=&output=&host_uuid=; of the master's host if none is named."""
        refuse_head(request)
        try:
            kind = Format(request.arg("output") or Format.TAR)
        except ValueError:
            raise HttpError(HTTPStatus.BAD_REQUEST, f"output is one of {', '.join(Format)}") from None
        if self._making.locked():
            raise HttpError(HTTPStatus.SERVICE_UNAVAILABLE, "another report is being made", ("Retry-After", "30"))
        file = await self._made(self._host(request), kind, chosen(request.arg("entries")))
        name = f"{self._stem()}.{kind}"
        disposition = ("Content-Disposition", f'attachment; filename="{name}"')
        return Response(HTTPStatus.OK, (("Content-Type", MIME[kind]), disposition), file_pieces(file))

    def _host(self, request: Request) -> Ref:
        uuid = request.arg("host_uuid")
        if not uuid:
            return master_host(self._database)
        try:
            return self._database.by_uuid("host", uuid)
        except ApiError:
            raise HttpError(HTTPStatus.NOT_FOUND, f"there is no host {uuid[:80]}") from None

    async def _made(self, host: Ref, kind: Format, entries: frozenset[str]) -> IO[bytes]:
        """The archive; whoever closes it removes it. What cannot be had is said in it."""
        async with self._making:
            archive = await asyncio.to_thread(Archive, kind, self._stem(), self._clock.now())
            try:
                try:
                    async with aclosing(self._files(host, entries)) as files:
                        async for name, content in files:
                            await asyncio.to_thread(archive.add, name, content)
                except Full:
                    await asyncio.to_thread(archive.add, "incomplete.txt", b"")
                return await asyncio.to_thread(archive.finish)
            except BaseException:
                archive.drop()
                raise

    async def _files(self, host: Ref, entries: frozenset[str]) -> AsyncGenerator[tuple[str, bytes], None]:
        if POOL_DATABASE in entries:
            yield "pool/database.xml", await self._dumped()
        asked = sorted(entries - {POOL_DATABASE})
        if not asked:
            return
        name, content, count = "", bytearray(), 0
        try:
            agent = self._agents.agent(host)
            request = pb.ReadStatusReportRequest(entries=asked)
            async with aclosing(agent.stream(agent.hosts.ReadStatusReport, request, PATIENCE)) as pieces:
                async for piece in pieces:
                    if name and piece.name != name:
                        yield f"host/{_safe(name)}", bytes(content)
                        content.clear()
                        count += 1
                        if count >= MAX_FILES:
                            return
                    name = piece.name
                    content += piece.data[: MAX_FILE - len(content)]
        except (XenhostError, ApiError) as error:
            yield "host/unfinished.txt", f"{error}\n".encode()
        if name:
            yield f"host/{_safe(name)}", bytes(content)

    async def _dumped(self) -> bytes:
        """The database without secrets; others get their turn meanwhile."""
        model = self._database.model
        tables = {name: tuple(self._database.rows(name).values()) for name in model.stored}
        found = bytearray()
        shown = {name: (redacted(row) for row in rows) for name, rows in tables.items()}
        for number, piece in enumerate(dump(model, shown, 0)):
            found += piece.encode()
            if number % _ROWS_A_TURN == 0:
                await asyncio.sleep(0)
        return bytes(found)

    def _stem(self) -> str:
        return f"system_status-{datetime.fromtimestamp(self._clock.now(), UTC):%Y%m%dT%H%M%SZ}"


def _safe(untrusted_name: str) -> str:
    """A path within the archive: no step of it leads out of it."""
    steps = ["".join(each if each.isalnum() or each in "._-" else "_" for each in s) for s in untrusted_name.split("/")]
    return "/".join(step for step in steps[:8] if step.strip("."))[:200] or "nameless"


def _put(url: str, file: IO[bytes], proxy: str, tls: SSLContext) -> None:
    """Blocks. Raises ApiError INTERNAL_ERROR, ValueError if the file was closed before."""
    file.seek(0, 2)
    headers = {"Content-Type": MIME[Format.TAR_BZ2], "Content-Length": str(file.tell())}
    file.seek(0)
    proxies = {"http": proxy, "https": proxy} if proxy else {}
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=tls), _NoRedirects()
    )
    request = urllib.request.Request(url, data=file, headers=headers, method="PUT")
    try:
        opener.open(request, timeout=STALL_SECONDS).close()
    except urllib.error.HTTPError as error:
        error.close()
        raise ApiError("INTERNAL_ERROR", f"the report was refused: {error.code} {error.reason}"[:300]) from error
    except (OSError, ValueError) as error:
        raise ApiError("INTERNAL_ERROR", f"the report could not be sent: {error}"[:300]) from error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A report goes where the operator said."""

    def redirect_request(self, *_: object) -> None:
        """Nowhere else."""
        return
