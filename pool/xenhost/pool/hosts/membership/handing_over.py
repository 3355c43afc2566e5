"""pool.designate_new_master: another host becomes the pool's master, and this one its member.

What the master knows is copied while nothing changes. Then one file says here that this host is a member, and of whom:
before that this is the master, after it the other one, who becomes it when he is told, or has asked. So there are never
two, whoever is killed when.
"""

import asyncio
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import structlog

from xenhost.api.link.v1 import follow_service_pb2
from xenhost.pool.call import ApiError, Context, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.port import StoreFailed
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.coordinator import master_host
from xenhost.pool.hosts.database_files import RESTORED
from xenhost.pool.hosts.dial import Dial
from xenhost.pool.hosts.membership.address import HTTPS_PORT, MasterAddress
from xenhost.pool.hosts.membership.followers import Follower, Followers, Told
from xenhost.pool.hosts.membership.handed import PIECE, files_of
from xenhost.pool.hosts.membership.reach import endpoint_elsewhere, is_heard
from xenhost.pool.hosts.membership.role import MemberOf, PoolRole
from xenhost.pool.hosts.membership.standstill import Standstill

PREPARE_SECONDS: Final = 300.0
"""Until the other one has everything, and has tried it. Nothing changes in the pool meanwhile."""


class HandingOver:
    """Answers it."""

    def __init__(
        self,
        database: Database,
        agents: Agents,
        followers: Followers,
        standstill: Standstill,
        role: PoolRole,
        dial: Dial,
        state: Path,
    ) -> None:
        """`state`: the folder of this master."""
        self._database: Final = database
        self._agents: Final = agents
        self._followers: Final = followers
        self._standstill: Final = standstill
        self._role: Final = role
        self._dial: Final = dial
        self._state: Final = state
        self._log: Final = structlog.get_logger("xenpoold")

    async def designate(self, context: Context, host: Ref) -> None:
        """See above. Cancelled or failed before the file is written, everything is as it was. Raises ApiError."""
        uuid = str(self._database.get("host", host)["uuid"])
        if host == master_host(self._database):
            return  # as xapi
        follower, of = self._next(host, uuid)
        if not await is_heard(self._dial, of.link):
            text = f"the xenpoold at {of.link} does not hear this one: see its --agents, and the hosts' certificates"
            raise ApiError("OPERATION_NOT_ALLOWED", text)
        self._standstill.begin(context.task)
        self._followers.handover = of.handover
        try:
            await self._prepare(follower, of.handover, host)
        except BaseException:
            await self._go_on()
            raise
        await asyncio.shield(self._move(of))

    def _next(self, host: Ref, uuid: str) -> tuple[Follower, MemberOf]:
        """The next master. Raises ApiError."""
        if any(pool["ha_enabled"] for pool in self._database.rows("pool").values()):
            raise ApiError("HA_IS_ENABLED")
        if not self._agents.alive(host):
            raise ApiError("HOST_OFFLINE", host)
        mine = master_host(self._database)
        for other, record in self._database.rows("host").items():
            if other != mine and self._agents.alive(other) and self._followers.find(str(record["uuid"])) is None:
                text = f"{record['name_label']} would lose its master: it has no xenpoold that follows this one"
                raise ApiError("OPERATION_NOT_ALLOWED", text)
        follower = self._followers.find(uuid)
        assert follower is not None, "it is alive"
        if not follower.hello.https_port or not follower.hello.link_port:
            name = self._database.get("host", host)["name_label"]
            raise ApiError("OPERATION_NOT_ALLOWED", f"start the xenpoold of {name} with --https and --agents")
        endpoint_elsewhere(self._database, self._agents, mine)
        name = urlsplit(f"//{endpoint_elsewhere(self._database, self._agents, host)}").hostname or ""
        address = MasterAddress(name, follower.hello.https_port)  # by that name our certificates know it
        clients = name if address.port == HTTPS_PORT else address.target(address.port)
        return follower, MemberOf(clients, address.target(follower.hello.link_port), uuid, str(uuid4()))

    async def _prepare(self, follower: Follower, handover: str, host: Ref) -> None:
        """Raises ApiError."""
        try:
            async with asyncio.timeout(PREPARE_SECONDS):
                await asyncio.to_thread(self._role.handed.begin)
                await self._database.backup(self._role.handed.database)
                error = await follower.prepare(handover, self._told(handover, host))
        except TimeoutError as late:
            text = f"the next master was not ready within {PREPARE_SECONDS:g} s"
            raise ApiError("OPERATION_NOT_ALLOWED", text) from late
        except ConnectionError as lost:
            raise ApiError("HOST_OFFLINE", host) from lost
        except (StoreFailed, OSError) as failed:
            raise ApiError("OPERATION_NOT_ALLOWED", f"the database cannot be copied: {failed}"[:300]) from failed
        if error:
            raise ApiError(*error)

    async def _told(self, handover: str, host: Ref) -> Told:
        """All that the next master has to know. It ends early if the hand-over has."""
        handed = [(RESTORED, self._role.handed.database)]
        for name, path in handed + await asyncio.to_thread(lambda: list(files_of(self._state))):
            try:
                file = await asyncio.to_thread(path.open, "rb")
            except FileNotFoundError:
                continue  # a blob that nobody has any more
            with file:
                data = b"more"
                while data and self._followers.handover == handover:
                    data = await asyncio.to_thread(file.read, PIECE)
                    piece = follow_service_pb2.Piece(handover=handover, name=name, data=data)
                    yield follow_service_pb2.FollowResponse(piece=piece)
        agents = [
            follow_service_pb2.Endpoint(
                host_id=str(record["uuid"]), address=endpoint_elsewhere(self._database, self._agents, other)
            )
            for other, record in self._database.rows("host").items()
            if other != host and self._agents.alive(other)
        ]
        if self._followers.handover == handover:
            end = follow_service_pb2.End(handover=handover, agents=agents)
            yield follow_service_pb2.FollowResponse(end=end)

    async def _move(self, of: MemberOf) -> None:
        """From here on it is done, whatever happens. Raises OSError, ApiError: then nothing was."""
        try:
            await self._role.become_member(of)
        except BaseException:
            await self._go_on()
            raise
        self._log.warning("the mastership is handed over", master=of.master, host=of.host)
        moved = follow_service_pb2.Moved(host_id=of.host, handover=of.handover, master=of.master, link=of.link)
        self._followers.tell(moved=moved)
        await asyncio.to_thread(self._role.handed.drop)

    async def _go_on(self) -> None:
        """As the master that this is."""
        self._followers.handover = ""
        self._followers.tell(standing=follow_service_pb2.Standing())
        try:
            await asyncio.to_thread(self._role.handed.drop)
        finally:
            self._standstill.end()  # last: then there may be another one
