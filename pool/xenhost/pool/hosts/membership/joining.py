"""pool.join: this master's only host, the one it runs on, becomes a member of another pool."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog

from xenhost.pool.call import ApiError, Context, Implementation, Value
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.coordinator import master_host
from xenhost.pool.hosts.dial import Dial
from xenhost.pool.hosts.membership.address import parse_address
from xenhost.pool.hosts.membership.admission import NAMES
from xenhost.pool.hosts.membership.checks import OF_HOST, OF_POOL, Other, check_joining
from xenhost.pool.hosts.membership.other_pool import OtherPool, logged_in
from xenhost.pool.hosts.membership.reach import endpoint_elsewhere, is_heard
from xenhost.pool.hosts.membership.role import MemberOf, PoolRole


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
            endpoint = endpoint_elsewhere(self._database, self._agents, host)
            async with logged_in(address, await self._verifying(), user, password) as other:
                found = await _records(other)
                check_joining(self._database, host, found, force)
                me = self._database.get("host", host)
                told = {"uuid": me["uuid"], "endpoints": [endpoint], "names": {name: me[name] for name in NAMES}}
                link = address.target(_port(await other.admit(told)))
            if not await is_heard(self._dial, link):
                raise ApiError("JOINING_HOST_CONNECTION_FAILED")
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

    async def _verifying(self) -> ssl.SSLContext:
        """As xapi: what a pool that verifies none knows of another is its address and its password."""
        if all(pool["tls_verification_enabled"] for pool in self._database.rows("pool").values()):
            return await self._tls()
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


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
