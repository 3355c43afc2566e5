"""What a member answers: emergencies. Everything else is the master's business, and who it is, is the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from xenhost.pool.call import ApiError, Context, Dispatcher, Implementation, Method, Value
from xenhost.pool.hosts.membership.address import parse_address
from xenhost.pool.hosts.membership.role import MemberOf, PoolRole

LOCAL: Final = frozenset(
    {
        "session.slave_local_login_with_password",
        "session.local_logout",
        "pool.emergency_transition_to_master",
        "pool.emergency_reset_master",
    }
)
"""What is answered here."""


class MemberDispatcher:
    """The Dispatcher of a member."""

    def __init__(self, all_of_them: Dispatcher, master: str) -> None:
        self._all: Final = all_of_them
        self._master: Final = master

    def find(self, name: str) -> Method | None:
        """See Dispatcher. Sessions of the master are not known here: nobody is asked for one, none is written down."""
        method = self._all.find(name)
        if method is None or method.name in LOCAL:
            return method
        return replace(method, session=False, secret=frozenset({0}))

    def names(self) -> Sequence[str]:
        """See Dispatcher."""
        return self._all.names()

    async def call(self, context: Context, method: str, params: Sequence[Value]) -> Value:
        """See Dispatcher. Raises ApiError HOST_IS_SLAVE."""
        found = self._all.find(method)
        if found is None or found.name not in LOCAL:
            raise ApiError("HOST_IS_SLAVE", self._master)
        return await self._all.call(context, method, params)


class MemberAnswers:
    """Answers emergencies."""

    def __init__(self, role: PoolRole, of: MemberOf) -> None:
        self._role: Final = role
        self._of: Final = of

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "pool.emergency_transition_to_master": self._become_master,
            "pool.emergency_reset_master": self._reset_master,
        }

    async def _become_master(self, context: Context) -> None:
        """Of the pool that this host had before it joined: what the lost master knew is lost with it."""
        await self._role.become_master()

    async def _reset_master(self, context: Context, master_address: str) -> None:
        """Agents report to the same port there. Raises ApiError INVALID_VALUE."""
        address = parse_address(master_address)
        if master_address != self._of.master:
            port = int(self._of.link.rpartition(":")[2])
            await self._role.become_member(MemberOf(master_address, address.target(port)))
