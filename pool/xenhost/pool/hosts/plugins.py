"""Plugins and extensions: executables of a host that clients call by name."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final

from xenhost.api.host.v1 import host_service_pb2 as pb
from xenhost.pool.call import ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.coordinator import master_host

PATIENCE: Final = 2 * 86_400.0
"""Seconds: longer than any agent lets one run."""
POWER_ON: Final = ("power-on-host", "main")
"""The plugin of the master's host that switches others on, and its function: xapi's names."""
_SUCCEEDED: Final = "True"


class HostPlugins:
    """Answers what is done by them."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "host.call_plugin": self.call_plugin,
            "host.call_extension": self.call_extension,
            "host.has_extension": self.has_extension,
            "pool.has_extension": self.has_extension_everywhere,
            "host.power_on": self.power_on,
        }

    async def call_plugin(self, context: Context, host: Ref, plugin: str, fn: str, args: Mapping[str, str]) -> str:
        """Raises what the plugin says, ApiError XENAPI_MISSING_PLUGIN, XENAPI_PLUGIN_FAILURE, HOST_OFFLINE."""
        agent = self._agents.agent(host)
        request = pb.CallPluginRequest(plugin=plugin, function=fn, args=args, session=context.session)
        return await _value(agent.stream(agent.hosts.CallPlugin, request, PATIENCE), host)

    async def call_extension(self, context: Context, host: Ref, call: str) -> Value:
        """Raises what the extension says, ApiError MESSAGE_METHOD_UNKNOWN, INVALID_VALUE, HOST_OFFLINE."""
        try:
            untrusted = json.loads(call)
            method, params = untrusted["method"], untrusted["params"]
        except (ValueError, TypeError, KeyError, RecursionError):
            method, params = None, None
        if not isinstance(method, str) or not isinstance(params, list):
            raise ApiError("INVALID_VALUE", "call", call[:200])
        agent = self._agents.agent(host)
        request = pb.CallExtensionRequest(method=method, params=json.dumps(params))
        found: Value = json.loads(await _value(agent.stream(agent.hosts.CallExtension, request, PATIENCE), host))
        return found

    async def has_extension(self, context: Context, host: Ref, name: str) -> bool:
        """Raises ApiError HOST_OFFLINE."""
        agent = self._agents.agent(host)
        return bool((await agent.call(agent.hosts.HasExtension, pb.HasExtensionRequest(method=name))).found)

    async def has_extension_everywhere(self, context: Context, pool: Ref, name: str) -> bool:
        """Raises ApiError HOST_OFFLINE."""
        for host in tuple(self._database.rows("host")):
            if not await self.has_extension(context, host, name):
                return False
        return True

    async def power_on(self, context: Context, host: Ref) -> None:
        """Raises ApiError HOST_IS_LIVE, HOST_POWER_ON_MODE_DISABLED, XENAPI_MISSING_PLUGIN, INTERNAL_ERROR."""
        record = self._database.get("host", host)
        if self._agents.alive(host):
            raise ApiError("HOST_IS_LIVE", host)
        if not record["power_on_mode"]:
            raise ApiError("HOST_POWER_ON_MODE_DISABLED")
        args = {"remote_host_uuid": str(record["uuid"])}
        if await self.call_plugin(context, master_host(self._database), *POWER_ON, args) != _SUCCEEDED:
            raise ApiError("INTERNAL_ERROR", "The host failed to power on.")


async def _value(answers: AsyncGenerator[Any, None], host: Ref) -> str:
    """Of the only answer. Raises ApiError, as the plugin says. Cancelled, the plugin is ended."""
    async with aclosing(answers):
        answer = await anext(answers, None)
    if answer is None:
        raise ApiError("HOST_OFFLINE", host)
    if answer.failure:
        raise ApiError(*answer.failure)
    return str(answer.value)
