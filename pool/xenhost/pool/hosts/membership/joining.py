"""pool.join: this master's only host, the one it runs on, becomes a member of another pool."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import grpc
import structlog

from xenhost.api.link.v1 import link_service_pb2_grpc
from xenhost.core.config_error import ConfigError
from xenhost.pool.call import ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.coordinator import master_host
from xenhost.pool.hosts.dial import Dial
from xenhost.pool.hosts.membership.address import parse_address
from xenhost.pool.hosts.membership.admission import NAMES
from xenhost.pool.hosts.membership.checks import OF_HOST, OF_POOL, Other, check_joining
from xenhost.pool.hosts.membership.other_pool import OtherPool, logged_in
from xenhost.pool.hosts.membership.role import MemberOf, PoolRole

LINK_SECONDS: Final = 15.0
"""Until the other master has answered where it listens for agents."""


class Joining:
    """Answers what changes a master into a member, and what there is no need of on a master."""

    def __init__(
        self,
        database: Database,
        agents: Agents,
        role: PoolRole,
        dial: Dial,
        tls: Callable[[], Awaitable[ssl.SSLContext]],
    ) -> None:
        """`tls`: how the certificate of the other master is verified, if this pool verifies any."""
        self._database: Final = database
        self._agents: Final = agents
        self._role: Final = role
        self._dial: Final = dial
        self._tls: Final = tls
        self._joining: Final = asyncio.Lock()
        self._log: Final = structlog.get_logger("xenpoold")

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "pool.join": self._join,
            "pool.join_force": self._join_by_force,
            "pool.recover_slaves": self._recover,
            "pool.emergency_transition_to_master": self._stay,
            "pool.emergency_reset_master": self._refuse_reset,
        }

    async def _join(self, context: Context, master_address: str, master_username: str, master_password: str) -> None:
        """Raises ApiError, also those of the other master."""
        await self._become_member(master_address, master_username, master_password, False)

    async def _join_by_force(self, context: Context, master_address: str, user: str, password: str) -> None:
        await self._become_member(master_address, user, password, True)

    async def _become_member(self, master_address: str, user: str, password: str, force: bool) -> None:
        address = parse_address(master_address)
        async with self._joining:
            host = master_host(self._database)
            endpoints = self._endpoints(host)
            async with logged_in(address, await self._verifying(), user, password) as other:
                found = await _records(other)
                check_joining(self._database, host, found, force)
                me = self._database.get("host", host)
                told = {"uuid": me["uuid"], "endpoints": endpoints, "names": {name: me[name] for name in NAMES}}
                link = address.target(_port(await other.admit(told)))
            await self._try(link)
            check_joining(self._database, host, found, force)  # the other master took its time
            await self._role.become_member(MemberOf(master_address, link))
            self._log.warning("this host joins another pool", master=master_address, link=link)

    async def _recover(self, context: Context) -> Value:
        """Those that have found this master. The others are told where they are: emergency_reset_master."""
        master = master_host(self._database)
        return tuple(host for host in self._database.rows("host") if host != master and self._agents.alive(host))

    async def _stay(self, context: Context) -> None:
        """It is one already."""

    async def _refuse_reset(self, context: Context, master_address: str) -> None:
        raise ApiError("OPERATION_NOT_ALLOWED", "this host is the master of its pool; pool.join makes it a member")

    def _endpoints(self, host: Ref) -> Sequence[str]:
        """Where others reach our agent. Raises ApiError."""
        found = [each for each in self._agents.endpoints(host) if not each.startswith("unix:")]
        if not found:
            text = "the agent of this host names no address for masters elsewhere: [master] endpoints in xenhostd.toml"
            raise ApiError("OPERATION_NOT_ALLOWED", text)
        return found

    async def _verifying(self) -> ssl.SSLContext:
        """As xapi: what a pool that verifies none knows of another is its address and its password."""
        if all(pool["tls_verification_enabled"] for pool in self._database.rows("pool").values()):
            return await self._tls()
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    async def _try(self, link: str) -> None:
        """Whether the other master would hear our agent. Raises ApiError."""
        try:
            channel = self._dial(link)
        except ConfigError as error:
            raise ApiError("OPERATION_NOT_ALLOWED", str(error)) from error
        try:
            stub: Any = link_service_pb2_grpc.LinkServiceStub(channel)  # type: ignore[no-untyped-call] # generated
            call = stub.Report(timeout=LINK_SECONDS)
            await call.done_writing()  # nothing is reported, so nobody is introduced
            async for _ in call:
                pass
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            self._log.warning("the other master does not hear us", link=link, reason=str(error))
            raise ApiError("JOINING_HOST_CONNECTION_FAILED") from error
        finally:
            await channel.close(None)


async def _records(other: OtherPool) -> Other:
    """Raises ApiError."""
    try:
        (pool,) = (await other.call("pool.get_all_records")).values()
        master = str(pool["master"])
        host = await other.call("host.get_record", master)
        return Other({name: pool[name] for name in OF_POOL}, {name: host[name] for name in OF_HOST})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ApiError("JOINING_HOST_SERVICE_FAILED") from error


def _port(untrusted: Any) -> int:
    """Raises ApiError."""
    port = untrusted.get("port") if isinstance(untrusted, dict) else None
    if not isinstance(port, int) or not 0 < port < 1 << 16:
        raise ApiError("JOINING_HOST_SERVICE_FAILED")
    return port
