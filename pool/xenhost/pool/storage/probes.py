"""What is at a place where an SR could be, or is."""

from collections.abc import Mapping
from typing import Final

from xenhost.api.host.v1 import sr_service_pb2, storage_pb2
from xenhost.pool.call import ApiError, Context, FrozenMap, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.storage.secrets import opened


class Probes:
    """Answers SR.probe and SR.probe_ext."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {"SR.probe": self.probe, "SR.probe_ext": self.probe_ext}

    async def probe(
        self,
        context: Context,
        host: Ref,
        device_config: Mapping[str, Value],
        type: str,
        sm_config: Mapping[str, Value],
    ) -> str:
        """XML as XenServer has it. If a key is missing in `device_config`, it fails with the choices as XML.

        Raises ApiError SR_UNKNOWN_DRIVER, SR_BACKEND_FAILURE_<n> [, text, XML].
        """
        found = await self._probed(host, device_config, type, sm_config)
        if found.code:
            text = f"the request is missing the {found.missing} parameter" if found.missing else "more is needed"
            raise ApiError(f"SR_BACKEND_FAILURE_{found.code}", "", text, found.document)
        return str(found.document)

    async def probe_ext(
        self,
        context: Context,
        host: Ref,
        device_config: Mapping[str, Value],
        type: str,
        sm_config: Mapping[str, Value],
    ) -> Value:
        """SRs that are there, and what could be chosen next. Raises ApiError SR_UNKNOWN_DRIVER."""
        found = await self._probed(host, device_config, type, sm_config)
        return tuple(_result(entry) for entry in found.entries)

    async def _probed(
        self, host: Ref, device_config: Mapping[str, Value], type: str, sm_config: Mapping[str, Value]
    ) -> storage_pb2.ProbeResult:
        agent = self._agents.agent(self._database.get("host", host).ref)
        request = sr_service_pb2.ProbeSrRequest(
            type=type,
            device_config=opened(self._database, device_config),
            sm_config={key: str(value) for key, value in sm_config.items()},
        )
        result: storage_pb2.ProbeResult = await agent.call(agent.srs.ProbeSr, request)
        return result


def _result(entry: storage_pb2.ProbeEntry) -> FrozenMap:
    extra = dict(entry.extra)
    if not entry.sr_id:
        extra |= {key: value for key, value in (("name", entry.name), ("description", entry.description)) if value}
    result: dict[str, Value] = {
        "configuration": FrozenMap(entry.configuration),
        "complete": entry.complete,
        "extra_info": FrozenMap(extra),
    }
    if entry.sr_id:
        result["sr"] = FrozenMap(
            {
                "uuid": entry.sr_id,
                "name_label": entry.name,
                "name_description": entry.description,
                "free_space": 0,  # a probe does not tell
                "total_space": entry.size_bytes,
                "clustered": False,
                "health": "healthy",
            }
        )
    return FrozenMap(result)
