"""What is done with each host that has come back, and again when somebody says so."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import grpc
import structlog

from xenhost.core.errors import XenhostError
from xenhost.pool.call import ApiError, Ref
from xenhost.pool.hosts.agent import Agents

RETRY_SECONDS: Final = 60.0


class ReturnedHosts:
    """Hosts side by side, each once at a time. One that cannot now, though it is alive, is tried again."""

    def __init__(self, agents: Agents, act: Callable[[Ref], Awaitable[None]], what: str) -> None:
        """`what`: for the log, if it fails. `act` may raise XenhostError and ApiError."""
        self._agents: Final = agents
        self._act: Final = act
        self._what: Final = what
        self._waiting: Final[set[Ref]] = set()
        self._busy: Final[set[Ref]] = set()
        self._wake: Final = asyncio.Event()
        self._log: Final = structlog.get_logger("xenpoold.hosts")
        agents.on_returned(self.again)

    def again(self, host: Ref) -> None:
        """Soon, or once what is being done with it has ended."""
        self._waiting.add(host)
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._wake.wait()
                self._wake.clear()
                ready = self._waiting - self._busy
                self._waiting.difference_update(ready)
                self._busy.update(ready)
                for host in ready:
                    group.create_task(self._do(host))

    async def _do(self, host: Ref) -> None:
        try:
            await self._act(host)
        except (XenhostError, ApiError) as error:
            self._log.warning(self._what, host=host, error=str(error))
            if self._agents.alive(host) and not _unknown(error):
                asyncio.get_running_loop().call_later(RETRY_SECONDS, self.again, host)
        finally:
            self._busy.discard(host)
            self._wake.set()


def _unknown(error: Exception) -> bool:
    """An older agent does not know the call: it will not before it is another, which is when it comes back."""
    cause = error.__cause__
    return isinstance(cause, grpc.aio.AioRpcError) and cause.code() is grpc.StatusCode.UNIMPLEMENTED
