"""What is done with each host that has come back, and again when somebody says so."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from xenhost.core.errors import XenhostError
from xenhost.pool.call import ApiError, Ref
from xenhost.pool.hosts.agent import Agents

RETRY_SECONDS: Final = 60.0


class ReturnedHosts:
    """One after another. A host that cannot now, though it is alive, is tried again."""

    def __init__(self, agents: Agents, act: Callable[[Ref], Awaitable[None]], what: str) -> None:
        """`what`: for the log, if it fails. `act` may raise XenhostError and ApiError."""
        self._agents: Final = agents
        self._act: Final = act
        self._what: Final = what
        self._waiting: Final[asyncio.Queue[Ref]] = asyncio.Queue()
        self._log: Final = structlog.get_logger("xenpoold.hosts")
        agents.on_returned(self.again)

    def again(self, host: Ref) -> None:
        """Soon."""
        self._waiting.put_nowait(host)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            host = await self._waiting.get()
            try:
                await self._act(host)
            except (XenhostError, ApiError) as error:
                self._log.warning(self._what, host=host, error=str(error))
                if self._agents.alive(host):
                    asyncio.get_running_loop().call_later(RETRY_SECONDS, self.again, host)
