"""Several changes that happen together or not at all. It is open only inside a function that does not wait."""

from collections.abc import Iterable, Mapping
from typing import Final

from xenhost.pool.call import NULL_REF, ApiError, FrozenMap, Ref, Value
from xenhost.pool.database.links import End
from xenhost.pool.database.record import Change, Operation, Record
from xenhost.pool.database.tables import Tables, new_uuid


class Transaction:
    """Changes tables at once, and can take all of it back."""

    def __init__(self, tables: Tables) -> None:
        self._tables: Final = tables
        self._before: Final[dict[Ref, Record | None]] = {}
        """Of each object touched, as it was."""
        self._after: Final[dict[Ref, Record | None]] = {}

    def get(self, cls: str, ref: Ref) -> Record:
        """The object, with what was changed here. Raises ApiError HANDLE_INVALID."""
        return self._tables.get(cls, ref)

    def find(self, cls: str, ref: Ref) -> Record | None:
        """The object, if there is one."""
        return self._tables.find(cls, ref)

    def rows(self, cls: str) -> Mapping[Ref, Record]:
        """All of a class."""
        return self._tables.rows(cls)

    def by_uuid(self, cls: str, uuid: str) -> Ref | None:
        """The object with that UUID, if there is one."""
        return self._tables.by_uuid(cls, uuid)

    def referrers(self, ref: Ref) -> list[tuple[str, Ref]]:
        """Class and reference of who refers to an object without its knowing."""
        return self._tables.referrers(ref)

    def create(self, cls: str, fields: Mapping[str, Value], ref: Ref | None = None) -> Ref:
        """Make an object; without a UUID it gets one, its reference is new. Raises ApiError HANDLE_INVALID.

        References may be to what exists, or NULL_REF.
        """
        uuid = fields.get("uuid") or new_uuid()
        ref = ref or Ref(f"OpaqueRef:{new_uuid()}")
        self._check(cls, fields)
        own = {name: value for name, value in fields.items() if name not in self._tables.links[cls].ends}
        self._put(None, self._tables.codecs[cls].fresh(ref, {**own, "uuid": uuid}))
        linked = {name: value for name, value in fields.items() if name not in own}
        if linked:
            self.set(cls, ref, linked)
        return ref

    def set(self, cls: str, ref: Ref, fields: Mapping[str, Value]) -> None:
        """Give fields values; what is equal stays as it is. Raises ApiError HANDLE_INVALID."""
        old = self._tables.get(cls, ref)
        fields = {name: value for name, value in fields.items() if old.value(name) != value}
        if not fields:
            return
        self._check(cls, fields)
        ends = self._tables.links[cls].ends
        self._put(old, self._tables.codecs[cls].changed(old, fields))
        for name, value in fields.items():
            if (end := ends.get(name)) is not None:
                if end.computed:
                    raise ApiError("INTERNAL_ERROR", f"{cls}.{name} follows from {end.other.cls}.{end.other.field}")
                self._follow(end, ref, old.value(name), value)

    def delete(self, cls: str, ref: Ref) -> None:
        """Remove an object. References to it become NULL_REF, sets and maps lose it. Raises ApiError HANDLE_INVALID."""
        old = self._tables.get(cls, ref)
        for end in self._tables.links[cls].ends.values():
            if end.computed:
                for member in _refs(old.value(end.name)):
                    if member != ref:
                        self._put_field(end.other.cls, member, end.other.field, NULL_REF)
            else:
                self._follow(end, ref, old.value(end.name), () if end.many else NULL_REF)
        self._put(self._tables.get(cls, ref), None)
        for its_class, its_ref in self._tables.referrers(ref):
            self._let_go(its_class, its_ref, ref)

    def add_to_map(self, cls: str, ref: Ref, name: str, key: str, value: Value) -> None:
        """Add a key. Raises ApiError HANDLE_INVALID, MAP_DUPLICATE_KEY."""
        record = self._tables.get(cls, ref)
        old = record.value(name)
        assert isinstance(old, dict), f"{cls}.{name} is no map"
        if key in old:
            raise ApiError("MAP_DUPLICATE_KEY", cls, name, str(record["uuid"]), key)
        self.set(cls, ref, {name: FrozenMap({**old, key: value})})

    def remove_from_map(self, cls: str, ref: Ref, name: str, key: str) -> None:
        """Remove a key, if it is there. Raises ApiError HANDLE_INVALID."""
        old = self._tables.get(cls, ref).value(name)
        assert isinstance(old, dict), f"{cls}.{name} is no map"
        self.set(cls, ref, {name: FrozenMap({each: value for each, value in old.items() if each != key})})

    def add_to_set(self, cls: str, ref: Ref, name: str, value: Value) -> None:
        """Add a value, if it is not there. Raises ApiError HANDLE_INVALID."""
        old = self._tables.get(cls, ref).value(name)
        assert isinstance(old, tuple), f"{cls}.{name} is no set"
        if value not in old:
            self.set(cls, ref, {name: (*old, value)})

    def remove_from_set(self, cls: str, ref: Ref, name: str, value: Value) -> None:
        """Remove a value, if it is there. Raises ApiError HANDLE_INVALID."""
        old = self._tables.get(cls, ref).value(name)
        assert isinstance(old, tuple), f"{cls}.{name} is no set"
        self.set(cls, ref, {name: tuple(each for each in old if each != value)})

    def touch(self, cls: str, ref: Ref) -> None:
        """Have it told as changed, though it is not. Raises ApiError HANDLE_INVALID."""
        record = self._tables.get(cls, ref)
        self._before.setdefault(ref, record)
        self._after[ref] = record

    def changes(self) -> tuple[Change, ...]:
        """What has happened, one for each object, in the order in which they were first touched."""
        found = []
        for ref, before in self._before.items():
            after = self._after[ref]
            if before is None and after is None:
                continue
            operation = Operation.ADD if before is None else Operation.DEL if after is None else Operation.MOD
            found.append(Change(operation, before, after))
        return tuple(found)

    def roll_back(self) -> None:
        """Everything is as it was."""
        for ref, before in reversed(self._before.items()):
            if self._after[ref] is not before:
                self._tables.replace(self._after[ref], before)
        self._before.clear()
        self._after.clear()

    def _put(self, old: Record | None, new: Record | None) -> None:
        self._tables.replace(old, new)
        record = new or old
        assert record is not None
        self._before.setdefault(record.ref, old)
        self._after[record.ref] = new

    def _put_field(self, cls: str, ref: Ref, name: str, value: Value) -> None:
        old = self._tables.get(cls, ref)
        if old.value(name) != value:
            self._put(old, self._tables.codecs[cls].changed(old, {name: value}))

    def _follow(self, end: End, ref: Ref, old: Value, new: Value) -> None:
        """One end has changed: the other does."""
        was, now = _refs(old), _refs(new)
        for target in was:
            if target not in now:
                self._drop(end, target, ref)
        for target in now:
            if target not in was:
                record = self._tables.get(end.other.cls, target)
                value = record.value(end.other.field)
                assert isinstance(value, tuple)  # and `ref` is not in it, as both ends agree
                self._put(record, self._tables.codecs[record.cls].changed(record, {end.other.field: (*value, ref)}))

    def _drop(self, end: End, target: Ref, ref: Ref) -> None:
        record = self._tables.find(end.other.cls, target)
        if record is not None:
            value = record.value(end.other.field)
            assert isinstance(value, tuple)
            rest = tuple(each for each in value if each != ref)
            self._put_field(end.other.cls, target, end.other.field, rest)

    def _let_go(self, cls: str, ref: Ref, gone: Ref) -> None:
        old = self._tables.get(cls, ref)
        fields: dict[str, Value] = {}
        for field in self._tables.links[cls].loose:
            value = old.value(field.name)
            if gone in field.refs(value):
                fields[field.name] = field.without(value, (gone,))
        self._put(old, self._tables.codecs[cls].changed(old, fields))

    def _check(self, cls: str, fields: Mapping[str, Value]) -> None:
        held = self._tables.links[cls].held
        if unknown := fields.keys() - self._tables.codecs[cls].names:
            raise ApiError("INTERNAL_ERROR", f"{cls} has no field {min(unknown)}")
        for name, value in fields.items():
            if (field := held.get(name)) is not None:
                for ref in field.refs(value):
                    self._tables.get(field.target, ref)


def _refs(value: Value) -> Iterable[Ref]:
    """The references in one end of a relationship."""
    if isinstance(value, tuple):
        return [Ref(str(each)) for each in value]
    return [] if value == NULL_REF else [Ref(str(value))]
