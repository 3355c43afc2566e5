"""A type of SR whose driver is a SMAPIv1 plugin, and all of them together."""

from asyncio import to_thread
from collections.abc import Mapping, Sequence
from pathlib import Path

from xenhost.core.storage import Capability, DriverInfo, ProbeReport, SrSpec
from xenhost.core.storage_errors import SrOperationNotSupported, SrUuidExists
from xenhost.sm.context import SmContext
from xenhost.sm.smapiv1 import probe
from xenhost.sm.smapiv1.attachment import Attachments
from xenhost.sm.smapiv1.channel import MASTER, Channel, Extra
from xenhost.sm.smapiv1.discovery import Broken, Found, discover
from xenhost.sm.smapiv1.failures import MAX_TEXT, Subject, from_fault
from xenhost.sm.smapiv1.patience import unhurried
from xenhost.sm.smapiv1.plugin import Plugin
from xenhost.sm.smapiv1.records import CREATED, sr_fields
from xenhost.sm.smapiv1.request import Request
from xenhost.sm.smapiv1.service import Service, Settings
from xenhost.sm.smapiv1.sr import V1Sr
from xenhost.sm.smapiv1.xenapi.schema import Stored
from xenhost.sm.smapiv1.xenapi.tables import ref_of
from xenhost.system.xmlrpc import Fault


class V1Driver:
    """One plugin."""

    def __init__(self, service: Service, plugin: Plugin, info: DriverInfo) -> None:
        self._service = service
        self._plugin = plugin
        self._info = info

    @property
    def info(self) -> DriverInfo:
        """What it said of itself."""
        return self._info

    async def probe(self, device_config: Mapping[str, str], sm_config: Mapping[str, str]) -> ProbeReport:
        """sr_probe, whose failures may be stages."""
        if not self._info.can(Capability.SR_PROBE):
            raise SrOperationNotSupported(f"the driver {self._info.type} cannot probe", sr="")
        request = Request("sr_probe", device_config={**device_config, **MASTER}, sr_sm_config=sm_config)
        async with self._service.attaching:
            answer = await self._service.ask(self._plugin, request)
        if isinstance(answer.value, Fault):
            missing = probe.STAGES.get(answer.value.code)
            if missing and not device_config.get(missing):
                return probe.stage(device_config, answer.value.code, answer.stderr)
            raise from_fault(answer.value, answer.stderr[-MAX_TEXT:], Subject("sr_probe"))
        return probe.complete(device_config, answer.value if isinstance(answer.value, str) else "")

    async def create(self, sr: SrSpec) -> None:
        """sr_create, once."""
        await self._service.start()
        there = self._service.tables.find("SR", ref_of("SR", sr.id))
        if there is not None and there["type"] != sr.type:
            raise SrUuidExists(f"there is an SR {sr.id} of type {there['type']}; choose another UUID", uuid=sr.id)
        if there is None or not there.get(CREATED):
            await unhurried(self._create(sr, known=there is not None))

    async def _create(self, sr: SrSpec, known: bool) -> None:
        channel = self._channel(sr)
        await self._introduce(channel, sr)
        done = False
        try:
            await channel.run("sr_create", str(sr.size), extra=Extra(sr_sm_config=sr.sm_config))
            channel.tables.set("SR", channel.sr_ref, **{CREATED: True})
            done = True
        finally:
            if not done and not known:
                channel.tables.remove("PBD", channel.pbd_ref)
                channel.tables.remove("SR", channel.sr_ref)
            await channel.tables.flush()

    async def attach(self, sr: SrSpec) -> V1Sr:
        """sr_attach, unless an earlier agent has done it since the host started."""
        await self._service.start()
        return await unhurried(self._attach(sr))

    async def _attach(self, sr: SrSpec) -> V1Sr:
        channel = self._channel(sr)
        attachments = Attachments(self._service.context.run_dir / "smapiv1" / sr.id)
        await self._introduce(channel, sr)
        if not await to_thread(attachments.attached):
            async with self._service.attaching:
                await channel.run("sr_attach")
            content_type = await channel.run("sr_content_type")
            channel.tables.set("PBD", channel.pbd_ref, currently_attached=True)
            channel.tables.set("SR", channel.sr_ref, content_type=str(content_type or "")[:64])
            await channel.tables.flush()
            await to_thread(attachments.mark)
        return V1Sr(channel, attachments)

    def _channel(self, sr: SrSpec) -> Channel:
        return Channel(self._service, self._plugin, self._info, sr.id)

    async def _introduce(self, channel: Channel, sr: SrSpec) -> None:
        """Make the records of an SR and this host's PBD what was asked for."""
        tables = channel.tables
        old = tables.find("SR", channel.sr_ref)
        tables.insert("SR", sr.id, **{**(old or {}), **sr_fields(sr, old)})
        pbd = tables.find("PBD", channel.pbd_ref)
        fields: dict[str, Stored] = {"host": self._service.host_ref, "SR": channel.sr_ref}
        fields["device_config"] = dict(sr.device_config)
        tables.insert("PBD", sr.id, **{**(pbd or {}), **fields})
        await tables.flush()


class PluginHost:
    """All SMAPIv1 plugins of a host."""

    def __init__(self, context: SmContext, settings: Settings) -> None:
        self._context = context
        self._settings = settings
        self._service = Service(context, settings)

    async def drivers(self) -> Mapping[str, V1Driver]:
        """Those that work, by type. One that does not is logged and left out."""
        found = await self.examine()
        working = [each for each in found if isinstance(each, Found)]
        for each in found:
            if isinstance(each, Broken):
                self._context.log.warning("smapiv1.broken", plugin=str(each.path), problem=each.problem)
            elif each.unknown:
                self._context.log.info("smapiv1.unknown", plugin=str(each.plugin.path), capabilities=each.unknown)
        self._service.describe({each.info.type: each.info for each in working})
        return {each.info.type: V1Driver(self._service, each.plugin, each.info) for each in working}

    async def examine(self) -> Sequence[Found | Broken]:
        """Every plugin of the folder, also those that do not work, with why."""
        return await discover(self._settings.folder, self._plugin, self._settings.allowed)

    def _plugin(self, path: Path) -> Plugin:
        return Plugin(
            path, self._service.host_ref, self._context.commands, self._context.log, self._settings.timeout_factor
        )

    async def close(self) -> None:
        """Stop serving plugins. What is active stays so."""
        await self._service.close()
