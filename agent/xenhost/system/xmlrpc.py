"""XML-RPC documents: read within bounds and without entities, and written. No input or output of its own.

The reader takes what Python's `xmlrpc.client` and xapi write. Whoever wrote it, it is hostile: an error is an answer.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from xenhost.system import xml_tree as tree
from xenhost.system.xml_tree import CodecError, Element

_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SCALARS: Final = frozenset({"string", "int", "i4", "i8", "boolean", "double", "dateTime.iso8601", "nil"})
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class DateTime:
    """A time as XML-RPC writes it: `19700101T00:00:00Z`."""

    text: str


Value = str | int | bool | float | None | DateTime | Sequence["Value"] | Mapping[str, "Value"]
"""What a document can hold."""


@dataclass(frozen=True, slots=True)
class Call:
    """A methodCall."""

    method: str
    params: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault instead of an answer."""

    code: int
    text: str


def legal(text: str) -> bool:
    """Can XML hold it?"""
    return _ILLEGAL.search(text) is None


# Writing


def dump(value: Value) -> str:
    """A `<value>` element. Raises CodecError for text that XML cannot hold."""
    out: list[str] = []
    _write(value, out)
    return "".join(out)


def _write(value: Value, out: list[str]) -> None:
    match value:
        case str():
            if not legal(value):
                raise CodecError(f"XML cannot hold the text {value[:40]!r}")
            out += ["<value><string>", escape(value), "</string></value>"]
        case bool():
            out.append(f"<value><boolean>{int(value)}</boolean></value>")
        case int():
            out.append(f"<value><int>{value}</int></value>")
        case float():
            out.append(f"<value><double>{value!r}</double></value>")
        case None:
            out.append("<value><nil/></value>")
        case DateTime():
            out.append(f"<value><dateTime.iso8601>{escape(value.text)}</dateTime.iso8601></value>")
        case Mapping():
            out.append("<value><struct>")
            for name, member in value.items():
                if not legal(name):
                    raise CodecError(f"XML cannot hold the name {name[:40]!r}")
                out += ["<member><name>", escape(name), "</name>"]
                _write(member, out)
                out.append("</member>")
            out.append("</struct></value>")
        case _:
            out.append("<value><array><data>")
            for item in value:
                _write(item, out)
            out.append("</data></array></value>")


def dump_call(method: str, *params: Value) -> str:
    """A methodCall."""
    inner = "".join(f"<param>{dump(param)}</param>" for param in params)
    return (
        f"<?xml version='1.0'?><methodCall><methodName>{escape(method)}</methodName>"
        f"<params>{inner}</params></methodCall>"
    )


def dump_response(value: Value) -> str:
    """A methodResponse."""
    return f"<?xml version='1.0'?><methodResponse><params><param>{dump(value)}</param></params></methodResponse>"


# Reading


def load_call(untrusted: bytes | str) -> Call:
    """Read a methodCall. Raises CodecError."""
    root = tree.parse(untrusted)
    if root.name != "methodCall" or len(root.children) not in (1, 2) or root.children[0].name != "methodName":
        raise CodecError("not a methodCall")
    params = _params(root.children[1]) if len(root.children) == 2 else ()
    return Call(root.children[0].text().strip(), params)


def load_response(untrusted: bytes | str) -> Value | Fault:
    """Read a methodResponse. Raises CodecError."""
    root = tree.parse(untrusted)
    if root.name != "methodResponse" or len(root.children) != 1:
        raise CodecError("not a methodResponse")
    inner = root.children[0]
    if inner.name == "fault":
        return _fault(inner)
    params = _params(inner)
    if len(params) != 1:
        raise CodecError(f"a methodResponse has one value, this one has {len(params)}")
    return params[0]


def load_value(untrusted: bytes | str) -> Value:
    """Read a document that is one `<value>`. Raises CodecError."""
    root = tree.parse(untrusted)
    if root.name != "value":
        raise CodecError("not a value")
    return _value(root)


def _params(element: Element) -> tuple[Value, ...]:
    if element.name != "params" or any(child.name != "param" for child in element.children):
        raise CodecError("params expected")
    return tuple(_value(child.only("value")) for child in element.children)


def _fault(element: Element) -> Fault:
    value = _value(element.only("value"))
    if isinstance(value, Mapping):
        code, text = value.get("faultCode"), value.get("faultString")
        if isinstance(code, int) and isinstance(text, str):
            return Fault(int(code), text)
    raise CodecError("a fault has a faultCode and a faultString")


def _value(element: Element) -> Value:
    if not element.children:
        return element.text()
    if len(element.children) != 1:
        raise CodecError("a value holds one element")
    inner = element.children[0]
    if inner.name in _SCALARS:
        if inner.children:
            raise CodecError(f"<{inner.name}> holds text only")
        return _scalar(inner.name, inner.text())
    reader = _COMPOUND.get(inner.name)
    if reader is None:
        raise CodecError(f"<{inner.name[:40]}> is no type of XML-RPC")
    return reader(inner)


def _scalar(name: str, text: str) -> Value:
    match name:
        case "string":
            return text
        case "nil":
            return None
        case "dateTime.iso8601":
            return DateTime(text.strip())
        case "boolean":
            if text.strip() in ("0", "1"):
                return text.strip() == "1"
        case "double":
            try:
                return float(text)
            except ValueError:
                pass
        case _:
            if _INTEGER.fullmatch(text.strip()):
                return int(text)
    raise CodecError(f"{text[:40]!r} is no {name}")


def _array(element: Element) -> Value:
    data = element.only("data")
    if any(child.name != "value" for child in data.children):
        raise CodecError("an array holds values")
    return [_value(child) for child in data.children]


def _struct(element: Element) -> Value:
    found: dict[str, Value] = {}
    for member in element.children:
        names = [child.name for child in member.children]
        if member.name != "member" or names != ["name", "value"]:
            raise CodecError("a struct holds members, each with a name and a value")
        found[member.children[0].text()] = _value(member.children[1])
    return found


_COMPOUND: Final[Mapping[str, Callable[[Element], Value]]] = {"array": _array, "struct": _struct}
