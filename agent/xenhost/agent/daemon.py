"""The order in which things come up and go down."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from xenhost.agent.host import Host
from xenhost.agent.link.link import MasterLink
from xenhost.agent.operation_log import OperationLog
from xenhost.agent.rpc.server import ApiServer
from xenhost.core.clock import Clock
from xenhost.system.lifecycle import StopSignals
from xenhost.system.notify import Notifier

Log = structlog.typing.FilteringBoundLogger


class Daemon:
    """Listens first (and answers that it is booting), then recovers, then serves; goes down in reverse.

    A stop asks nothing of running VMs: operations under way get `drain_seconds` to reach a point from which the next
    start continues them.
    """

    def __init__(
        self,
        host: Host,
        server: ApiServer,
        link: MasterLink | None,
        notifier: Notifier,
        stop: StopSignals,
        drain_seconds: float,
        clock: Clock,
        log: Log,
    ) -> None:
        self._host = host
        self._server = server
        self._link = link
        self._notifier = notifier
        self._stop = stop
        self._drain_seconds = drain_seconds
        self._clock = clock
        self._log = log

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """From start to stop. Raises ConfigError and XenhostError if the start fails; all is closed then too."""
        self._stop.install()
        operation_log = OperationLog(self._host.engine, self._clock, self._log)
        background = [
            tasks.create_task(self._notifier.watchdog(self._clock), name="watchdog"),
            tasks.create_task(operation_log.run(), name="operation log"),
        ]
        try:
            if await self._unless_stopped(self._start()):
                if self._link is not None:
                    background.append(tasks.create_task(self._link.run(), name="link"))
                await self._stopped_or_ended()
            self._notifier.stopping()
            self._notifier.extend(2 * self._drain_seconds)
        finally:
            for task in background[2:]:
                task.cancel()
            await self._close()
            for task in background:
                task.cancel()
        self._log.info("stopped")

    async def _start(self) -> None:
        begun = self._clock.monotonic()
        self._notifier.status("connecting to the hypervisor")
        await self._server.open()
        await self._host.hypervisor.open()
        self._notifier.status("setting up networks")
        await self._host.open_network()
        self._notifier.status("attaching storage")
        await self._host.open_storage()
        self._notifier.status("recovering")
        await self._host.engine.start()
        self._server.serve()
        self._notifier.status("loading metrics")  # of many VMs it takes seconds: they can be worked with meanwhile
        await self._host.open_metrics()
        vms = len(self._host.engine.vms())
        self._notifier.ready(f"{vms} VMs")
        self._log.info("ready", vms=vms, seconds=round(self._clock.monotonic() - begun, 3))

    async def _stopped_or_ended(self) -> None:
        """Until a stop is asked for. Raises what ended an engine: the next start recovers, we cannot."""
        ended = asyncio.ensure_future(self._host.ended())
        stopping = asyncio.ensure_future(self._stop.asked())
        try:
            await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                self._log.critical("the engine has ended by a fault; restarting recovers")
                ended.result()
        finally:
            ended.cancel()
            stopping.cancel()

    async def _close(self) -> None:
        """Everything, in reverse, each part even if another fails."""
        try:
            await self._server.close(self._drain_seconds)
        finally:
            await self._host.close()

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do it, or give up when a stop is asked for; says whether it was done."""
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stop.asked())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
                return True
            return False
        finally:
            stopping.cancel()
            working.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)
