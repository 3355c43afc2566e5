"""The records that plugins see and change: in memory, and those that must last in a store."""

import asyncio
import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Final

from xenhost.sm.smapiv1.xenapi.failure import ApiFailure, handle_invalid, uuid_invalid
from xenhost.sm.smapiv1.xenapi.schema import CLASSES, Record, Stored
from xenhost.sm.smapiv1.xenapi.store import Key, Store

LASTING: Final = frozenset({"VDI", "SR", "PBD", "secret"})
"""Classes that are stored. The others are made anew by each agent."""
_MAX_ROWS: Final = 100_000
_FLEETING: Final = frozenset({"task", "message"})
_MAX_FLEETING: Final = 1000
"""Of these, the oldest is forgotten when there are more."""
_NAMESPACE: Final = uuid.UUID("5f0a4c1e-6f0c-5d0b-9c57-0b2f8a0f7a11")


def ref_of(cls: str, uuid_: str) -> str:
    """The reference of an object: always the same, so that what drivers keep under it (`host_<ref>`) stays right."""
    return f"OpaqueRef:{uuid.uuid5(_NAMESPACE, f'{cls} {uuid_}')}"


class Tables:
    """All records. Reading and changing is immediate; `flush` returns when the changes last."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows: dict[str, dict[str, Record]] = {cls: {} for cls in CLASSES}
        self._changed: set[Key] = set()
        self._turn = asyncio.Lock()

    async def load(self) -> None:
        """Take up what was stored. Once, before all else."""
        for (cls, ref), record in (await self._store.open()).items():
            if cls in LASTING:
                self._rows[cls][ref] = self._complete(cls, record)

    async def flush(self) -> None:
        """Make everything that was changed last. Raises SrBackendFailure."""
        async with self._turn:
            changed, self._changed = self._changed, set()
            if not changed:
                return
            rows = {key: self._rows[key[0]].get(key[1]) for key in changed}
            written = False
            try:
                await self._store.write(
                    {key: json.dumps(row) if row is not None else None for key, row in rows.items()}
                )
                written = True
            finally:
                if not written:
                    self._changed |= changed

    async def close(self) -> None:
        """Flush, and close the store."""
        await self.flush()
        await self._store.close()

    @staticmethod
    def _complete(cls: str, fields: Mapping[str, Stored]) -> Record:
        return {name: column.empty() for name, column in CLASSES[cls].items()} | dict(fields)

    # Reading

    def find(self, cls: str, ref: str) -> Record | None:
        """A record; None if there is none."""
        return self._rows[cls].get(ref)

    def get(self, cls: str, ref: str) -> Record:
        """A record. Raises ApiFailure HANDLE_INVALID."""
        record = self._rows[cls].get(ref)
        if record is None:
            raise handle_invalid(cls, ref)
        return record

    def by_uuid(self, cls: str, uuid_: str) -> str:
        """The reference of an object. Raises ApiFailure UUID_INVALID."""
        ref = ref_of(cls, uuid_)
        if ref not in self._rows[cls]:
            raise uuid_invalid(cls, uuid_)
        return ref

    def items(self, cls: str) -> Iterator[tuple[str, Record]]:
        """All references and records of a class."""
        yield from self._rows[cls].items()

    def of_sr(self, cls: str, sr: str) -> Iterator[tuple[str, Record]]:
        """Those of an SR (reference)."""
        return ((ref, record) for ref, record in self._rows[cls].items() if record["SR"] == sr)

    # Changing

    def insert(self, cls: str, uuid_: str, /, **fields: Stored) -> str:
        """Make a record, or replace the one of that UUID; what is not given is empty."""
        rows = self._rows[cls]
        ref = ref_of(cls, uuid_)
        if ref not in rows and len(rows) >= _MAX_ROWS:
            raise ApiFailure("INTERNAL_ERROR", f"there are {_MAX_ROWS} records of class {cls} already")
        if cls in _FLEETING and len(rows) >= _MAX_FLEETING:
            del rows[next(iter(rows))]
        rows[ref] = self._complete(cls, {"uuid": uuid_, **fields})
        self._touch(cls, ref)
        return ref

    def set(self, cls: str, ref: str, /, **fields: Stored) -> None:
        """Change fields. Raises ApiFailure HANDLE_INVALID."""
        self.get(cls, ref).update(fields)
        self._touch(cls, ref)

    def remove(self, cls: str, ref: str) -> None:
        """Forget an object. No-op if it is not there."""
        if self._rows[cls].pop(ref, None) is not None:
            self._touch(cls, ref)

    def _touch(self, cls: str, ref: str) -> None:
        if cls in LASTING:
            self._changed.add((cls, ref))
