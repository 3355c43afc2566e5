"""The objects in memory. Every change keeps UUIDs and references unique, and both ends of relationships in step.

Nothing here waits or touches the disk. Only one transaction is open at a time; one that fails is taken back whole.
"""

import uuid as uuids
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from xenhost.pool.call import NULL_REF, ApiError, Ref, Value
from xenhost.pool.database.codec import Codec
from xenhost.pool.database.links import Links
from xenhost.pool.database.record import Record
from xenhost.pool.schema.model import Model

_NO_ROWS: Final[Mapping[Ref, Record]] = MappingProxyType({})


class Tables:
    """All objects, by class and reference, in the order of their making."""

    def __init__(self, model: Model) -> None:
        self.model: Final = model
        self.links: Final = {name: Links(model, cls) for name, cls in model.stored.items()}
        self.codecs: Final = {name: Codec(cls, self.links[name].computed) for name, cls in model.stored.items()}
        self._rows: Final[dict[str, dict[Ref, Record]]] = {name: {} for name in model.stored}
        self._uuids: Final[dict[str, dict[str, Ref]]] = {name: {} for name in model.stored}
        self._names: Final[dict[str, dict[str, dict[Ref, None]]]] = {
            name: {} for name, cls in model.stored.items() if cls.field("name_label") is not None
        }
        self._classes: Final[dict[Ref, str]] = {}
        self._referrers: Final[dict[Ref, dict[tuple[str, Ref], int]]] = {}
        """Who refers to an object without its knowing, and how often."""

    def get(self, cls: str, ref: Ref) -> Record:
        """The object. Raises ApiError HANDLE_INVALID."""
        found = self._rows[cls].get(ref)
        if found is None:
            raise ApiError("HANDLE_INVALID", cls, str(ref)[:200])
        return found

    def find(self, cls: str, ref: Ref) -> Record | None:
        """The object, if there is one."""
        return self._rows[cls].get(ref)

    def rows(self, cls: str) -> Mapping[Ref, Record]:
        """All of a class; a view, so take a copy before you wait."""
        return self._rows.get(cls, _NO_ROWS)

    def class_of(self, ref: Ref) -> str | None:
        """What class an object is of."""
        return self._classes.get(ref)

    def by_uuid(self, cls: str, uuid: str) -> Ref | None:
        """The object with that UUID."""
        return self._uuids[cls].get(uuid)

    def by_name(self, cls: str, name: str) -> Iterator[Ref]:
        """Those with that name_label."""
        return iter(self._names[cls].get(name, ()))

    def counts(self) -> Mapping[str, int]:
        """How many there are of each class."""
        return {cls: len(rows) for cls, rows in self._rows.items()}

    def referrers(self, ref: Ref) -> list[tuple[str, Ref]]:
        """Who refers to an object without its knowing."""
        return list(self._referrers.get(ref, ()))

    def replace(self, old: Record | None, new: Record | None) -> None:
        """Put an object in, exchange it, or take it out; nothing else follows from it. Raises ApiError UUID_INVALID…

        That a reference or a UUID is taken is an INTERNAL_ERROR: clients choose neither.
        """
        if new is not None and (old is None or old["uuid"] != new["uuid"]):
            self._check_unique(old, new)
        if old is not None:
            self._forget(old, new)
        if new is not None:
            self._keep(old, new)

    def load(self, rows: Iterable[tuple[str, Ref, dict[str, Value]]]) -> list[Record]:
        """Fill empty tables with classes, references and fields that are not as at the beginning.

        References to what does not exist become NULL_REF; returns the records where that was so. Computed ends are
        made in the same pass: one by one they would be copied again for each member.
        """
        rows = list(rows)
        known: dict[str, set[Ref]] = {cls: set() for cls in self._rows}
        for cls, ref, _ in rows:
            known[cls].add(ref)
        ends: dict[Ref, dict[str, list[Ref]]] = {}
        mended = []
        for cls, ref, fields in rows:
            links = self.links[cls]
            for name in fields.keys() & links.held.keys():
                field = links.held[name]
                if lost := [each for each in field.refs(fields[name]) if each not in known[field.target]]:
                    fields[name] = field.without(fields[name], lost)
                    mended.append((cls, ref))
                end = links.ends.get(name)
                if end is not None and not end.many:
                    for target in field.refs(fields[name]):
                        ends.setdefault(target, {}).setdefault(end.other.field, []).append(ref)
        for cls, ref, fields in rows:
            computed = {name: tuple(members) for name, members in ends.get(ref, {}).items()}
            self.replace(None, self.codecs[cls].fresh(ref, {**fields, **computed}))
        return [self._rows[cls][ref] for cls, ref in dict.fromkeys(mended)]

    def _check_unique(self, old: Record | None, new: Record) -> None:
        if old is None and new.ref in self._classes:
            raise ApiError("INTERNAL_ERROR", f"the reference {new.ref} exists")
        uuid = str(new["uuid"])
        if uuid and self._uuids[new.cls].get(uuid, new.ref) != new.ref:
            raise ApiError("INTERNAL_ERROR", f"there is another {new.cls} with the UUID {uuid}")

    def _forget(self, old: Record, new: Record | None) -> None:
        if new is None:
            del self._rows[old.cls][old.ref]
            del self._classes[old.ref]
        if new is None or new["uuid"] != old["uuid"]:
            self._uuids[old.cls].pop(str(old["uuid"]), None)
        if old.cls in self._names and (new is None or new["name_label"] != old["name_label"]):
            named = self._names[old.cls][str(old["name_label"])]
            del named[old.ref]
            if not named:
                del self._names[old.cls][str(old["name_label"])]
        self._refer(old, new, -1)

    def _keep(self, old: Record | None, new: Record) -> None:
        self._rows[new.cls][new.ref] = new
        self._classes[new.ref] = new.cls
        if new["uuid"]:
            self._uuids[new.cls][str(new["uuid"])] = new.ref
        if new.cls in self._names and (old is None or new["name_label"] != old["name_label"]):
            self._names[new.cls].setdefault(str(new["name_label"]), {})[new.ref] = None
        self._refer(new, old, 1)

    def _refer(self, record: Record, other: Record | None, by: int) -> None:
        """Count the references of a record that the other does not hold likewise."""
        for field in self.links[record.cls].loose:
            value = record.value(field.name)
            if not value or value == NULL_REF or (other is not None and other.value(field.name) is value):
                continue
            for target in field.refs(value):
                counts = self._referrers.setdefault(target, {})
                key = (record.cls, record.ref)
                counts[key] = counts.get(key, 0) + by
                if not counts[key]:
                    del counts[key]
                if not counts:
                    del self._referrers[target]


def new_uuid() -> str:
    """A random UUID."""
    return str(uuids.uuid4())
