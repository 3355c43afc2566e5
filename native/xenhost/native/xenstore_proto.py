"""One xenstore connection without the I/O: calls in, bytes out; bytes in, events out.

Many requests are under way at once (at most `window`), calls take turns in chunks, and a reply
finds its call by request id, in whatever order the daemon answers. Nothing here blocks or knows
about asyncio; `xenhost.native.xenstore` is the shell around it.

Protocol source: xen/docs/misc/xenstore.txt.
"""

import errno
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from xenhost.native.xenstore_errors import ProtocolViolation, XenstoreError, error_from_wire
from xenhost.native.xs_wire import (
    HEADER,
    MESSAGES_PER_DECODE,
    REPLY_MAX,
    Decoded,
    Decoder,
    Encoded,
    Op,
    Request,
    encode,
    encode_paths,
)

WINDOW: Final = 512
"""Requests under way at once. xenstored reaches its full speed at some hundreds."""
CHUNK: Final = 128
"""Requests a call may send before the next call has its turn."""
_LAST_ID: Final = 0xFFFF_FFF0

Result = bytes | XenstoreError
Outcome = Result | None
"""None until the reply is there."""


class Call:
    """Requests sent in order, answered together. Made by XenstoreProtocol.call / call_paths."""

    __slots__ = (
        "abandoned",
        "answered",
        "encoded",
        "first_id",
        "op",
        "requests",
        "results",
        "sent",
        "total",
        "tx",
    )

    def __init__(
        self,
        op: Op | None,
        requests: Sequence[Request] | Sequence[str],
        tx: int,
        first_id: int,
        encoded: Encoded,
    ) -> None:
        self.op: Final = op
        """The type of all requests, None if they differ."""
        self.requests: Final = requests
        self.tx: Final = tx
        self.first_id: Final = first_id
        self.encoded: Final = encoded
        self.total = len(requests)
        """Replies to expect; shrinks to what was sent if the call is abandoned."""
        self.sent = 0
        self.answered = 0
        self.abandoned = False
        self.results: list[Outcome] = [None] * self.total

    def describe(self, index: int) -> tuple[Op, str]:
        """Type and path of one of the requests."""
        request = self.requests[index]
        if isinstance(request, str):
            assert self.op is not None
            return self.op, request
        return request.op, request.path or ""

    def outcome(self) -> list[Result]:
        """All results, in order; only for a call that is done."""
        return [result for result in self.results if result is not None]


@dataclass(frozen=True, slots=True)
class WatchFired:
    """A watch event as it came: the path (relative if the watch was), the watch's token."""

    path: str
    token: str


Event = Call | WatchFired | ProtocolViolation
"""A call whose replies are all there (also an abandoned one), a watch event, or, as the last of
all, that the other side does not speak the protocol: then the connection is to be dropped."""


class XenstoreProtocol:
    """State of one connection, and the queue of calls, which outlives a connection."""

    def __init__(self, window: int = WINDOW) -> None:
        self.window = window
        """Most requests under way at once."""
        self._queue: deque[Call] = deque()
        self._unsent = 0
        self._pending: dict[int, Call] = {}
        self._next_id = 1
        self._decoder: Final = Decoder()
        self._rest = b""

    @property
    def in_flight(self) -> int:
        """Requests sent and not answered."""
        return len(self._pending)

    @property
    def unsent(self) -> int:
        """Requests waiting for room in the window."""
        return self._unsent

    def call(self, requests: Sequence[Request], tx: int = 0) -> Call:
        """Encode requests. Raises InvalidRequest or TooBig; nothing is sent then."""
        first_id = self._take_ids(len(requests))
        op = requests[0].op if len(requests) == 1 else None
        return Call(op, requests, tx, first_id, encode(requests, tx, first_id))

    def call_paths(self, op: Op, paths: Sequence[str], tx: int = 0) -> Call:
        """Encode one request of type `op` for each path; much the cheapest form for many."""
        first_id = self._take_ids(len(paths))
        return Call(op, paths, tx, first_id, encode_paths(op, paths, tx, first_id))

    def submit(self, call: Call, *, first: bool = False) -> None:
        """Queue a call, in front of all others if `first`."""
        if first:
            self._queue.appendleft(call)
        else:
            self._queue.append(call)
        self._unsent += call.total

    def outgoing(self) -> list[memoryview]:
        """What to send now; it counts as sent.

        A full window is refilled in halves, not one by one, so that both sides work in bursts.
        """
        room = self.window - len(self._pending)
        if not self._unsent or (room < self._unsent and room < self.window // 2):
            return []
        views: list[memoryview] = []
        while room > 0 and self._queue:
            call = self._queue.popleft()
            first = call.sent
            count = min(room, CHUNK, call.total - first)
            call.sent += count
            base = call.first_id + first
            self._pending.update(dict.fromkeys(range(base, base + count), call))
            ends = call.encoded.ends
            views.append(call.encoded.data[ends[first - 1] if first else 0 : ends[call.sent - 1]])
            room -= count
            self._unsent -= count
            if call.sent < call.total:
                self._queue.append(call)
        return views

    def receive(self, untrusted: bytes) -> list[Event]:
        """Take what came in."""
        data = self._rest + untrusted if self._rest else untrusted
        events: list[Event] = []
        while True:
            decoded = self._decoder.decode(data)
            try:
                self._sort(data, decoded, events)
                if decoded.bad_length:
                    raise _violation(f"a message of {decoded.bad_length} bytes; {REPLY_MAX} is most")
            except ProtocolViolation as violation:
                return [*events, violation]
            data = data[decoded.used :]
            if len(decoded.types) < MESSAGES_PER_DECODE:
                break
        assert len(data) < HEADER + REPLY_MAX
        self._rest = data
        return events

    def _sort(self, untrusted: bytes, decoded: Decoded, events: list[Event]) -> None:
        """Give each message to its call; add to `events` what is complete."""
        pending = self._pending
        for kind, reply_id, start, end in decoded.messages():
            if kind == Op.WATCH_EVENT:
                events.append(_watch_fired(untrusted[start:end]))
                continue
            call = pending.get(reply_id)
            if call is None:
                raise _violation(f"reply {reply_id} answers no request")
            index = reply_id - call.first_id
            expected = call.op if call.op is not None else call.describe(index)[0]
            if kind == expected:
                call.results[index] = untrusted[start:end]
            elif kind == Op.ERROR:
                op, path = call.describe(index)
                call.results[index] = error_from_wire(untrusted[start:end], op.name, path)
            else:
                raise _violation(f"reply of type {kind} to {call.describe(index)[0].name}")
            del pending[reply_id]
            call.answered += 1
            if call.answered == call.total:
                events.append(call)

    def abandon(self, call: Call) -> bool:
        """Nobody waits for the call any more: send no more of it and swallow late replies.

        Returns True if it will still come back as an event (with `abandoned` set).
        """
        call.abandoned = True
        if call.sent < call.total:
            self._queue.remove(call)
            self._unsent -= call.total - call.sent
            call.total = call.sent
        return call.answered < call.total

    def connection_lost(self) -> tuple[list[Call], list[Call]]:
        """Forget the connection. Returns the calls that died with it: those (partly) sent, whose
        effect is unknown, and those of a transaction not sent at all. What is left in the queue
        goes out over the next connection."""
        sent = list(dict.fromkeys(self._pending.values()))
        known = set(map(id, sent))
        sent += [call for call in self._queue if call.sent and id(call) not in known]
        unsent = [call for call in self._queue if call.tx and not call.sent]
        self._queue = deque(call for call in self._queue if not call.tx and not call.sent)
        self._unsent = sum(call.total for call in self._queue)
        self._pending.clear()
        self._rest = b""
        return sent, unsent

    def give_up(self) -> list[Call]:
        """Empty the queue and return what was in it."""
        calls = list(self._queue)
        self._queue.clear()
        self._unsent = 0
        return calls

    def _take_ids(self, count: int) -> int:
        """Reserve consecutive request ids; 0 is what watch events carry."""
        if self._next_id + count > _LAST_ID:
            self._next_id = 1
        first = self._next_id
        self._next_id += count
        return first


def _watch_fired(untrusted: bytes) -> WatchFired:
    fields = untrusted.decode("ascii", "replace").split("\0")
    if len(fields) < 3:
        raise _violation("a watch event without path and token")
    return WatchFired(fields[0], fields[1])


def _violation(what: str) -> ProtocolViolation:
    return ProtocolViolation(errno.EPROTO, "receive", what)
