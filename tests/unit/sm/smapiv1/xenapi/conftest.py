from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from kit.clock import FakeClock
from kit.plugins import new_id
from xenhost.core.errors import NotImplementedHere
from xenhost.sm.smapiv1.xenapi.api import XenApi
from xenhost.sm.smapiv1.xenapi.sessions import Session, Sessions
from xenhost.sm.smapiv1.xenapi.store import Store
from xenhost.sm.smapiv1.xenapi.tables import Tables
from xenhost.system.xmlrpc import Call, Value


class Recorded:
    """What calls asked of the plugin host."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    async def update_sr(self, sr: str) -> None:
        self.asked.append(("update", sr))

    async def scan_sr(self, sr: str) -> None:
        self.asked.append(("scan", sr))

    async def snapshot_vdi(self, sr: str, vdi: str, driver_params: Mapping[str, str]) -> str:
        self.asked.append(("snapshot", sr, vdi, *driver_params.values()))
        return vdi

    async def call_plugin(self, name: str, function: str, args: Mapping[str, str]) -> str:
        self.asked.append(("call", name, function, *args.values()))
        if name == "missing":
            raise NotImplementedHere("there is none", function=name)
        return "True"


class Client:
    """Calls as a plugin's XenAPI module makes them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "records.db"
        self.verbs = Recorded()
        self.tables = Tables(Store(self.path))
        self.sessions = Sessions()
        self.api = XenApi(self.tables, self.sessions, self.verbs, FakeClock(), structlog.get_logger())
        self.sr, self.host, self.session = "", "", ""

    async def open(self) -> None:
        """An SR, and a session of its driver."""
        await self.tables.load()
        self.host = self.tables.insert("host", new_id(), name_label="here")
        self.sr = self.tables.insert("SR", new_id(), type="dir", name_label="an SR")
        self.session = self.sessions.open(Session(self.sr))

    async def answer(self, method: str, *params: Value, session: str | None = None) -> Mapping[str, Any]:
        """The whole answer."""
        told = await self.api.answer(Call(method, (self.session if session is None else session, *params)))
        assert isinstance(told, Mapping)
        return told

    async def call(self, method: str, *params: Value) -> Any:
        """The value; the call succeeds."""
        told = await self.answer(method, *params)
        assert told["Status"] == "Success", told
        return told["Value"]

    async def failure(self, method: str, *params: Value, session: str | None = None) -> list[str]:
        """What it failed with."""
        told = await self.answer(method, *params, session=session)
        assert told["Status"] == "Failure", told
        description = told["ErrorDescription"]
        assert isinstance(description, list)
        return description

    async def introduce(self, uuid: str, sr: str | None = None, **sm_config: str) -> str:
        """A VDI in the form of LVM's scan."""
        ref = await self.call(
            "VDI.db_introduce", uuid, "name", "text", sr or self.sr, "user", False, False, {}, uuid, {}, sm_config
        )
        assert isinstance(ref, str)
        return ref


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    made = Client(tmp_path)
    await made.open()
    yield made
    await made.api.close()
    await made.tables.close()
