"""The connection to the master, kept for as long as the agent runs. It never holds the engine up."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import grpc
import structlog
from google.protobuf.duration_pb2 import Duration

from xenhost.agent.config import MasterConfig
from xenhost.agent.engine.engine import Engine
from xenhost.agent.link.backoff import Backoff
from xenhost.agent.link.diagnose import why
from xenhost.agent.link.dial import open_channel
from xenhost.agent.link.lease import Lease
from xenhost.agent.link.report import Reporter
from xenhost.agent.messages.log import MessageLog
from xenhost.agent.rpc.health import Health
from xenhost.agent.rpc.networking import Networking
from xenhost.agent.steps.patience import before
from xenhost.agent.storage.engine import StorageEngine
from xenhost.api.link.v1 import link_service_pb2, link_service_pb2_grpc
from xenhost.core.clock import Clock
from xenhost.core.config_error import ConfigError
from xenhost.core.errors import ResumeTokenExpired, XenhostError

Log = structlog.typing.FilteringBoundLogger

REGISTER_SECONDS: Final = 15.0
COALESCE_SECONDS: Final = 0.1
"""Least time between two reports of changes: what happens within goes into one."""
INTERVAL: Final = (0.05, 300.0)
LEASE: Final = (0.1, 3600.0)
MAX_UNACKNOWLEDGED: Final = 1000
"""Reports on their way; a master that acknowledges nothing is left."""


class MasterLink:
    """Dials, registers, reports; dials again when the connection ends for whatever reason."""

    def __init__(
        self,
        config: MasterConfig,
        engine: Engine,
        storage: StorageEngine,
        health: Health,
        backoff: Backoff,
        endpoints: Callable[[], tuple[str, ...]],
        clock: Clock,
        log: Log,
        network: Networking | None = None,
        messages: MessageLog | None = None,
    ) -> None:
        """`network` None: the networks of this host are not ours, and are not reported."""
        self._config = config
        self._engine = engine
        self._reporter = Reporter(engine, storage, clock, network, messages)
        self._backoff = backoff
        self._endpoints = endpoints
        self._clock = clock
        self._log = log.bind(master=config.address)
        self._lease = Lease(health, clock, self._log)
        self._redial = asyncio.Event()
        self.on_registered: Callable[[float], None] = lambda dialled: None
        """The master has answered on a connection that was dialled at that moment (monotonic seconds)."""

    def redial(self) -> None:
        """Whether the master is still reached is in doubt: begin a new connection now."""
        self._redial.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._lease.watch(), name="lease")
            while True:
                reason = await self._connected()
                seconds = self._backoff.next()
                self._log.warning("no link to the master", reason=reason, again_in=round(seconds, 3))
                await before(self._clock, seconds, self._redial.wait())

    async def _connected(self) -> str:
        """One connection, from dialling to its end; why it ended."""
        self._redial.clear()
        dialled = self._clock.monotonic()
        try:
            channel = await open_channel(self._config)
        except ConfigError as error:
            return str(error)
        try:
            stub = link_service_pb2_grpc.LinkServiceStub(channel)  # type: ignore[no-untyped-call] # generated
            endpoints = self._config.endpoints or self._endpoints()
            request = link_service_pb2.RegisterRequest(host=await self._reporter.host(), endpoints=endpoints)
            answer = await stub.Register(request, timeout=REGISTER_SECONDS)
            self.on_registered(dialled)
            session = _Session(answer, self._engine, self._reporter, self._lease, self._clock)
            self._log.info(
                "registered", session=answer.session, heartbeat=session.interval, lease=session.lease_seconds
            )
            return await session.run(stub.Report(), self._backoff.reset, self._redial)
        except grpc.aio.AioRpcError as error:
            return why(error)
        except XenhostError as error:
            return f"the host cannot be reported: {error}"
        except asyncio.InvalidStateError:
            return "the master ended the stream"  # gRPC's answer to a report on a stream that has just ended
        except TimeoutError:
            return "the master stopped reading our reports"
        finally:
            await channel.close(None)


class _Session:
    """One registration and its Report stream."""

    def __init__(
        self,
        answer: link_service_pb2.RegisterResponse,
        engine: Engine,
        reporter: Reporter,
        lease: Lease,
        clock: Clock,
    ) -> None:
        self.interval = _seconds(answer.heartbeat_interval, 5.0, INTERVAL)
        self.lease_seconds = _seconds(answer.lease, 3 * self.interval, LEASE)
        self._name = answer.session
        self._engine = engine
        self._reporter = reporter
        self._lease = lease
        self._clock = clock
        self._sequence = 0
        self._sent: dict[int, float] = {}

    async def run(self, call: Any, acknowledged: Callable[[], None], redial: asyncio.Event) -> str:
        """Report until the stream ends; why it ended. Raises AioRpcError, XenhostError, TimeoutError."""
        reading = asyncio.ensure_future(self._read(call, acknowledged))
        writing = asyncio.ensure_future(self._write(call))
        doubting = asyncio.ensure_future(redial.wait())
        try:
            await asyncio.wait({reading, writing, doubting}, return_when=asyncio.FIRST_COMPLETED)
            if doubting.done():
                return "the management interface has changed"
            if reading.done():
                reading.result()
                return "the master ended the stream"
            writing.result()
            return "the agent stops"
        finally:
            reading.cancel()
            writing.cancel()
            doubting.cancel()
            await asyncio.gather(reading, writing, doubting, return_exceptions=True)
            call.cancel()

    async def _read(self, call: Any, acknowledged: Callable[[], None]) -> None:
        async for response in call:
            sent = None
            for sequence in [number for number in self._sent if number <= response.acknowledged]:
                sent = self._sent.pop(sequence)
            if sent is not None:
                acknowledged()
                self._lease.renew(sent, self.lease_seconds)

    async def _write(self, call: Any) -> None:
        changes = self._engine.hub.subscribe(None)
        await self._send_all(call, changes.token())
        heartbeat_at = self._clock.monotonic()
        while True:
            left = heartbeat_at - self._clock.monotonic()
            if left <= 0:
                await self._send(call, heartbeat=await self._reporter.heartbeat())
                heartbeat_at = self._clock.monotonic() + self.interval
                continue
            try:
                async with asyncio.timeout(left):
                    batch, token = await anext(changes)
            except TimeoutError:
                continue
            except StopAsyncIteration:
                return
            except ResumeTokenExpired:
                changes = self._engine.hub.subscribe(None)
                await self._send_all(call, changes.token())
                continue
            for message in self._reporter.changes(batch, token):
                await self._send(call, changes=message)
            await self._clock.sleep(min(COALESCE_SECONDS, self.interval))

    async def _send_all(self, call: Any, token: str) -> None:
        async for snapshot in self._reporter.snapshots(token):
            await self._send(call, snapshot=snapshot)

    async def _send(
        self,
        call: Any,
        snapshot: link_service_pb2.Snapshot | None = None,
        changes: link_service_pb2.Changes | None = None,
        heartbeat: link_service_pb2.Heartbeat | None = None,
    ) -> None:
        self._sequence += 1
        if len(self._sent) >= MAX_UNACKNOWLEDGED:
            raise TimeoutError
        request = link_service_pb2.ReportRequest(
            session=self._name if self._sequence == 1 else "",
            sequence=self._sequence,
            snapshot=snapshot,
            changes=changes,
            heartbeat=heartbeat,
        )
        self._sent[self._sequence] = self._clock.monotonic()
        async with asyncio.timeout(max(self.lease_seconds, 1.0)):
            await call.write(request)


def _seconds(untrusted_duration: Duration, default: float, bounds: tuple[float, float]) -> float:
    seconds = untrusted_duration.ToNanoseconds() / 1e9 or default
    return min(max(seconds, bounds[0]), bounds[1])
