"""What the agents in guests may do by themselves: the pool's setting, which every host shows to its guests."""

from collections.abc import Mapping
from typing import Final

from xenhost.api.host.v1 import host_service_pb2 as pb
from xenhost.pool.call import ApiError, Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.returned import ReturnedHosts
from xenhost.pool.hosts.web_address import is_web_address

_URL: Final = "auto_update_url"
_ENABLED: Final = "auto_update_enabled"


class GuestAgents:
    """Answers for the setting, and lets hosts follow it: live ones soon, others when they come back."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self.hosts: Final = ReturnedHosts(agents, self._tell, "guests of a host do not see what their agents may do")

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {"pool.add_to_guest_agent_config": self._add, "pool.remove_from_guest_agent_config": self._remove}

    async def _add(self, context: Context, pool: Ref, key: str, value: str) -> None:
        """Raises ApiError INVALID_VALUE, MAP_DUPLICATE_KEY."""
        web = " " not in value and is_web_address(value)
        if not {_ENABLED: value in ("true", "false"), _URL: web}.get(key, False):
            raise ApiError("INVALID_VALUE", "guest_agent_config", f"{key} = {value}"[:200])
        await self._database.change(lambda t: t.add_to_map("pool", pool, "guest_agent_config", key, value))
        self._changed()

    async def _remove(self, context: Context, pool: Ref, key: str) -> None:
        await self._database.change(lambda t: t.remove_from_map("pool", pool, "guest_agent_config", key))
        self._changed()

    def _changed(self) -> None:
        for host in self._database.rows("host"):
            if self._agents.alive(host):
                self.hosts.again(host)

    async def _tell(self, host: Ref) -> None:
        config = next(iter(self._database.rows("pool").values()))["guest_agent_config"]
        assert isinstance(config, dict)
        setting = pb.GuestAgentSetting(update_url=str(config.get(_URL, "")))
        if _ENABLED in config:
            setting.auto_update = config[_ENABLED] == "true"
        agent = self._agents.agent(host)
        await agent.call(agent.hosts.ConfigureHost, pb.ConfigureHostRequest(guest_agent=setting))
