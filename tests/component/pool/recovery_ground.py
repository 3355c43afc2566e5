"""Pools with a front, whose databases can be kept on SRs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy

import pytest
import structlog

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master, listening, reporting
from component.pool.test_vms import RECORD, vbd_record, vdi_record, vif_record
from kit.clock import FakeClock
from xenhost.pool.call import Ref
from xenhost.pool.front import FrontSettings, build_front
from xenhost.pool.recovery.opened import SessionDispatcher
from xenhost.pool.recovery.parts import RecoveryParts, register_recovery
from xenhost.pool.recovery.replication import DELAY_SECONDS
from xenhost.pool.session.authenticator import FixedUsers
from xenhost.pool.session.table import SessionLimits
from xenhost.pool.wire.listener import Address, ListenSettings
from xenhost.pool.xva.parts import register_xva
from xenhost.system.clock import SystemClock


class Failed(Exception):
    """A failure array."""


class Site:
    """A pool, its front, and its host."""

    def __init__(self, master: Master, agent: HostAgent, port: int, parts: RecoveryParts, clock: FakeClock) -> None:
        self.master = master
        self.database = master.database
        self.agent = agent
        self.port = port
        self.parts = parts
        self.clock = clock
        self.session = ""
        self.running = asyncio.create_task(parts.run())

    async def call(self, method: str, *params: Any, session: str = "") -> Any:
        """Over the wire; raises Failed with the failure array."""

        def ask() -> Any:
            with ServerProxy(f"http://127.0.0.1:{self.port}", allow_none=True) as server:
                return getattr(server, method)(session or self.session, *params)

        answer: Any = await asyncio.to_thread(ask)
        if answer["Status"] != "Success":
            raise Failed(*answer["ErrorDescription"])
        return answer["Value"]

    async def refused(self, code: str, method: str, *params: Any, session: str = "") -> tuple[Any, ...]:
        with pytest.raises(Failed) as caught:
            await self.call(method, *params, session=session)
        assert caught.value.args[0] == code, caught.value
        return caught.value.args

    async def login(self) -> None:
        def ask() -> Any:
            with ServerProxy(f"http://127.0.0.1:{self.port}") as server:
                return server.session.login_with_password("root", "secret")

        answer = await asyncio.to_thread(ask)
        self.session = str(answer["Value"])

    def metadata(self, **fields: Any) -> list[Any]:
        rows = [vdi for vdi in self.database.rows("VDI").values() if vdi["type"] == "metadata"]
        return [vdi for vdi in rows if all(vdi[name] == value for name, value in fields.items())]

    async def settled(self) -> None:
        """What was changed is on the SR."""
        (before,) = [vdi.ref for vdi in self.metadata(metadata_latest=True)]
        await self.master.until(lambda: self.clock.sleepers)
        self.clock.advance(DELAY_SECONDS)
        await self.master.until(lambda: [vdi.ref for vdi in self.metadata(metadata_latest=True)] != [before])

    async def vm(self, repository: Ref, **fields: Any) -> Ref:
        master = self.master
        vm = await master.ref("VM.create", {**RECORD, "other_config": {"mac_seed": "seed"}, **fields})
        vdi = await master.ref("VDI.create", vdi_record(repository, name_label="root"))
        await master.ref("VBD.create", vbd_record(vm, vdi))
        network = next(iter(master.database.rows("network")))
        await master.ref("VIF.create", vif_record(vm, network, MAC="00:16:3e:00:00:07"))
        return vm


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    folder.mkdir(exist_ok=True)
    async with AsyncExitStack() as stack:
        master = await stack.enter_async_context(listening(folder))
        agent = await stack.enter_async_context(reporting(folder, master))
        await master.database.change(lambda t: None if master.database.rows("pool") else t.create("pool", {}))
        listen = ListenSettings((Address("127.0.0.1", 0),), (), (), folder / "tls")
        clock, host = FakeClock(auto=False), master.only("host").ref
        xva = register_xva(
            *(master.answers, master.database, master.agents, master.tasks, master.parts),
            *(lambda: host, "1", SystemClock()),
        )
        dispatcher = SessionDispatcher(master.dispatcher)
        front = build_front(
            *(master.database, dispatcher, master.answers, FixedUsers({"root": "secret"}), FixedUsers({})),
            *(lambda: host, FrontSettings(listen, folder / "audit.log", "1", SessionLimits()), SystemClock()),
            structlog.get_logger(),
        )
        parts = register_recovery(
            *(master.answers, master.database, master.tasks, master.parts, xva.importer, front, dispatcher),
            *(lambda: host, clock),
        )
        await front.open()
        stack.push_async_callback(front.close)
        found = Site(master, agent, front.listener.http_ports[0], parts, clock)
        stack.callback(lambda: found.running.cancel())
        await found.login()
        yield found
