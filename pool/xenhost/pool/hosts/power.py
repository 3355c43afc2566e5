"""Switching hosts off and on again, and their agents."""

from collections.abc import Mapping
from typing import Final

from xenhost.api.host.v1 import host_service_pb2 as pb
from xenhost.pool.call import ApiError, Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.coordinator import master_host
from xenhost.pool.hosts.host_settings import HostSettings


class HostPower:
    """Answers these messages. Only a host that is disabled and empty is stopped."""

    def __init__(self, database: Database, agents: Agents, settings: HostSettings) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._settings: Final = settings

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "host.shutdown": self._stop(pb.STOP_ACTION_SHUTDOWN),
            "host.reboot": self._stop(pb.STOP_ACTION_REBOOT),
            "host.restart_agent": self._restart_agent,
            "host.shutdown_agent": self._stop_agent,
            "host.local_management_reconfigure": self._refuse_emergency,
        }

    def _stop(self, action: pb.StopAction) -> Implementation:
        async def stop(context: Context, host: Ref) -> None:
            """Raises ApiError HOST_NOT_DISABLED, HOST_IN_USE, HOST_OFFLINE."""
            self._settings.assert_idle(host)
            await self._send(host, action)

        return stop

    async def _restart_agent(self, context: Context, host: Ref) -> None:
        """VMs run on."""
        await self._send(host, pb.STOP_ACTION_RESTART_AGENT)

    async def _stop_agent(self, context: Context) -> None:
        """Of the master's host; VMs run on."""
        await self._send(master_host(self._database), pb.STOP_ACTION_STOP_AGENT)

    async def _refuse_emergency(self, context: Context, interface: str) -> None:
        raise ApiError("NOT_IN_EMERGENCY_MODE")

    async def _send(self, host: Ref, action: pb.StopAction) -> None:
        agent = self._agents.agent(host)
        await agent.call(agent.hosts.StopHost, pb.StopHostRequest(action=action))
