"""Who is at the other end of a request, before he said who he is."""

import os
from dataclasses import dataclass
from typing import Final

from xenhost.pool.call import Context
from xenhost.pool.session.session import Session
from xenhost.system.http.message import Request

_MAX_AGENT: Final = 100
_LOCAL: Final = "local"


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request comes from."""

    client: str
    """Its address, and what it calls itself."""
    local_superuser: bool
    """Root, or whoever the daemon runs as, on the unix socket: needs no password."""

    def nobody(self) -> Context:
        """The context of a call without session."""
        return Context(client=self.client, superuser=self.local_superuser)

    def of(self, session: Session) -> Context:
        """The context of a call of that session."""
        return Context(
            session=session.ref,
            user=session.user,
            subject=session.subject_identifier,
            superuser=session.superuser,
            roles=session.roles,
            originator=session.originator,
            client=self.client,
        )


def caller_of(request: Request) -> Caller:
    """Who sent it."""
    peer = request.peer
    agent = "".join(char if char.isprintable() else "?" for char in request.headers.get("user-agent")[:_MAX_AGENT])
    local = peer.uid is not None and peer.uid in (0, os.getuid())
    return Caller(f"{peer.address or _LOCAL} {agent}".strip(), local)
