"""What tests of consoles stand on: a pool master with its HTTP side, and lines to its consoles."""

import asyncio
import base64
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog

from component.pool.conftest import Master
from component.pool.test_vms import RECORD
from xenhost.pool.call import NULL_REF, Ref, Role
from xenhost.pool.consoles.handlers import ConsoleHandlers
from xenhost.pool.consoles.records import ConsoleRecords
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.front import Front, FrontSettings, build_front
from xenhost.pool.model.catalogue import MODEL
from xenhost.pool.session.authenticator import FixedUsers
from xenhost.pool.session.session import Session
from xenhost.pool.session.table import SessionLimits
from xenhost.pool.wire.listener import Address, ListenSettings
from xenhost.system.clock import SystemClock
from xenhost.system.http.limits import Limits

HVM = RECORD | {"name_label": "seen", "HVM_boot_policy": "BIOS order", "PV_kernel": ""}
BASIC = "Authorization: Basic " + base64.b64encode(b"root:secret").decode()
EVERYTHING = struct.pack(">BBHHHH", 3, 0, 0, 0, 320, 200)
KEY = struct.pack(">BBxxI", 4, 1, 0x41)
PICTURE = 16 + 320 * 200 * 4
HELLO = b"RFB 003.008\n\x01\x01"
SERVER_HELLO = 12 + 2 + 4 + 24 + 4
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool master with consoles."""

    master: Master
    front: Front
    handlers: ConsoleHandlers
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.front.listener.http_ports[0]

    def session(self, role: Role | None = None, user: str = "somebody") -> Ref:
        """Of a superuser, or of somebody with that role alone."""
        made = Session(
            *(Ref(f"OpaqueRef:{uuid4()}"), str(uuid4()), user, role is None, time.time()),
            roles=frozenset({role}) if role else frozenset(),
        )
        self.front.sessions.add(made)
        return made.ref

    async def says(self, **fields: Any) -> None:
        """Settings of the pool."""

        def write(transaction: Transaction) -> None:
            for ref in tuple(transaction.rows("pool")) or (transaction.create("pool", {}),):
                transaction.set("pool", ref, fields)

        await self.master.database.change(write)

    def console(self, vm: Ref, protocol: str) -> str:
        """Its UUID."""
        consoles = [
            self.master.database.get("console", ref) for ref in self.master.database.get("VM", vm).refs("consoles")
        ]
        return next(str(each["uuid"]) for each in consoles if each["protocol"] == protocol)

    async def started(self, record: dict[str, Any]) -> Ref:
        vm = await self.master.ref("VM.create", record)
        await self.master.call("VM.start", vm, False, False)
        return vm

    async def opened(self, line: str, *headers: str) -> tuple[bytes, Line]:
        """The head of the answer, and the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        writer.write("\r\n".join([line, *headers, "", ""]).encode())
        return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30), (reader, writer)

    async def closed(self) -> None:
        """Wait until none is open."""
        await self.master.until(lambda: len(self.handlers.open) == 0)


@asynccontextmanager
async def serving(master: Master, folder: Path, limits: Limits | None = None) -> AsyncIterator[Pool]:
    listen = ListenSettings((Address("127.0.0.1", 0),), (), (), folder / "tls", limits=limits or Limits())
    clock = SystemClock()
    handlers = ConsoleHandlers(master.database, master.agents, clock)
    front = build_front(
        *(master.database, master.dispatcher, Implementations(MODEL)),
        *(FixedUsers({"root": "secret"}), FixedUsers({}), lambda: NULL_REF),
        *(FrontSettings(listen, folder / "audit.log", "1.0", SessionLimits()), clock, structlog.get_logger()),
        more=handlers.routes,
        tasks=master.tasks,
    )
    front.book.listeners.append(handlers.session_ended)
    await front.open()
    ConsoleRecords(master.database, lambda: front.listener.door("127.0.0.1")).begin()
    made = Pool(master, front, handlers)
    try:
        yield made
    finally:
        for writer in made.writers:
            writer.transport.abort()
        await front.close()


async def until(read: Callable[[], Awaitable[bytes]], mark: bytes) -> bytes:
    said = b""
    async with asyncio.timeout(30):
        while mark not in said:
            more = await read()
            assert more, said
            said += more
    return said


def reads(line: Line) -> Callable[[], Awaitable[bytes]]:
    return lambda: line[0].read(65536)


async def ended(line: Line) -> bytes:
    """What comes until the other side closes."""
    rest = await asyncio.wait_for(line[0].read(), 30)
    line[1].close()
    return rest


async def looking(pool: Pool, line: Line) -> None:
    line[1].write(HELLO)
    said = await asyncio.wait_for(line[0].readexactly(SERVER_HELLO), 30)
    assert said.endswith(b"seen")


# Records
