"""The messages of the class event: clients follow what changes, with a token that says how far they are."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from xenhost.core.clock import Clock
from xenhost.pool.call import ApiError, Context, FrozenMap, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Operation
from xenhost.pool.engine.changelog import Changelog, Event, LostEvents
from xenhost.pool.engine.subscriptions import Subscription, parse

LONGEST: Final = 3600.0
"""Seconds that event.from waits at most, whatever the client says; it then answers that nothing happened."""
NEXT: Final = 300.0
"""The same of event.next, which cannot say how long."""
MAX_REGISTERED: Final = 10_000

_TOKEN: Final = re.compile(r"[0-9]{1,20},[0-9]{1,20}")


@dataclass(slots=True)
class _Registered:
    subscription: Subscription
    last: int


class EventCalls:
    """Answers them. Only event.register keeps something for a client: how far its session is."""

    def __init__(self, database: Database, log: Changelog, clock: Clock) -> None:
        self._database: Final = database
        self._log: Final = log
        self._clock: Final = clock
        self._registered: Final[dict[Ref, _Registered]] = {}

    def answers(self) -> Mapping[str, Implementation]:
        """What to register."""
        return {
            "event.from": self._from,
            "event.next": self._next,
            "event.register": self._register,
            "event.unregister": self._unregister,
            "event.get_current_id": self._current_id,
            "event.inject": self._inject,
        }

    def forget(self, session: Ref) -> None:
        """The session has ended."""
        self._registered.pop(session, None)

    async def _from(self, context: Context, classes: Sequence[str], token: str, timeout: float) -> Value:
        subscription, last = parse(classes), _last(token)
        end = self._clock.monotonic() + min(max(timeout, 0.0), LONGEST)
        events = self._since(last, subscription)
        last = self._log.current if last is None else last
        while not events and (left := end - self._clock.monotonic()) > 0:
            current = self._log.current
            try:
                async with asyncio.timeout(left):
                    await self._log.wait(current, subscription)
            except TimeoutError:
                events = self._since(last, subscription)  # it may have come in the same turn of the loop
                break
            events = self._since(last, subscription)
        return FrozenMap(
            {
                "events": self._told(events),
                "valid_ref_counts": FrozenMap(self._log.counts),
                "token": _token(self._log.current),
            }
        )

    async def _next(self, context: Context) -> Value:
        registered = self._of(context.session)
        try:
            async with asyncio.timeout(NEXT):
                await self._log.wait(registered.last, registered.subscription)
        except TimeoutError:
            pass
        last, registered.last = registered.last, self._log.current
        return self._told(self._since(last, registered.subscription))

    async def _register(self, context: Context, classes: Sequence[str]) -> None:
        more = parse(classes)
        known = self._registered.get(context.session)
        if known is not None:
            known.subscription = known.subscription.joined(more)
            return
        if len(self._registered) >= MAX_REGISTERED:
            raise ApiError("INTERNAL_ERROR", f"{MAX_REGISTERED} sessions have registered for events")
        self._registered[context.session] = _Registered(more, self._log.current)

    async def _unregister(self, context: Context, classes: Sequence[str]) -> None:
        registered = self._of(context.session)
        registered.subscription = registered.subscription.without(parse(classes))

    async def _current_id(self, context: Context) -> Value:
        return self._log.current

    async def _inject(self, context: Context, cls: str, ref: str) -> Value:
        before = self._log.current
        found = self._database.class_of(Ref(ref))
        if found is None or found.lower() != cls.lower():
            raise ApiError("HANDLE_INVALID", cls[:200], ref[:200])
        await self._database.change(lambda t: t.touch(found, Ref(ref)))
        return _token(before)

    def _of(self, session: Ref) -> _Registered:
        registered = self._registered.get(session)
        if registered is None:
            raise ApiError("SESSION_NOT_REGISTERED", session)
        return registered

    def _since(self, last: int | None, subscription: Subscription) -> Sequence[Event]:
        try:
            return self._log.since(last, subscription)
        except LostEvents:
            raise ApiError("EVENTS_LOST") from None

    def _told(self, events: Sequence[Event]) -> Value:
        now = datetime.fromtimestamp(self._clock.now(), UTC).replace(microsecond=0)
        return tuple(_event(event, now) for event in events)


def _event(event: Event, now: datetime) -> Value:
    fields: dict[str, Value] = {
        "id": event.id,
        "timestamp": now,
        "class": event.cls,
        "operation": event.operation.value,
        "ref": event.record.ref,
        "obj_uuid": event.record["uuid"],
    }
    if event.operation is not Operation.DEL:
        fields["snapshot"] = event.record
    return FrozenMap(fields)


def _token(last: int) -> str:
    """Two numbers of twenty digits, so that tokens compare as text; the second was that of messages in xapi."""
    return f"{last:020d},{last:020d}"


def _last(untrusted_token: str) -> int | None:
    if untrusted_token == "":
        return None
    if not _TOKEN.fullmatch(untrusted_token):
        raise ApiError("EVENT_FROM_TOKEN_PARSE_FAILURE", untrusted_token[:200])
    return int(untrusted_token.partition(",")[0])
