"""The xenstore client: many requests under way on one connection, watches, transactions.

    async with Xenstore() as xs:
        name = await xs.read_str("/local/domain/0/name")
        values = await xs.read_many(paths)              # one burst, not one round trip each
        async with xs.watch("/local/domain/5/device") as watch:
            async for event in watch: ...
        await xs.transact(change)                       # async def change(tx), run until it fits

It reconnects by itself. What was under way when a connection goes fails with ConnectionLost, as
its effect is unknown; nothing is sent twice. What was not yet sent goes out over the next
connection. Watches are registered anew and then deliver one event with `lost` set.

Protocol source: xen/docs/misc/xenstore.txt.
"""

import asyncio
import contextlib
import errno
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeVar

from xenhost.native.xenstore_conn import Connection, TxRef
from xenhost.native.xenstore_errors import (
    AccessDenied,
    AlreadyExists,
    BatchFailed,
    Busy,
    ConnectionLost,
    InvalidRequest,
    NoEntry,
    NotSupported,
    ProtocolViolation,
    QuotaExceeded,
    TooBig,
    TransactionConflict,
    XenstoreError,
)
from xenhost.native.xenstore_lanes import Lanes
from xenhost.native.xenstore_ops import Operations
from xenhost.native.xenstore_proto import WINDOW, Result
from xenhost.native.xenstore_types import (
    INTRODUCE_DOMAIN,
    RELEASE_DOMAIN,
    Access,
    Batch,
    Perm,
    WatchEvent,
    split_strings,
    strings,
)
from xenhost.native.xenstore_watch import QUEUE, Watch
from xenhost.native.xs_wire import Op, Request

__all__ = [
    "INTRODUCE_DOMAIN",
    "RELEASE_DOMAIN",
    "Access",
    "AccessDenied",
    "AlreadyExists",
    "Batch",
    "BatchFailed",
    "Busy",
    "ConnectionLost",
    "InvalidRequest",
    "NoEntry",
    "NotSupported",
    "Perm",
    "ProtocolViolation",
    "QuotaExceeded",
    "TooBig",
    "Transaction",
    "TransactionConflict",
    "Watch",
    "WatchEvent",
    "Xenstore",
    "XenstoreError",
]

T = TypeVar("T")

ATTEMPTS: Final = 30
_LONGEST_PAUSE: Final = 0.1
_NOTHING: Final = strings("")


class Transaction(Operations):
    """The node operations, seen and made as one step; from `Xenstore.transaction`."""

    def __init__(self, connection: Connection, ref: TxRef) -> None:
        self._connection: Final = connection
        self._ref: Final = ref
        self._open = True

    @property
    def is_open(self) -> bool:
        """Whether it was neither committed nor aborted."""
        return self._open

    async def run(self, requests: Sequence[Request]) -> list[Result]:
        """See Operations."""
        self._check_open()
        return await self._connection.run(requests, self._ref)

    async def run_paths(self, op: Op, paths: Sequence[str]) -> list[Result]:
        """See Operations."""
        self._check_open()
        return await self._connection.run_paths(op, paths, self._ref)

    async def commit(self) -> None:
        """Make the changes. Raises TransactionConflict: then nothing was changed. Cancelled, or
        with ConnectionLost, it may have been or not."""
        self._check_open()
        self._open = False
        end = Request(Op.TRANSACTION_END, None, strings("T"))
        (result,) = await self._connection.run((end,), self._ref)
        if isinstance(result, XenstoreError):
            raise result

    def abort(self) -> None:
        """Forget the changes. Does not wait. No-op if it was ended."""
        if self._open:
            self._open = False
            self._connection.post(Request(Op.TRANSACTION_END, None, strings("F")), self._ref)

    def _check_open(self) -> None:
        if not self._open:
            detail = f"transaction {self._ref.id} was ended"
            raise InvalidRequest(errno.EINVAL, "TRANSACTION", detail)


class Xenstore(Connection):
    """One connection to xenstored, for one event loop. Use it as context manager, or connect()
    and close() it.

    `address` is a socket or the kernel's device; by default where libxenstore goes (environment
    XENSTORED_PATH and XENSTORED_RUNDIR are honoured). `timeout` is how many seconds requests may
    be under way with no answer to any of them; then all fail and the connection is made anew.
    """

    def __init__(self, address: str | None = None, *, timeout: float = 30.0, window: int = WINDOW) -> None:
        super().__init__(address, timeout=timeout, window=window)
        self._lanes: Final = Lanes(self)

    async def close(self) -> None:
        """Drop the connection; what is under way fails, watches end. Idempotent."""
        await super().close()
        await self._lanes.close()

    async def spread(self, requests: Sequence[Request]) -> list[Result]:
        """See Operations; many requests go over several connections."""
        return await self._lanes.run(requests)

    async def spread_paths(self, op: Op, paths: Sequence[str]) -> list[Result]:
        """See Operations; many requests go over several connections."""
        return await self._lanes.run_paths(op, paths)

    async def outlast(self) -> None:
        """Return when the daemon has served all that a client, which has ended by now, had sent.

        What a killed client had written to its socket is still carried out. xenstored serves its clients by turns, a
        request each, so a windowful of ours outlasts a windowful of theirs.
        """
        await self.run_paths(Op.READ, ["/"] * WINDOW)

    # --- watches --------------------------------------------------------------------------

    @property
    def watching(self) -> int:
        """How many watches are open."""
        return len(self._watches)

    @contextlib.asynccontextmanager
    async def watch(self, path: str, *, limit: int = QUEUE) -> AsyncIterator[Watch]:
        """Watch a node and all below it, or a special path. The daemon fires once at once.

        At most `limit` different changed paths wait for the reader; see Watch.
        """
        watch = await self.open_watch(path, limit=limit)
        try:
            yield watch
        finally:
            self.close_watch(watch)

    async def open_watch(self, path: str, *, limit: int = QUEUE) -> Watch:
        """Like `watch`, for those who call close_watch themselves."""
        watch = Watch(path, f"x{self.next_token:x}", limit)
        self.next_token += 1
        self._watches[watch.token] = watch  # the first event may come along with the answer
        try:
            await self._one(Op.WATCH, path, strings(watch.token))
        except asyncio.CancelledError:
            self.close_watch(watch)
            raise
        except AlreadyExists:
            pass  # asked for while there was no connection: making that registered it already
        except XenstoreError:
            self._watches.pop(watch.token, None)
            raise
        return watch

    def close_watch(self, watch: Watch) -> None:
        """End a watch; its reader stops. Does not wait. Idempotent."""
        if self._watches.pop(watch.token, None) is not None:
            self.post(Request(Op.UNWATCH, watch.path, strings(watch.token)))
            watch.close()

    async def reset_watches(self) -> None:
        """End all watches and transactions of this connection, at the daemon and here."""
        await self._one(Op.RESET_WATCHES, None, _NOTHING)
        for watch in self._watches.values():
            watch.close()
        self._watches.clear()

    # --- transactions ---------------------------------------------------------------------

    async def begin(self) -> Transaction:
        """Start a transaction; the caller ends it with commit() or abort()."""
        untrusted = await self._one(Op.TRANSACTION_START, None, _NOTHING)
        return Transaction(self, TxRef(_number(untrusted, "TRANSACTION_START"), self.generation))

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """One attempt: commits at the end, aborts if the body raises or is cancelled. Raises
        TransactionConflict if somebody else got in between; `transact` and `attempts` try
        again."""
        tx = await self.begin()
        try:
            yield tx
        except BaseException:
            tx.abort()
            raise
        if tx.is_open:
            await tx.commit()

    async def transact(self, body: Callable[[Transaction], Awaitable[T]], *, attempts: int = ATTEMPTS) -> T:
        """Run `body` in a transaction until it meets no conflict; returns what it returned.
        Raises TransactionConflict after so many attempts, with growing random pauses between."""
        result: list[T] = []
        async for attempt in self.attempts(attempts):
            async with attempt as tx:
                result = [await body(tx)]
        return result[0]

    async def attempts(self, attempts: int = ATTEMPTS) -> AsyncIterator[AbstractAsyncContextManager[Transaction]]:
        """The same as a loop: `async for attempt in xs.attempts(): async with attempt as tx: ...`
        The body runs again after a conflict; the loop ends once it was committed."""
        for number in range(attempts):
            attempt = _Attempt(self.transaction(), last=number == attempts - 1)
            yield attempt
            if not attempt.conflict:
                return
            await asyncio.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.001 * 2**number)))

    # --- domains --------------------------------------------------------------------------

    async def introduce(self, domid: int, gfn: int, port: int) -> None:
        """Have the daemon serve a domain over the ring in guest frame `gfn` and the event channel
        `port` (the domain's end). Fires @introduceDomain. Again for a known domain: reconnects."""
        await self._one(Op.INTRODUCE, None, strings(domid, gfn, port))

    async def release(self, domid: int) -> None:
        """Have the daemon forget a domain. Raises NoEntry if it is not introduced."""
        await self._one(Op.RELEASE, None, strings(domid))

    async def resume(self, domid: int) -> None:
        """The domain runs on after a suspend: let its next shutdown be reported again."""
        await self._one(Op.RESUME, None, strings(domid))

    async def set_target(self, domid: int, target: int) -> None:
        """Give `domid` (a device model's domain) the same rights as `target` has."""
        await self._one(Op.SET_TARGET, None, strings(domid, target))

    async def is_introduced(self, domid: int) -> bool:
        """Whether the daemon serves the domain."""
        reply = await self._one(Op.IS_DOMAIN_INTRODUCED, None, strings(domid))
        return reply.startswith(b"T")

    async def domain_path(self, domid: int) -> str:
        """The home of a domain, existing or not: /local/domain/N."""
        reply = await self._one(Op.GET_DOMAIN_PATH, None, strings(domid))
        return "".join(split_strings(reply)[:1])

    async def control(self, command: str, *args: str) -> str:
        """A command to the daemon itself (`help` lists them); its answer."""
        if any("\0" in item for item in (command, *args)):
            raise InvalidRequest(errno.EINVAL, "CONTROL", "NUL in a command")
        reply = await self._one(Op.CONTROL, None, strings(command, *args))
        return reply.rstrip(b"\0").decode("utf-8", "replace")


class _Attempt(AbstractAsyncContextManager[Transaction]):
    """A transaction that keeps its conflict to itself, unless it was the last attempt."""

    def __init__(self, inner: AbstractAsyncContextManager[Transaction], *, last: bool) -> None:
        self._inner = inner
        self._last = last
        self.conflict = False

    async def __aenter__(self) -> Transaction:
        return await self._inner.__aenter__()

    async def __aexit__(self, *exc_info: object) -> bool | None:
        try:
            return await self._inner.__aexit__(*exc_info)  # type: ignore[arg-type]  # passed on
        except TransactionConflict:
            self.conflict = True
            if self._last:
                raise
            return True


def _number(untrusted: bytes, call: str) -> int:
    """A decimal number the daemon answered."""
    digits = untrusted.rstrip(b"\0")
    if not digits.isdigit() or len(digits) > 10:
        raise ProtocolViolation(errno.EPROTO, call, f"not a number: {digits[:40]!r}")
    return int(digits)
