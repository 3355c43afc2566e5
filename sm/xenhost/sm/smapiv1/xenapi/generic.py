"""The calls that every class has: get_record, get_all_records_where, set_<field>, add_to_<field> and the like."""

from collections.abc import Mapping, Sequence
from typing import Final

from xenhost.sm.smapiv1.xenapi import filters
from xenhost.sm.smapiv1.xenapi.failure import ApiFailure, invalid_value
from xenhost.sm.smapiv1.xenapi.schema import (
    CLASSES,
    NULL_REF,
    Kind,
    Record,
    Stored,
    Write,
    as_text,
    from_wire,
    to_wire,
)
from xenhost.sm.smapiv1.xenapi.sessions import Session
from xenhost.sm.smapiv1.xenapi.tables import Tables
from xenhost.system.xmlrpc import Value

_MAX_KEYS: Final = 1024


def unknown(method: str) -> ApiFailure:
    """There is no such call, or it is not offered to plugins."""
    return ApiFailure("MESSAGE_METHOD_UNKNOWN", method[:200])


def expect(method: str, params: Sequence[Value], count: int) -> list[str]:
    """As many texts, and no more. Raises ApiFailure."""
    if len(params) != count:
        raise ApiFailure("MESSAGE_PARAMETER_COUNT_MISMATCH", method, str(count), str(len(params)))
    return [text(param) for param in params]


def text(untrusted: Value) -> str:
    """A text, or what is written as one. Raises ApiFailure."""
    value = as_text(untrusted)
    if value is None:
        raise ApiFailure("FIELD_TYPE_ERROR", str(untrusted)[:100])
    return value


class Generic:
    """These calls, on tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def call(self, session: Session, cls: str, verb: str, params: Sequence[Value]) -> Value:
        """Answer one. Raises ApiFailure."""
        method = f"{cls}.{verb}"
        if verb.startswith("get_all") or verb.startswith("get_by_"):
            return self._search(cls, verb, params)
        if verb == "get_record":
            (ref,) = expect(method, params, 1)
            return self.record(cls, ref)
        action, column = _split(cls, verb)
        if not action:
            raise unknown(method)
        if not params:
            raise ApiFailure("MESSAGE_PARAMETER_COUNT_MISMATCH", method, "1", "0")
        ref = text(params[0])
        if action == "get":
            expect(method, params, 1)
            return self.record(cls, ref)[column]
        self._allow(session, cls, ref, column, method)
        self._tables.set(cls, ref, **{column: self._changed(cls, ref, column, method, action, params[1:])})
        return ""

    def _search(self, cls: str, verb: str, params: Sequence[Value]) -> Value:
        method = f"{cls}.{verb}"
        match verb:
            case "get_all":
                expect(method, params, 0)
                return [ref for ref, _ in self._tables.items(cls)]
            case "get_all_records":
                expect(method, params, 0)
                return {ref: self.record(cls, ref) for ref, _ in self._tables.items(cls)}
            case "get_all_records_where":
                (expression,) = expect(method, params, 1)
                matches = filters.parse(expression)
                return {ref: self.record(cls, ref) for ref, row in self._tables.items(cls) if matches(row)}
            case "get_by_uuid":
                return self._tables.by_uuid(cls, expect(method, params, 1)[0])
            case "get_by_name_label" if "name_label" in CLASSES[cls]:
                (name,) = expect(method, params, 1)
                return [ref for ref, row in self._tables.items(cls) if row["name_label"] == name]
        raise unknown(method)

    def record(self, cls: str, ref: str) -> Mapping[str, Value]:
        """A record as readers get it. Raises ApiFailure HANDLE_INVALID."""
        row = dict(self._tables.get(cls, ref))
        row |= self._computed(cls, ref)
        return {name: to_wire(column.kind, row[name]) for name, column in CLASSES[cls].items()}

    def _computed(self, cls: str, ref: str) -> Record:
        match cls:
            case "SR":
                return {
                    "VDIs": [vdi for vdi, _ in self._tables.of_sr("VDI", ref)],
                    "PBDs": [pbd for pbd, _ in self._tables.of_sr("PBD", ref)],
                }
            case "host":
                return {"PBDs": [pbd for pbd, row in self._tables.items("PBD") if row["host"] == ref]}
        return {}

    def _allow(self, session: Session, cls: str, ref: str, column: str, method: str) -> None:
        write = CLASSES[cls][column].write
        if write is Write.NOBODY:
            raise unknown(method)
        row = self._tables.get(cls, ref)
        if write is Write.DRIVER:
            sr = ref if cls == "SR" else row["SR"]
            if session.sr != sr:
                raise ApiFailure("PERMISSION_DENIED", f"{method}: the session is not of the driver of that SR")

    def _changed(self, cls: str, ref: str, column: str, method: str, action: str, params: Sequence[Value]) -> Stored:
        definition = CLASSES[cls][column]
        old = self._tables.get(cls, ref)[column]
        if action == "set":
            if len(params) != 1:
                raise ApiFailure("MESSAGE_PARAMETER_COUNT_MISMATCH", method, "2", str(len(params) + 1))
            return from_wire(definition, column, params[0])
        if not isinstance(old, dict):
            raise unknown(method)
        if action == "remove":
            (key,) = expect(method, params, 1)
            return {name: value for name, value in old.items() if name != key}
        key, value = expect(method, params, 2)
        if key in old:
            raise ApiFailure("MAP_DUPLICATE_KEY", cls, column, ref, key)
        if len(old) >= _MAX_KEYS:
            raise invalid_value(column, key)
        return {**old, key: value}


def _split(cls: str, verb: str) -> tuple[str, str]:
    for prefix, action in (("get_", "get"), ("set_", "set"), ("add_to_", "add"), ("remove_from_", "remove")):
        column = verb.removeprefix(prefix)
        if verb.startswith(prefix) and column in CLASSES[cls]:
            if action in ("add", "remove") and CLASSES[cls][column].kind is not Kind.MAP:
                continue
            return action, column
    return "", ""


def is_null(ref: str) -> bool:
    """Does a reference lead nowhere?"""
    return ref in ("", NULL_REF)
