"""XML-RPC as clients of xapi read it.

Integers and text are bare, `<value>123</value>`; floats are doubles; times `19700101T00:00:00Z`; nothing is an empty
value.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from xenhost.pool.call import FrozenMap, Value
from xenhost.pool.database.record import Record

_HEAD: Final = '<?xml version="1.0"?><methodResponse><params><param>'
_TAIL: Final = "</param></params></methodResponse>"
_STATUS: Final = "<value><struct><member><name>Status</name><value>"
_SPECIAL: Final = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
LONG: Final = 64
"""Items; longer sets and maps are written in pieces."""


def format_response(value: Value) -> Iterator[str]:
    """A methodResponse with that value as it is, in pieces."""
    yield _HEAD
    yield from pieces(value)
    yield _TAIL


def format_success(value: Value) -> Iterator[str]:
    """The answer of a call that succeeded, in pieces."""
    yield f"{_HEAD}{_STATUS}Success</value></member><member><name>Value</name>"
    yield from pieces(value)
    yield f"</member></struct></value>{_TAIL}"


def format_failure(error: Sequence[str]) -> str:
    """The answer of a call that failed."""
    described = format_value(list(error))
    member = f"<member><name>ErrorDescription</name>{described}</member>"
    return f"{_HEAD}{_STATUS}Failure</value></member>{member}</struct></value>{_TAIL}"


def format_fault(code: int, text: str) -> str:
    """The answer to what is no call at all."""
    value = f"<value><int>{code}</int></value></member><member><name>faultString</name>{format_value(text)}"
    fault = f"<value><struct><member><name>faultCode</name>{value}</member></struct></value>"
    return f'<?xml version="1.0"?><methodResponse><fault>{fault}</fault></methodResponse>'


def format_value(value: Value) -> str:
    """A `<value>` element. What XML cannot hold becomes U+FFFD. Raises TypeError for what is no value."""
    return (_WRITERS.get(type(value)) or _writer_of(value))(value)


def pieces(value: Value) -> Iterator[str]:
    """A `<value>` element, each item of long sets and maps apart, so that others get their turn between them."""
    if isinstance(value, Mapping) and value and not isinstance(value, Record):
        yield "<value><struct>"
        for name, member in value.items():
            yield _member(name)
            yield from pieces(member) if _is_long(member) else (format_value(member),)
            yield "</member>"
        yield "</struct></value>"
    elif isinstance(value, list | tuple) and value:
        yield "<value><array><data>"
        for start in range(0, len(value), LONG):
            some = value[start : start + LONG]
            if all(type(item) is str for item in some):  # references, by the thousand
                yield "".join(map(_text, some))
                continue
            for item in some:
                yield from pieces(item) if _is_long(item) else (format_value(item),)
        yield "</data></array></value>"
    else:
        yield format_value(value)


def escape(text: str) -> str:
    """Text as XML holds it."""
    if text.isprintable() and "<" not in text and "&" not in text and ">" not in text:
        return text
    return _SPECIAL.sub(lambda found: _ESCAPES.get(found[0], "\ufffd"), text)


def format_time(value: datetime) -> str:
    """`20261122T02:00:00Z`."""
    return f"{value.year:04}{value:%m%dT%H:%M:%SZ}"


def _is_long(value: Value) -> bool:
    return isinstance(value, dict | list | tuple) and len(value) > LONG and not isinstance(value, Record)


@lru_cache(4096)
def _member(name: str) -> str:
    return f"<member><name>{escape(name)}</name>"


def _text(value: str) -> str:
    if value.isprintable() and "<" not in value and "&" not in value and ">" not in value:
        return f"<value>{value}</value>"
    return f"<value>{escape(value)}</value>"


def _struct(value: Mapping[str, Value]) -> str:
    if not value:
        return "<value><struct/></value>"
    out: list[str] = []
    add = out.append
    for name, member in value.items():  # most members are text, and there are millions of them
        if (
            type(member) is str
            and member.isprintable()
            and "<" not in member
            and "&" not in member
            and ">" not in member
        ):
            add(f"{_member(name)}<value>{member}</value></member>")
            continue
        add(f"{_member(name)}{(_WRITERS.get(type(member)) or _writer_of(member))(member)}</member>")
    return f"<value><struct>{''.join(out)}</struct></value>"


def _record(value: Record) -> str:
    """Kept from the second time on; what changes is another record."""
    found = value.forms.get("xml")
    if not found:
        written = _struct(value)
        value.forms["xml"] = "" if found is None else written
        return written
    return found


def _array(value: Sequence[Value]) -> str:
    if not value:
        return "<value><array><data/></array></value>"
    written = [(_WRITERS.get(type(item)) or _writer_of(item))(item) for item in value]
    return f"<value><array><data>{''.join(written)}</data></array></value>"


_WRITERS: Final[Mapping[type, Callable[[Any], str]]] = {
    str: _text,
    bool: lambda value: "<value><boolean>1</boolean></value>" if value else "<value><boolean>0</boolean></value>",
    int: lambda value: f"<value>{value}</value>",
    float: lambda value: f"<value><double>{value!r}</double></value>",
    datetime: lambda value: f"<value><dateTime.iso8601>{format_time(value)}</dateTime.iso8601></value>",
    type(None): lambda _: "<value></value>",
    dict: _struct,
    FrozenMap: _struct,
    Record: _record,
    list: _array,
    tuple: _array,
}


def _writer_of(value: Value) -> Callable[[Any], str]:
    """For what is none of the common types, but behaves like one."""
    if isinstance(value, str):
        return lambda text: _text(str(text))
    if isinstance(value, Mapping):
        return _struct
    if isinstance(value, Sequence):
        return _array
    raise TypeError(f"{type(value).__name__} is no value of the API")
