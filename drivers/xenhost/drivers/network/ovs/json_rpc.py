"""A JSON-RPC connection to a daemon of Open vSwitch on a unix socket. Source: RFC 7047, section 4."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final

from xenhost.drivers.network.ovs.json_stream import JsonStream
from xenhost.drivers.network.ovs.values import Json, Malformed

_CHUNK: Final = 256 * 1024


class Refused(Exception):
    """The daemon answered with an error."""


class JsonRpc:
    """One connection: calls, and what the other side tells by itself. It is not made anew; `closed` says so."""

    def __init__(self, path: Path, on_notice: Callable[[str, Json], None] = lambda method, params: None) -> None:
        self._path: Final = path
        self._on_notice: Final = on_notice
        self._numbers: Final = count(1)
        self._waiting: Final[dict[int, asyncio.Future[Json]]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self.closed: Final = asyncio.Event()

    async def open(self, seconds: float) -> None:
        """Connect. Raises OSError, TimeoutError."""
        async with asyncio.timeout(seconds):
            reader, self._writer = await asyncio.open_unix_connection(self._path)
        self._reading = asyncio.create_task(self._read(reader), name=f"json-rpc {self._path.name}")

    async def close(self) -> None:
        """Hang up; calls under way fail."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        self._end()

    async def call(self, method: str, params: Json, seconds: float) -> Json:
        """The result. Raises Refused, ConnectionError (what became of the call is not known), TimeoutError."""
        if self._writer is None or self.closed.is_set():
            raise ConnectionError(f"{self._path} is not connected")
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._send({"method": method, "params": params, "id": number})
            async with asyncio.timeout(seconds):
                await self._writer.drain()
                return await answer
        finally:
            del self._waiting[number]
            if answer.done() and not answer.cancelled():
                answer.exception()  # it is known, even if sending failed first

    def _send(self, message: Json) -> None:
        if self._writer is not None:
            self._writer.write(json.dumps(message, separators=(",", ":")).encode())

    async def _read(self, reader: asyncio.StreamReader) -> None:
        stream = JsonStream()
        try:
            while data := await reader.read(_CHUNK):
                for message in stream.feed(data):
                    self._take(json.loads(message))
        except (OSError, ValueError, RecursionError):
            pass  # whoever waits learns of it as of a connection that is lost, which it is now
        finally:
            self._end()

    def _take(self, untrusted: Json) -> None:
        if not isinstance(untrusted, dict):
            raise Malformed("a message that is no object")
        method, number = untrusted.get("method"), untrusted.get("id")
        if method == "echo":
            self._send({"result": untrusted.get("params"), "error": None, "id": number})
        elif isinstance(method, str):
            self._on_notice(method, untrusted.get("params"))
        elif isinstance(number, int) and (answer := self._waiting.get(number)) is not None and not answer.done():
            if (error := untrusted.get("error")) is not None:
                answer.set_exception(Refused(json.dumps(error)[:500]))
            else:
                answer.set_result(untrusted.get("result"))

    def _end(self) -> None:
        self.closed.set()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionError(f"{self._path} hung up"))
        if self._writer is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._writer.close()
