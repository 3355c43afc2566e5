"""A type of SR whose driver is a SMAPIv3 plugin."""

import asyncio
import json
from collections.abc import Mapping
from typing import Final

from xenhost.core.storage import Capability, DriverInfo, ProbeEntry, ProbeReport, SrId, SrSpec
from xenhost.core.storage_errors import SrBackendFailure, SrOperationNotSupported, SrUuidExists, backend_failure
from xenhost.sm.context import SmContext
from xenhost.sm.smapiv1.patience import unhurried
from xenhost.sm.smapiv3.datapaths import DatapathPlugins
from xenhost.sm.smapiv3.failures import Subject, bad_answer
from xenhost.sm.smapiv3.info import LEGACY
from xenhost.sm.smapiv3.plugin import Json, Plugin
from xenhost.sm.smapiv3.sr import V3Sr
from xenhost.sm.smapiv3.state import Configurations, SrState
from xenhost.sm.smapiv3.values import MAX_KEY, Reader

UUID_KEY: Final = "sr_uuid"
_URI_MISSING: Final = 94


class V3Driver:
    """One volume plugin."""

    def __init__(self, context: SmContext, plugin: Plugin, info: DriverInfo, datapaths: DatapathPlugins) -> None:
        self._context = context
        self._plugin = plugin
        self._info = info
        self._datapaths = datapaths
        self._answers = Configurations(context.state_dir / "smapiv3")

    @property
    def info(self) -> DriverInfo:
        """What it said of itself."""
        return self._info

    async def probe(self, device_config: Mapping[str, str], sm_config: Mapping[str, str]) -> ProbeReport:
        """SR.probe: entries that are not complete carry the next choices."""
        if not self._info.can(Capability.SR_PROBE):
            raise SrOperationNotSupported(f"SRs of type {self._info.type} cannot be probed", sr="")
        answer = await self._plugin.call("SR.probe", {"configuration": dict(device_config)})
        entries = []
        for found in Reader("SR.probe").probe(answer):
            sr = found.configuration.get(UUID_KEY)
            if (sr is not None and not found.complete) or (found.sr is not None and sr is None):
                raise bad_answer("SR.probe", f"{UUID_KEY} belongs to a complete configuration of an SR, and only there")
            entries.append(
                ProbeEntry(
                    configuration=found.configuration,
                    complete=found.complete,
                    sr=SrId(sr) if sr is not None and found.sr is not None else None,
                    name=found.sr.name if found.sr else "",
                    description=found.sr.description if found.sr else "",
                    size=found.sr.total_space if found.sr else 0,
                    extra=found.extra,
                )
            )
        missing = "" if any(entry.complete for entry in entries) else _next_key(device_config, entries)
        return ProbeReport(tuple(entries), document=json.dumps(answer), missing=missing)

    async def create(self, sr: SrSpec) -> None:
        """SR.create, unless an SR with that UUID is there already."""
        if not self._info.can(Capability.SR_CREATE):
            raise SrOperationNotSupported(f"SRs of type {self._info.type} cannot be created", sr=sr.id)
        there = await self._uuid_there(sr)
        if there == sr.id:
            return
        if there:
            raise SrUuidExists(f"SR {there} is there already; attach it, or choose another place", uuid=there)
        await unhurried(self._create(sr))

    async def _create(self, sr: SrSpec) -> None:
        named = {"uuid": sr.id, "name": sr.name, "description": sr.description}
        configuration = await asyncio.to_thread(self._configuration, sr)
        arguments: dict[str, Json] = {**named, "configuration": configuration, **self._legacy(sr)}
        answer = await self._plugin.call("SR.create", arguments, Subject(sr.id))
        if answer is not None:
            wanted = Reader("SR.create").texts({"configuration": answer}, "configuration")
            await asyncio.to_thread(self._answers.put, sr.id, wanted)

    async def _uuid_there(self, sr: SrSpec) -> str:
        """The UUID of the SR that this configuration leads to already, if its plugin finds one."""
        if not self._info.can(Capability.SR_PROBE):
            return ""
        given = sr.device_config.items()
        try:
            answer = await self._plugin.call("SR.probe", {"configuration": dict(given)}, Subject(sr.id))
        except SrBackendFailure:
            return ""  # nothing that could be found; SR.create will say what is wrong
        for found in Reader("SR.probe").probe(answer):
            if found.complete and found.sr is not None and given <= found.configuration.items():
                return found.sr.uuid or found.configuration.get(UUID_KEY, "")
        return ""

    async def attach(self, sr: SrSpec) -> V3Sr:
        """SR.attach, unless an earlier agent has done it since the host started."""
        return await unhurried(self._attach(sr))

    async def _attach(self, sr: SrSpec) -> V3Sr:
        state = SrState(self._context.run_dir / "smapiv3" / sr.id)
        handle = await asyncio.to_thread(state.handle)
        if handle is None:
            configuration = await asyncio.to_thread(self._configuration, sr)
            arguments: dict[str, Json] = {"configuration": configuration, **self._legacy(sr)}
            answer = await self._plugin.call("SR.attach", arguments, Subject(sr.id))
            if not isinstance(answer, str) or not 0 < len(answer) <= MAX_KEY:
                raise bad_answer("SR.attach", f"a text of at most {MAX_KEY} characters is right")
            handle = answer
            await asyncio.to_thread(state.set_handle, handle)
        return V3Sr(self._context, self._plugin, self._info, self._datapaths, sr, handle, state, self._answers)

    def _configuration(self, sr: SrSpec) -> dict[str, str]:
        return {**sr.device_config, **self._answers.get(sr.id), UUID_KEY: sr.id}

    def _legacy(self, sr: SrSpec) -> Mapping[str, Json]:
        """Plugins of API version 3.0 take the URI apart from the configuration."""
        if self._info.required_api_version != LEGACY:
            return {}
        if "uri" not in sr.device_config:
            raise backend_failure(_URI_MISSING, "device-config needs the key uri for this type of SR")
        return {"uri": sr.device_config["uri"]}


def _next_key(given: Mapping[str, str], entries: list[ProbeEntry]) -> str:
    """The key that the incomplete entries offer values for."""
    for entry in entries:
        for key in entry.configuration:
            if key not in given:
                return key
    return ""
