"""XML-RPC as clients write it: Python, JavaScript, C, C#, OCaml. There are no entities but the five of XML.

Expat reads it; a document type is refused, and everything is counted.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from xml.parsers import expat

from xenhost.pool.call import Value
from xenhost.pool.wire.bounds import MAX_DEPTH, MAX_METHOD, MAX_PARAMS, MAX_VALUES, WireError

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class Call:
    """A methodCall. All of it is untrusted."""

    method: str
    params: tuple[Value, ...]


def parse_call(untrusted: bytes) -> Call:
    """Read a methodCall. Raises WireError."""
    reader = _Reader("methodCall", MAX_VALUES)
    _read(reader, untrusted)
    call: Call = reader.found()
    return call


def parse_value(untrusted: bytes, max_values: int) -> Value:
    """Read a document that is one `<value>`, and holds at most so many. Raises WireError."""
    reader = _Reader("value", max_values)
    _read(reader, untrusted)
    value: Value = reader.found()
    return value


def _read(reader: "_Reader", untrusted: bytes) -> None:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _no_doctype
    parser.EntityDeclHandler = _no_doctype
    try:
        parser.Parse(untrusted, True)
    except expat.ExpatError as error:
        raise WireError(f"no XML: {error}") from error
    except (LookupError, ValueError) as error:  # the encoding it declares
        raise WireError(f"no XML: {error}") from error


def _no_doctype(*_: object) -> None:
    raise WireError("a document type has no place in XML-RPC")


def _parse_bool(text: str) -> Value:
    if text.strip() not in ("0", "1"):
        raise WireError(f"{text[:40]!r} is no boolean")
    return text.strip() == "1"


def _parse_int(text: str) -> Value:
    if not _INTEGER.fullmatch(text.strip()):
        raise WireError(f"{text[:40]!r} is no integer")
    return int(text)


def _parse_float(text: str) -> Value:
    try:
        return float(text)
    except ValueError as error:
        raise WireError(f"{text[:40]!r} is no double") from error


def _parse_nil(text: str) -> Value:
    if text.strip():
        raise WireError("nil holds nothing")
    return None


_SCALARS: Final[Mapping[str, Callable[[str], Value]]] = {
    "string": lambda text: text,
    "int": _parse_int,
    "i4": _parse_int,
    "i8": _parse_int,
    "boolean": _parse_bool,
    "double": _parse_float,
    "dateTime.iso8601": str.strip,
    "nil": _parse_nil,
    "ex:nil": _parse_nil,
}
_INSIDE: Final[Mapping[str, frozenset[str]]] = {
    "methodCall": frozenset({"methodName", "params"}),
    "params": frozenset({"param"}),
    "param": frozenset({"value"}),
    "value": frozenset({*_SCALARS, "struct", "array"}),
    "struct": frozenset({"member"}),
    "member": frozenset({"name", "value"}),
    "array": frozenset({"data"}),
    "data": frozenset({"value"}),
}


class _Reader:
    """Elements as they open and close; each holds what was found inside it."""

    def __init__(self, root: str, max_values: int) -> None:
        self._root = root
        self._max_values = max_values
        self._texts: dict[str, str] = {}
        """One of each name: there are millions, and few that differ."""
        self._names = [""]
        self._found: list[list[Any]] = [[]]
        self._words: list[str] = []
        self._values = 0
        self._method = ""

    def start(self, name: str, attributes: object) -> None:
        outer = self._names[-1]
        if name not in _INSIDE.get(outer, (self._root,)):
            raise WireError(f"<{name[:40]}> has no place in <{outer}>" if outer else f"not a {self._root}")
        if name == "value":
            self._values += 1
            if self._values > self._max_values:
                raise WireError(f"more than {self._max_values} values")
        if outer in ("param", "value", "array") and self._found[-1]:
            raise WireError(f"<{outer}> holds one element")
        if len(self._names) > 3 * MAX_DEPTH:
            raise WireError(f"values within values, deeper than {MAX_DEPTH}")
        self._names.append(name)
        self._found.append([])
        self._words.clear()

    def text(self, data: str) -> None:
        self._words.append(data)

    def end(self, name: str) -> None:
        self._names.pop()
        found = self._found.pop()
        text = "".join(self._words)
        self._words.clear()
        if name in _SCALARS:
            self._found[-1].append(_SCALARS[name](text))
        elif name == "value":
            self._found[-1].append(found[0] if found else text)
        elif name in ("name", "methodName"):
            self._found[-1].append(text)
        elif name == "data":
            self._found[-1].append(found)
        elif name == "array":
            self._found[-1].append(_one(found, name))
        elif name == "member":
            if len(found) != 2 or not isinstance(found[0], str):
                raise WireError("a member has a name and a value")
            self._found[-1].append((self._texts.setdefault(found[0], found[0]), found[1]))
        elif name == "struct":
            self._found[-1].append(dict(found))
        elif name == "param":
            self._found[-1].append(_one(found, name))
        elif name == "params":
            self._found[-1].append(tuple(found))
        elif name == "methodCall":
            self._found[-1].append(_call(found))

    def found(self) -> Any:
        """What was read."""
        return _one(self._found[0], "document")


def _one(found: list[Any], name: str) -> Any:
    if len(found) != 1:
        raise WireError(f"<{name}> holds one element")
    return found[0]


def _call(found: list[Any]) -> Call:
    if (
        not found
        or not isinstance(found[0], str)
        or len(found) > 2
        or (len(found) == 2 and type(found[1]) is not tuple)
    ):
        raise WireError("a methodCall has a methodName, and params after it")
    method = found[0].strip()
    params: tuple[Value, ...] = found[1] if len(found) == 2 else ()
    if not method or len(method) > MAX_METHOD:
        raise WireError("a methodName is a short word")
    if len(params) > MAX_PARAMS:
        raise WireError(f"more than {MAX_PARAMS} params")
    return Call(method, params)
