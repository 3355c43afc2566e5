"""A connection to xenstored that mends itself: the asyncio shell around XenstoreProtocol."""

import asyncio
import errno
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Final, Self

from xenhost.native.xenstore_errors import ConnectionLost, ProtocolViolation, XenstoreError
from xenhost.native.xenstore_link import Link, open_link
from xenhost.native.xenstore_ops import Operations
from xenhost.native.xenstore_proto import WINDOW, Call, Result, WatchFired, XenstoreProtocol
from xenhost.native.xenstore_types import strings
from xenhost.native.xenstore_watch import Watch
from xenhost.native.xs_wire import Op, Request

_CONNECT_DELAYS: Final = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts to reconnect; the last one again and again."""


@dataclass(frozen=True, slots=True)
class TxRef:
    """A transaction id, and the connection (by number) it belongs to."""

    id: int
    generation: int


class Connection(Operations):
    """One connection to xenstored, for one event loop. Use it as context manager, or connect()
    and close() it.

    `address` is a socket or the kernel's device; by default where libxenstore goes (environment
    XENSTORED_PATH and XENSTORED_RUNDIR are honoured). `timeout` is how many seconds requests may
    be under way with no answer to any of them; then all fail and the connection is made anew.
    """

    def __init__(self, address: str | None = None, *, timeout: float = 30.0, window: int = WINDOW) -> None:
        self._address: Final = address
        self._timeout: Final = timeout
        self._window: Final = window
        self._proto: Final = XenstoreProtocol(window)
        self._waiting: Final[dict[Call, asyncio.Future[None]]] = {}
        self._watches: Final[dict[str, Watch]] = {}
        self.next_token = 1
        self._link: Link | None = None
        self.generation = 0
        self._flush_due = False
        self._closed = True
        self._reconnecting: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._progress = 0.0

    # --- life -----------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def connect(self) -> None:
        """Connect. Raises ConnectionLost if there is no xenstored. No-op if connected."""
        if not self._closed:
            return
        self._use(await open_link(self._address))
        self._closed = False

    async def close(self) -> None:
        """Drop the connection; what is under way fails, watches end. Idempotent."""
        self._closed = True
        task, self._reconnecting = self._reconnecting, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))
        self._drop(ConnectionLost(errno.ESHUTDOWN, "close", "the client was closed"))
        self._fail(self._proto.give_up(), ConnectionLost(errno.ESHUTDOWN, "close", "closed", sent=False))
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        for watch in self._watches.values():
            watch.close()
        self._watches.clear()

    def sibling(self) -> "Connection":
        """Another connection to the same place, not yet connected."""
        return Connection(self._address, timeout=self._timeout, window=self._window)

    @property
    def connected(self) -> bool:
        """Whether there is a connection right now."""
        return self._link is not None

    # --- requests -------------------------------------------------------------------------

    async def run(self, requests: Sequence[Request], tx: TxRef | None = None) -> list[Result]:
        """Send requests of any kind in order, pipelined; their results in the same order."""
        return await self._wait(self._proto.call(requests, self._tx_id(tx))) if requests else []

    async def run_paths(self, op: Op, paths: Sequence[str], tx: TxRef | None = None) -> list[Result]:
        """Send one request of type `op` for each path; their results in the same order."""
        return await self._wait(self._proto.call_paths(op, paths, self._tx_id(tx))) if paths else []

    def post(self, request: Request, tx: TxRef | None = None) -> None:
        """Send a request nobody waits for; its reply is swallowed. No-op if not connected, or
        if the transaction went with its connection."""
        if self._link is None or (tx is not None and tx.generation != self.generation):
            return
        call = self._proto.call((request,), tx.id if tx else 0)
        self._submit(call)
        call.abandoned = True

    def _tx_id(self, tx: TxRef | None) -> int:
        if tx is None:
            return 0
        if tx.generation != self.generation or self._link is None:
            detail = f"transaction {tx.id} went with its connection"
            raise ConnectionLost(errno.ECONNRESET, "send", detail, sent=False)
        return tx.id

    async def _wait(self, call: Call) -> list[Result]:
        if self._closed:
            detail = "not connected; connect() first"
            raise ConnectionLost(errno.ENOTCONN, "send", detail, sent=False)
        loop = asyncio.get_running_loop()
        if not self._waiting:
            self._progress = loop.time()  # the time before this one was idle, not slow
        self._waiting[call] = done = loop.create_future()
        self._submit(call)
        try:
            await done
        except asyncio.CancelledError:
            if self._waiting.pop(call, None) is not None:
                self._proto.abandon(call)
            raise
        return call.outcome()

    def _submit(self, call: Call, *, first: bool = False) -> None:
        """Queue a call. The first one goes out at once, those of the same turn together."""
        loop = asyncio.get_running_loop()
        if self._deadline is None:
            self._deadline = loop.call_later(self._timeout, self._check_deadline)
        self._proto.submit(call, first=first)
        if self._flush_due:
            return
        if self._proto.in_flight == 0:
            self._flush()
        else:
            self._flush_due = True
            loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if self._link is not None:
            views = self._proto.outgoing()
            if views:
                self._link.send(views)

    # --- the connection -------------------------------------------------------------------

    def _use(self, link: Link) -> None:
        self._link = link
        self._proto.window = min(self._window, link.window)
        self.generation += 1
        self._progress = asyncio.get_running_loop().time()
        link.start(self._on_readable, self._on_lost)

    def _on_readable(self) -> None:
        assert self._link is not None
        try:
            untrusted = self._link.receive()
            if untrusted is None:
                return
            if not untrusted:
                raise ConnectionResetError(errno.ECONNRESET, "xenstored closed the connection")
            under_way = self._proto.in_flight
            events = self._proto.receive(untrusted)
        except OSError as error:
            self._on_lost(error)
            return
        if self._proto.in_flight != under_way:
            self._progress = asyncio.get_running_loop().time()
        for event in events:
            if isinstance(event, WatchFired):
                watch = self._watches.get(event.token)
                if watch is not None:
                    watch.fire(event.path)
            elif isinstance(event, ProtocolViolation):
                self._on_lost(event)
            elif event.abandoned:
                self._undo_abandoned(event)
            else:
                done = self._waiting.pop(event, None)
                if done is not None and not done.done():
                    done.set_result(None)
        self._flush()

    def _undo_abandoned(self, call: Call) -> None:
        """If that was the start of a transaction: nobody will use it, so end it."""
        started = call.results[0] if call.op is Op.TRANSACTION_START else None
        if isinstance(started, bytes) and (digits := started.rstrip(b"\0")).isdigit():
            tx = TxRef(int(digits), self.generation)
            self.post(Request(Op.TRANSACTION_END, None, strings("F")), tx)

    def _on_lost(self, error: OSError) -> None:
        """The connection broke: fail what was under way and begin to make a new one."""
        if isinstance(error, ConnectionLost):
            lost = error
        else:
            lost = ConnectionLost(error.errno or errno.EIO, "connection", str(error))
        self._drop(lost)
        if not self._closed and self._reconnecting is None:
            loop = asyncio.get_running_loop()
            self._reconnecting = loop.create_task(self._reconnect(), name="xenstore reconnect")

    def _drop(self, error: ConnectionLost) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
        sent, unsent = self._proto.connection_lost()
        self._fail(sent, error)
        self._fail(unsent, ConnectionLost(error.errno or errno.EIO, "send", error.detail, sent=False))

    def _fail(self, calls: list[Call], error: ConnectionLost) -> None:
        for call in calls:
            done = self._waiting.pop(call, None)
            if done is not None and not done.done():
                # One object each: an exception carries the traceback of who raised it.
                done.set_exception(type(error)(error.errno or errno.EIO, error.call, error.detail, sent=error.sent))

    async def _reconnect(self) -> None:
        attempt = 0
        while True:
            try:
                link = await open_link(self._address)
                break
            except ConnectionLost:
                await asyncio.sleep(_CONNECT_DELAYS[min(attempt, len(_CONNECT_DELAYS) - 1)])
                attempt += 1
        self._reconnecting = None
        self._use(link)
        loop = asyncio.get_running_loop()
        for watch in self._watches.values():
            call = self._proto.call((Request(Op.WATCH, watch.path, strings(watch.token)),))
            self._waiting[call] = done = loop.create_future()
            done.add_done_callback(partial(self._rewatched, watch, call))
            self._submit(call, first=True)
        self._flush()

    def _rewatched(self, watch: Watch, call: Call, done: "asyncio.Future[None]") -> None:
        """The answer to registering a watch anew is there."""
        if done.cancelled() or done.exception() is not None:
            return  # the connection went again; the next one tries again
        (result,) = call.outcome()
        if isinstance(result, XenstoreError):
            self._watches.pop(watch.token, None)
            watch.close(result)
        else:
            watch.lose()

    def _check_deadline(self) -> None:
        """Nothing under way may stay without any answer for longer than the timeout."""
        self._deadline = None
        if not self._waiting:
            return
        loop = asyncio.get_running_loop()
        left = self._progress + self._timeout - loop.time()
        if left > 0:
            self._deadline = loop.call_later(left, self._check_deadline)
            return
        detail = f"no answer for {self._timeout:g} s"
        if self._link is not None:
            self._on_lost(ConnectionLost(errno.ETIMEDOUT, "receive", detail))
        self._fail(self._proto.give_up(), ConnectionLost(errno.ETIMEDOUT, "send", detail, sent=False))
