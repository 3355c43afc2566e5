"""What all SMAPIv1 drivers of a host share: records, sessions, and the socket they call back on."""

import asyncio
import socket
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from xenhost.core.errors import XenhostError
from xenhost.core.ids import is_uuid
from xenhost.core.storage import DriverInfo
from xenhost.core.storage_errors import SrNotAttached
from xenhost.sm.context import SmContext
from xenhost.sm.smapiv1.callout import HostPlugins
from xenhost.sm.smapiv1.failures import Subject
from xenhost.sm.smapiv1.plugin import Answer, Plugin
from xenhost.sm.smapiv1.request import Request
from xenhost.sm.smapiv1.xenapi.api import XenApi
from xenhost.sm.smapiv1.xenapi.port import SrVerbs
from xenhost.sm.smapiv1.xenapi.server import ApiServer
from xenhost.sm.smapiv1.xenapi.sessions import Session, Sessions
from xenhost.sm.smapiv1.xenapi.store import Store
from xenhost.sm.smapiv1.xenapi.tables import Tables, ref_of
from xenhost.system.xmlrpc import Value

_T = TypeVar("_T")

ERROR_TABLE: Final = Path("/usr/share/sm/XE_SR_ERRORCODES.xml")
"""Where XenServer's drivers read their error texts. It comes with them."""
INVENTORY: Final = Path("/etc/xensource-inventory")
"""Where XenServer's drivers read the UUID of the host."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things are."""

    folder: Path = Path("/opt/xensource/sm")
    socket: Path = Path("/var/lib/xcp/xapi")
    host_plugins: Path = Path("/etc/xapi.d/plugins")
    allowed: frozenset[str] = frozenset()
    """Types of SRs whose plugins are used; empty: all."""
    timeout_factor: float = 1.0


class Service:
    """Made once, and started when the first driver of the host is used. Nothing of it waits for a driver."""

    def __init__(self, context: SmContext, settings: Settings) -> None:
        self.host_ref = ref_of("host", context.host_id)
        self.context = context
        self.tables = Tables(Store(context.state_dir / "smapiv1" / "records.db"))
        self.attaching = asyncio.Lock()
        """Held for probe, attach and detach: of these, drivers expect only one at a time on a host."""
        self.attached: dict[str, SrVerbs] = {}
        """What calls that start a driver again go to, by UUID of the SR."""
        self._settings = settings
        self._sessions = Sessions()
        self._api = XenApi(self.tables, self._sessions, _Callbacks(self), context.clock, context.log)
        self._server = ApiServer(settings.socket, self._api.answer, context.log)
        self._host_plugins = HostPlugins(settings.host_plugins, context.commands)
        self._infos: Mapping[str, DriverInfo] = {}
        self._starting = asyncio.Lock()
        self._started = False

    def describe(self, infos: Mapping[str, DriverInfo]) -> None:
        """The drivers there are: what plugins see as SM records."""
        self._infos = infos

    async def start(self) -> None:
        """Read the records and serve the socket. No-op if it does. Raises SrBackendFailure."""
        async with self._starting:
            if self._started:
                return
            await self.tables.load()
            self._introduce_host(await asyncio.to_thread(_read_inventory))
            try:
                await self._server.start()
            except XenhostError:
                await self.tables.close()
                raise
            self._started = True
        await asyncio.to_thread(self._check_surroundings)

    async def close(self) -> None:
        """Stop serving. VDIs stay active."""
        if self._started:
            await self._server.close()
            await self._api.close()
            await self.tables.close()
            self._started = False

    async def run(self, plugin: Plugin, request: Request, subject: Subject, making: str = "") -> Value:
        """Run a command with a session for its SR. Raises what it fails with."""
        return await self._in_session(request, making, lambda told: plugin.call(told, subject))

    async def ask(self, plugin: Plugin, request: Request) -> Answer:
        """Run a command, and take a fault as an answer."""
        return await self._in_session(request, "", plugin.ask)

    async def _in_session(self, request: Request, making: str, work: Callable[[Request], Awaitable[_T]]) -> _T:
        await self.start()
        token = self._sessions.open(Session(request.sr_ref, making))
        try:
            return await work(replace(request, session_ref=token))
        finally:
            self._sessions.close(token)
            await self.tables.flush()

    async def call_host_plugin(self, name: str, function: str, args: Mapping[str, str]) -> str:
        """Run a plugin of the host."""
        token = self._sessions.open(Session())
        try:
            return await self._host_plugins.call(name, token, function, args)
        finally:
            self._sessions.close(token)

    def _introduce_host(self, inventory: Mapping[str, str]) -> None:
        name = socket.gethostname()
        metrics = self.tables.insert("host_metrics", str(uuid.uuid4()))
        host = self.tables.insert(
            "host", self.context.host_id, name_label=name, hostname=name, address=name, metrics=metrics
        )
        pool = str(uuid.uuid5(uuid.NAMESPACE_OID, self.context.host_id))
        restrictions = {"restrict_read_caching": "false", "restrict_cifs": "false"}
        self.tables.insert("pool", pool, master=host, restrictions=restrictions)
        if is_uuid(dom0 := inventory.get("CONTROL_DOMAIN_UUID", "")):  # drivers find their host through it
            self.tables.insert("VM", dom0, is_control_domain=True, power_state="Running", resident_on=host)
        for info in self._infos.values():
            self.tables.insert(
                "SM",
                str(uuid.uuid5(uuid.NAMESPACE_OID, f"SM {info.type}")),
                name_label=info.name,
                name_description=info.description,
                type=info.type,
                vendor=info.vendor,
                copyright=info.copyright,
                version=info.version,
                required_api_version=info.required_api_version,
                capabilities=[str(capability) for capability in info.capabilities],
                features={str(capability): str(version) for capability, version in info.capabilities.items()},
                configuration={key.name: key.description for key in info.configuration},
                driver_filename=info.filename,
                supported_image_formats=list(info.image_formats),
            )

    def _check_surroundings(self) -> None:
        """XenServer's own drivers need files that other ones do not. Blocking."""
        missing = [str(path) for path in (ERROR_TABLE, INVENTORY) if not path.is_file()]
        if missing:
            self.context.log.info("smapiv1.surroundings", missing=missing, note="XenServer's own drivers need them")
        elif _read_inventory().get("INSTALLATION_UUID") != self.context.host_id:
            self.context.log.warning(
                "smapiv1.inventory", note=f"INSTALLATION_UUID in {INVENTORY} should be {self.context.host_id}"
            )


def _read_inventory() -> Mapping[str, str]:
    """`NAME='value'` lines; empty if there is no such file. Blocking."""
    try:
        text = INVENTORY.read_text(errors="replace")
    except OSError:
        return {}
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip().strip("'\"") for name, value in pairs}


class _Callbacks:
    """Calls that start a driver or a plugin of the host again."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def update_sr(self, sr: str) -> None:
        await self._of(sr).update_records()

    async def scan_sr(self, sr: str) -> None:
        await self._of(sr).scan_records()

    async def snapshot_vdi(self, sr: str, vdi: str, driver_params: Mapping[str, str]) -> str:
        return await self._of(sr).snapshot_record(vdi, driver_params)

    async def call_plugin(self, name: str, function: str, args: Mapping[str, str]) -> str:
        return await self._service.call_host_plugin(name, function, args)

    def _of(self, sr: str) -> SrVerbs:
        if (verbs := self._service.attached.get(sr)) is None:
            raise SrNotAttached(f"SR {sr} is not attached to this host", sr=sr)
        return verbs
