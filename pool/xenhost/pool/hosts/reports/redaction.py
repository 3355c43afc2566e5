"""Records without what nobody but the pool shall know."""

import re
from collections.abc import Mapping
from typing import Final

from xenhost.pool.call import FrozenMap, Value
from xenhost.pool.database.record import Record
from xenhost.pool.schema.secrets import is_secret

HIDDEN: Final = "REDACTED"
_WHOLE: Final = frozenset({("secret", "value"), ("VM", "NVRAM"), ("VM", "xenstore_data"), ("VTPM", "contents")})
"""Fields that say nothing to a supporter, and may hold anything."""

_USER: Final = re.compile(r"://[^/?#\s]*@")
"""Who speaks, with a password maybe, in a URL."""


def redacted(record: Record) -> Record:
    """The same object; texts that are secret are hidden, values of keys whose names say so, and users in URLs."""
    return Record(record.cls, record.ref, _fields(record.cls, record), FrozenMap(_fields(record.cls, record.hidden)))


def _fields(cls: str, fields: Mapping[str, Value]) -> dict[str, Value]:
    return {name: _field(cls, name, value) for name, value in fields.items()}


def _field(cls: str, name: str, value: Value) -> Value:
    whole = (cls, name) in _WHOLE
    if isinstance(value, Mapping):
        return FrozenMap({key: HIDDEN if whole or is_secret(key) else _plain(each) for key, each in value.items()})
    if isinstance(value, str) and value and not value.startswith("OpaqueRef:") and (whole or is_secret(name)):
        return HIDDEN
    return _plain(value)


def _plain(value: Value) -> Value:
    if isinstance(value, str):
        return _USER.sub("://", value) if "://" in value else value
    if isinstance(value, Mapping):
        return FrozenMap({key: _plain(each) for key, each in value.items()})
    return tuple(_plain(each) for each in value) if isinstance(value, tuple) else value
