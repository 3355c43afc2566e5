"""What tests of archives stand on: a pool master with its front, an agent on a simulated host, an SR."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from xmlrpc.client import loads

import structlog

from component.pool.conftest import Master
from component.pool.test_vms import RECORD, sr, vbd_record, vdi_record, vif_record
from kit.http import exchange
from xenhost.core.units import MIB
from xenhost.pool.call import NULL_REF, Ref
from xenhost.pool.engine.changelog import Changelog
from xenhost.pool.engine.dispatcher import ModelDispatcher
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.front import Front, FrontSettings, build_front
from xenhost.pool.implementations import register_engine
from xenhost.pool.model.catalogue import MODEL
from xenhost.pool.session.authenticator import FixedUsers
from xenhost.pool.session.table import SessionLimits
from xenhost.pool.storage.streams import Piece
from xenhost.pool.wire.listener import Address, ListenSettings
from xenhost.pool.xva.parts import XvaParts, register_xva
from xenhost.system.clock import SystemClock

SIZE = 5 * MIB + 512 * 1024
CONTENT = os.urandom(MIB) + bytes(2 * MIB) + b"x" * MIB + bytes(MIB + 512 * 1024)
BASIC = "Authorization: Basic " + base64.b64encode(b"root:secret").decode() + "\r\n"


class Pool:
    """A master, its front, and an SR."""

    def __init__(
        self, master: Master, front: Front, dispatcher: ModelDispatcher, parts: XvaParts, repository: Ref
    ) -> None:
        self.dispatcher = dispatcher
        self.master = master
        self.front = front
        self.parts = parts
        self.sr = repository

    async def asked(self, line: str, body: bytes = b"", *headers: str, version: str = "1.1") -> tuple[bytes, bytes]:
        """Head and body of the answer; our half ends with the body."""
        lines = "".join(f"{each}\r\n" for each in headers)
        request = f"{line} HTTP/{version}\r\nHost: x\r\n{BASIC}{lines}\r\n".encode() + body
        try:
            found = await exchange(self.front.listener.http_ports[0], request, end=True)
        except ConnectionError:
            return b"", b""  # closed while we are still sending: the task says why
        head, _, rest = found.partition(b"\r\n\r\n")
        return head, rest

    async def get(self, path: str) -> bytes:
        head, body = await self.asked(f"GET {path}")
        assert head.startswith(b"HTTP/1.1 200 OK"), head
        return body

    async def put(self, path: str, body: bytes, *headers: str) -> Mapping[str, Any]:
        """How its task has ended."""
        task = await self.master.ref("task.create", "import", "")
        await self.asked(f"PUT {path}&task_id={task}", body, *(headers or (f"Content-Length: {len(body)}",)))
        return await self.ended(task)

    async def ended(self, task: Ref) -> Mapping[str, Any]:
        tasks = self.master.database
        await self.master.until(lambda: tasks.get("task", task)["status"] not in ("pending", "cancelling"))
        return tasks.get("task", task)

    async def imported(self, body: bytes, query: str = "", *headers: str) -> Ref:
        record = await self.put(f"/import?sr_id={self.sr}{query}", body, *headers)
        assert record["status"] == "success", record["error_info"]
        ((vms,), _) = loads(f"<params><param>{record['result']}</param></params>")
        assert record["other_config"]["object_creation"] == "complete"
        return Ref(str(vms[0]))  # type: ignore[index] # a list

    async def refused(self, body: bytes, query: str = "", *headers: str) -> tuple[str, ...]:
        """The error; nothing was made."""
        before = self.counts()
        record = await self.put(f"/import?sr_id={self.sr}{query}", body, *headers)
        assert record["status"] == "failure"
        assert self.counts() == before
        return tuple(record["error_info"])

    def counts(self) -> dict[str, int]:
        return {
            cls: len(self.master.database.rows(cls)) for cls in ("VM", "VBD", "VIF", "VDI", "network", "VM_metrics")
        }

    async def content(self, vdi: Ref) -> bytes:
        async with self.master.streams.reading(self.master.root, vdi) as image:
            return b"".join([piece.data + bytes(piece.zeros) async for piece in image.pieces])

    def disks(self, vm: Ref) -> list[Ref]:
        database = self.master.database
        vbds = [database.get("VBD", vbd) for vbd in database.get("VM", vm).refs("VBDs")]
        return [vbd.one("VDI") for vbd in vbds if vbd["VDI"] != NULL_REF]

    async def vm(self, content: bytes = CONTENT, **fields: Any) -> Ref:
        """One with a disk, an empty CD drive and a card."""
        master = self.master
        vm = await master.ref("VM.create", {**RECORD, "other_config": {"mac_seed": "seed"}, **fields})
        vdi = await master.ref("VDI.create", vdi_record(self.sr, virtual_size=len(content), name_label="root"))

        async def pieces() -> AsyncIterator[Piece]:
            yield Piece(content)

        await master.streams.write(master.root, vdi, pieces())
        await master.ref("VBD.create", vbd_record(vm, vdi, userdevice="0"))
        await master.ref("VBD.create", vbd_record(vm, NULL_REF, type="CD", empty=True, userdevice="3"))
        network = next(iter(master.database.rows("network")))
        await master.ref("VIF.create", vif_record(vm, network, MAC="00:16:3e:00:00:07"))
        return vm

    async def destroy(self, vm: Ref) -> None:
        disks = self.disks(vm)
        await self.master.call("VM.destroy", vm)
        for disk in disks:
            await self.master.call("VDI.destroy", disk)


@asynccontextmanager
async def serving_archives(master: Master, tmp_path: Path) -> AsyncIterator[Pool]:
    """It listens."""
    listen = ListenSettings((Address("127.0.0.1", 0),), (), (), tmp_path / "tls")
    answers = Implementations(MODEL)
    clock = SystemClock()
    parts = register_xva(
        *(answers, master.database, master.agents, master.tasks, master.parts),
        *(lambda: next(iter(master.database.rows("host")), NULL_REF), "1.2.3", clock),
    )
    register_engine(answers, master.database, Changelog(master.database, 1), master.tasks, clock)
    dispatcher = ModelDispatcher(master.database, master.tasks, answers, clock)
    front = build_front(
        *(master.database, dispatcher, answers, FixedUsers({"root": "secret"}), FixedUsers({}), lambda: NULL_REF),
        *(FrontSettings(listen, tmp_path / "audit.log", "1.0", SessionLimits()), clock, structlog.get_logger()),
        more=parts.handlers.routes,
        tasks=master.tasks,
    )
    await master.database.change(lambda t: t.create("pool", {}))
    await front.open()
    running = asyncio.create_task(master.parts.unfinished.run())
    yield Pool(master, front, dispatcher, parts, await sr(master, tmp_path / "sr"))
    running.cancel()
    await front.close()
