"""Writing down what one agent tells, within a transaction."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from xenhost.pool.call import NULL_REF, FrozenMap, Ref, Value
from xenhost.pool.database.record import Record
from xenhost.pool.database.transaction import Transaction


class Book:
    """The pool's objects, as far as they are about one host. What has not changed is not written."""

    def __init__(self, transaction: Transaction, host: Ref) -> None:
        self.transaction: Final = transaction
        self.host: Final = host

    def find(self, cls: str, uuid: str) -> Ref:
        """The object with that UUID; NULL_REF if there is none, or no UUID."""
        return (self.transaction.by_uuid(cls, uuid) if uuid else None) or NULL_REF

    def find_all(self, cls: str, uuids: Iterable[str]) -> tuple[Ref, ...]:
        """Those that there are."""
        return tuple(ref for uuid in uuids if (ref := self.find(cls, uuid)) != NULL_REF)

    def put(self, cls: str, uuid: str, fields: Mapping[str, Value], once: Mapping[str, Value] | None = None) -> Ref:
        """The object has these values; one that is made also those that belong to others afterwards (`once`)."""
        ref = self.find(cls, uuid)
        if ref == NULL_REF:
            return self.transaction.create(cls, {**(once or {}), **fields, "uuid": uuid})
        self.transaction.set(cls, ref, fields)
        return ref

    def put_part(self, cls: str, owner: Record, field: str, fields: Mapping[str, Value]) -> Ref:
        """The object that a field of `owner` names, such as its metrics; it is made if there is none."""
        part = owner.one(field)
        if part != NULL_REF and self.transaction.find(cls, part) is not None:
            self.transaction.set(cls, part, fields)
            return part
        part = self.transaction.create(cls, fields)
        self.transaction.set(owner.cls, owner.ref, {field: part})
        return part

    def get(self, cls: str, ref: Ref) -> Record:
        """The object as it is now."""
        return self.transaction.get(cls, ref)

    def drop(self, cls: str, uuid: str) -> None:
        """There is no such object any more. No-op if there was none."""
        ref = self.find(cls, uuid)
        if ref != NULL_REF:
            self.transaction.delete(cls, ref)


def moment(time: Timestamp) -> datetime:
    """A time of the wire; the epoch if it is not set."""
    return time.ToDatetime(UTC)


def text_map(pairs: Mapping[str, str]) -> FrozenMap:
    """A map of the wire."""
    return FrozenMap(sorted(pairs.items()))
