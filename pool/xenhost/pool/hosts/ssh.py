"""Who may log in to hosts by SSH and for how long, and when idle shells end; for one host, or for all."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from xenhost.api.host.v1 import host_service_pb2 as pb
from xenhost.core.clock import Clock
from xenhost.core.errors import XenhostError
from xenhost.pool.call import ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agents

MAX_TIMEOUT: Final = 172_800
"""Seconds: two days, as in xapi."""
LOOK_SECONDS: Final = 5.0
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MAX_IDLE: Final = (1 << 31) - 1


class HostSsh:
    """Answers these messages, and closes SSH when its time has come."""

    def __init__(self, database: Database, agents: Agents, clock: Clock) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._clock: Final = clock
        self._locks: Final[defaultdict[Ref, asyncio.Lock]] = defaultdict(asyncio.Lock)
        """Of a host: its record says what its agent was told last."""
        self._log: Final = structlog.get_logger("xenpoold.ssh")

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "host.enable_ssh": self.enable,
            "host.disable_ssh": self.disable,
            "host.set_ssh_enabled_timeout": self.set_timeout,
            "host.set_console_idle_timeout": self.set_console_timeout,
            "host.set_ssh_auto_mode": self.set_auto_mode,
            "pool.enable_ssh": self._everywhere(self.enable, "ENABLE_SSH_PARTIALLY_FAILED"),
            "pool.disable_ssh": self._everywhere(self.disable, "DISABLE_SSH_PARTIALLY_FAILED"),
            "pool.set_ssh_enabled_timeout": self._everywhere(self.set_timeout, "SET_SSH_TIMEOUT_PARTIALLY_FAILED"),
            "pool.set_console_idle_timeout": self._everywhere(
                self.set_console_timeout, "SET_CONSOLE_TIMEOUT_PARTIALLY_FAILED"
            ),
            "pool.set_ssh_auto_mode": self._everywhere(self.set_auto_mode, "SET_SSH_AUTO_MODE_PARTIALLY_FAILED"),
        }

    async def enable(self, context: Context, host: Ref) -> None:
        """For as long as its timeout says."""
        async with self._locks[host]:
            await self._configure(host, pb.ConfigureHostRequest(ssh=True))
            seconds = self._database.get("host", host)["ssh_enabled_timeout"]
            assert isinstance(seconds, int)
            await self._set(host, {"ssh_enabled": True, "ssh_auto_mode": False, "ssh_expiry": self._expiry(seconds)})

    async def disable(self, context: Context, host: Ref) -> None:
        """Those who are in stay in."""
        async with self._locks[host]:
            await self._close(host)

    async def set_timeout(self, context: Context, host: Ref, value: int) -> None:
        """Of the next time that it is enabled, and from now on if it is. Raises ApiError INVALID_VALUE."""
        if not 0 <= value <= MAX_TIMEOUT:
            raise ApiError("INVALID_VALUE", "ssh_enabled_timeout", str(value))
        async with self._locks[host]:
            fields: dict[str, Value] = {"ssh_enabled_timeout": value}
            if self._database.get("host", host)["ssh_enabled"]:
                fields["ssh_expiry"] = self._expiry(value)
            await self._set(host, fields)

    async def set_console_timeout(self, context: Context, host: Ref, value: int) -> None:
        """Raises ApiError INVALID_VALUE."""
        if not 0 <= value <= _MAX_IDLE:
            raise ApiError("INVALID_VALUE", "console_timeout", str(value))
        await self._configure(host, pb.ConfigureHostRequest(console_idle_seconds=value))
        await self._set(host, {"console_idle_timeout": value})

    async def set_auto_mode(self, context: Context, host: Ref, value: bool) -> None:
        """Nobody on a host watches whether the API answers. Raises ApiError VALUE_NOT_SUPPORTED."""
        if value:
            raise ApiError("VALUE_NOT_SUPPORTED", "ssh_auto_mode", "true", "hosts do not watch the API")
        await self._set(host, {"ssh_auto_mode": False})

    async def watch(self) -> None:
        """Until cancelled: SSH that was opened for a while is closed when that is over, once the host is there."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            await asyncio.gather(*(self._close_over(host) for host in self._database.rows("host") if self._over(host)))

    async def _close_over(self, host: Ref) -> None:
        async with self._locks[host]:
            if not self._over(host):  # somebody has opened it again meanwhile
                return
            try:
                await self._close(host)
            except (XenhostError, ApiError) as error:
                self._log.warning("SSH cannot be closed", host=host, error=str(error))

    def _over(self, host: Ref) -> bool:
        """Its time is, and it can be told."""
        record = self._database.rows("host").get(host)
        if record is None:
            return False
        expiry = record["ssh_expiry"]
        assert isinstance(expiry, datetime)
        return bool(record["ssh_enabled"]) and _EPOCH < expiry <= self._now() and self._agents.alive(host)

    async def _close(self, host: Ref) -> None:
        await self._configure(host, pb.ConfigureHostRequest(ssh=False))
        await self._set(host, {"ssh_enabled": False, "ssh_expiry": self._now()})

    def _everywhere(self, act: Callable[..., Awaitable[None]], code: str) -> Implementation:
        async def for_all(context: Context, pool: Ref, *params: Value) -> None:
            async def fails(host: Ref) -> bool:
                try:
                    await act(context, host, *params)
                except (XenhostError, ApiError) as error:
                    self._log.warning("a host was left out", host=host, error=str(error))
                    return True
                return False

            hosts = tuple(self._database.rows("host"))
            failed = [host for host, bad in zip(hosts, await asyncio.gather(*map(fails, hosts)), strict=True) if bad]
            if failed:
                raise ApiError(code, *failed)

        return for_all

    def _expiry(self, seconds: int) -> datetime:
        return self._now() + timedelta(seconds=seconds) if seconds else _EPOCH

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._clock.now()), UTC)

    async def _configure(self, host: Ref, request: pb.ConfigureHostRequest) -> None:
        agent = self._agents.agent(host)
        await agent.call(agent.hosts.ConfigureHost, request)

    async def _set(self, host: Ref, fields: Mapping[str, Value]) -> None:
        await self._database.change(lambda t: t.set("host", host, fields))
