"""`/console` and `/vncsnapshot`, for those who may use VMs."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from xenhost.core.clock import Clock
from xenhost.pool.call import Context, Ref, Role
from xenhost.pool.consoles.finding import attach, find
from xenhost.pool.consoles.open import OpenConsoles
from xenhost.pool.consoles.snapshot import Snapshots
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.wire.gate import Gate, HttpAction
from xenhost.pool.wire.streams import accept_tunnel
from xenhost.system.http.connection import Handler
from xenhost.system.http.message import TAKEN_OVER, HttpError, Request, Response

_ROLES: Final = frozenset(Role) - {Role.READ_ONLY}
"""vm-operator and up, as in xapi."""


class ConsoleHandlers:
    """Answers them."""

    def __init__(self, database: Database, agents: Agents, clock: Clock) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self.open: Final = OpenConsoles(database, clock)
        self._snapshots: Final = Snapshots(database, agents)

    def routes(self, gate: Gate) -> Mapping[tuple[str, str], Handler]:
        """For those with a session, or a name and a password."""
        return {
            ("CONNECT", "/console"): gate.guarded(HttpAction("connect_console", _ROLES, self.console)),
            ("GET", "/console"): gate.guarded(HttpAction("connect_console_ws", _ROLES, self.console)),
            ("GET", "/vncsnapshot"): gate.guarded(HttpAction("get_vncsnapshot", _ROLES, self._snapshots.answer)),
        }

    def session_ended(self, session: Ref) -> None:
        """Its consoles close."""
        self.open.session_ended(session)

    async def console(self, context: Context, request: Request) -> Response:
        """Bytes both ways, until either side ends. Raises HttpError before it begins."""
        _check_origin(request)
        found = find(self._database, request)
        with self.open.opened(found, context) as one:
            console = await attach(self._agents, found)
            try:
                await self.open.relay(one, await accept_tunnel(request), console)
            finally:
                console.close()
        return TAKEN_OVER


def _check_origin(request: Request) -> None:
    """A page of another origin, which a browser may lend its password or cookie, must know the session itself."""
    origin = request.headers.get("origin")
    if origin and not request.arg("session_id") and urlsplit(origin).netloc != request.headers.get("host"):
        raise HttpError(HTTPStatus.FORBIDDEN, "a page of another origin has to name its session in the query")
