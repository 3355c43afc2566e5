"""The class message: what people should know of an object. Old ones go when there are too many."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from xenhost.core.clock import Clock
from xenhost.pool.call import ApiError, Context, FrozenMap, Implementation, Ref, Value
from xenhost.pool.database import filters as language
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.database.text import moment
from xenhost.pool.database.transaction import Transaction

MAX_MESSAGES: Final = 10_000
MAX_BODY: Final = 64 << 10
"""Characters of one."""


class Messages:
    """Makes them, for other parts as well, and answers for them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database: Final = database
        self._clock: Final = clock

    def answers(self) -> Mapping[str, Implementation]:
        """What to register."""
        return {
            "message.create": self._create,
            "message.destroy": self._destroy,
            "message.destroy_many": self._destroy_many,
            "message.destroy_all": self._destroy_all,
            "message.get": self._get,
            "message.get_all": self._get_all,
            "message.get_since": self._get_since,
            "message.get_record": self._get_record,
            "message.get_by_uuid": self._get_by_uuid,
            "message.get_all_records": self._get_all_records,
            "message.get_all_records_where": self._get_all_records_where,
        }

    def tell(self, name: str, priority: int, cls: str, uuid: str, body: str) -> Ref:
        """Make one; it is on disk soon. Priority 1 is the most important, 5 the least."""
        return self._database.note(lambda t: self.put(t, name, priority, cls, uuid, body))

    def put(self, transaction: Transaction, name: str, priority: int, cls: str, uuid: str, body: str) -> Ref:
        """The same, as a part of a transaction."""
        fields: dict[str, Value] = {
            "name": name,
            "priority": priority,
            "cls": cls,
            "obj_uuid": uuid,
            "body": body[:MAX_BODY],
            "timestamp": datetime.fromtimestamp(self._clock.now(), UTC).replace(microsecond=0),
        }
        return _make(transaction, fields)

    async def _create(self, context: Context, name: str, priority: int, cls: str, uuid: str, body: str) -> Value:
        self._database.by_uuid(self._database.model.by_lower_name[cls.lower()], uuid)  # members are Host, Pool …
        return self.tell(name, priority, cls, uuid, body)

    async def _destroy(self, context: Context, ref: Ref) -> None:
        await self._database.change(lambda t: t.delete("message", ref))

    async def _destroy_many(self, context: Context, refs: Sequence[Ref]) -> None:
        await self._database.change(lambda t: _delete(t, refs))

    async def _destroy_all(self, context: Context, filters: Mapping[str, str]) -> None:
        wanted = _filter(filters)
        gone = [ref for ref, record in self._database.rows("message").items() if wanted(record)]
        await self._database.change(lambda t: _delete(t, gone))

    async def _get(self, context: Context, cls: str, uuid: str, since: datetime) -> Value:
        return self._pick(lambda r: r["cls"] == cls and r["obj_uuid"] == uuid and _when(r) > since)

    async def _get_since(self, context: Context, since: datetime) -> Value:
        return self._pick(lambda record: _when(record) > since)

    async def _get_all(self, context: Context) -> Value:
        return tuple(self._database.rows("message"))

    async def _get_record(self, context: Context, ref: Ref) -> Value:
        return self._database.get("message", ref)

    async def _get_by_uuid(self, context: Context, uuid: str) -> Value:
        return self._database.by_uuid("message", uuid)

    async def _get_all_records(self, context: Context) -> Value:
        return self._pick(lambda _: True)

    async def _get_all_records_where(self, context: Context, expression: str) -> Value:
        return self._pick(language.parse(expression, [f.name for f in self._database.model.classes["message"].fields]))

    def _pick(self, wanted: Callable[[Record], bool]) -> Value:
        return FrozenMap({ref: record for ref, record in self._database.rows("message").items() if wanted(record)})


def _make(transaction: Transaction, fields: Mapping[str, Value]) -> Ref:
    rows = transaction.rows("message")
    while len(rows) >= MAX_MESSAGES:
        transaction.delete("message", next(iter(rows)))
    return transaction.create("message", fields)


def _delete(transaction: Transaction, refs: Sequence[Ref]) -> None:
    for ref in refs:
        transaction.delete("message", ref)


def _when(record: Record) -> datetime:
    found = record["timestamp"]
    assert isinstance(found, datetime)
    return found


def _filter(untrusted: Mapping[str, str]) -> Callable[[Record], bool]:
    """`before`, `after` and `priority`; without any, all. Raises ApiError INVALID_VALUE."""
    for key, text in untrusted.items():
        if key not in {"before", "after", "priority"}:
            raise ApiError("INVALID_VALUE", "filters", key[:100])
        try:
            int(text) if key == "priority" else moment(text)
        except ValueError:
            raise ApiError("INVALID_VALUE", key, text[:100]) from None
    before = moment(untrusted["before"]) if "before" in untrusted else None
    after = moment(untrusted["after"]) if "after" in untrusted else None
    priority = int(untrusted["priority"]) if "priority" in untrusted else None
    return lambda record: (
        (before is None or _when(record) < before)
        and (after is None or _when(record) > after)
        and (priority is None or record["priority"] == priority)
    )
