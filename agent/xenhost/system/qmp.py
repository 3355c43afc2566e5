"""A QMP connection over a unix socket."""

import asyncio
from collections.abc import Mapping
from typing import Final

from xenhost.system.qmp_proto import (
    Event,
    Greeting,
    QmpProtocolError,
    QmpReader,
    Reply,
    encode,
)

COMMAND_TIMEOUT: Final = 30.0
"""Seconds a command may take; QEMU answers in milliseconds unless its storage hangs."""


class QmpError(Exception):
    """A command failed, was not answered in time, or the connection is gone. The text says which."""


class Qmp:
    """One connection. Commands may be in flight together; events are passed over.

    Make it with `connect`, end it with `close`. `closed` is set when QEMU went away.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.closed = asyncio.Event()
        self._reader = reader
        self._writer = writer
        self._parser = QmpReader()
        self._waiting: dict[int, asyncio.Future[object]] = {}
        self._last_id = 0
        self._greeted = asyncio.Event()
        self._task = asyncio.create_task(self._receive(), name="qmp")

    @classmethod
    async def connect(cls, path: str, timeout: float = COMMAND_TIMEOUT) -> "Qmp":
        """Connect and negotiate. Raises QmpError, also if there is no such socket (yet)."""
        try:
            async with asyncio.timeout(timeout):
                qmp = cls(*await asyncio.open_unix_connection(path, limit=1 << 21))
                try:
                    await qmp._greeted.wait()
                    await qmp.run("qmp_capabilities")
                except BaseException:
                    await qmp.close()
                    raise
                return qmp
        except OSError as error:
            raise QmpError(f"cannot connect to {path}: {error.strerror or 'no answer in time'}") from error

    async def run(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        """Run a command; its return value (untrusted). Raises QmpError. Cancelled: the reply is ignored."""
        if self.closed.is_set():
            raise QmpError(f"{command}: the emulator is gone")
        self._last_id += 1
        id = self._last_id
        future = asyncio.get_running_loop().create_future()
        self._waiting[id] = future
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT):
                self._writer.write(encode(command, arguments or {}, id))
                await self._writer.drain()
                return await future
        except TimeoutError as error:
            raise QmpError(f"{command}: no answer from the emulator within {COMMAND_TIMEOUT:.0f} s") from error
        except OSError as error:
            raise QmpError(f"{command}: {error.strerror}") from error
        finally:
            self._waiting.pop(id, None)

    async def close(self) -> None:
        """Let go of the connection; QEMU goes on."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._writer.close()

    async def _receive(self) -> None:
        reason = "the emulator closed the connection"
        try:
            while data := await self._reader.read(65536):
                for message in self._parser.feed(data):
                    self._take(message)
        except (OSError, QmpProtocolError) as error:
            reason = str(error)
        finally:
            self.closed.set()
            self._greeted.set()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(QmpError(reason))
            self._writer.close()

    def _take(self, message: Greeting | Reply | Event) -> None:
        match message:
            case Greeting():
                self._greeted.set()
            case Reply(id, value, error):
                future = self._waiting.get(id)
                if future is not None and not future.done():
                    if error:
                        future.set_exception(QmpError(error))
                    else:
                        future.set_result(value)
            case Event():
                pass  # the end of the process is noticed by its pidfd, and nothing else is of interest
