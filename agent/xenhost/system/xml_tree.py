"""XML as a tree of elements: read within bounds, without document types and entities. Attributes are not kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

MAX_DOCUMENT: Final = 16 << 20
"""Bytes; a bitmap of changed blocks is the biggest thing that plugins say."""
MAX_DEPTH: Final = 64
"""Elements within each other."""
MAX_ELEMENTS: Final = 200_000


class CodecError(Exception):
    """The document is not what was expected, or beyond what is accepted."""


@dataclass(slots=True)
class Element:
    """An element, with those in it."""

    name: str
    children: list["Element"] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The text directly in it."""
        return "".join(self.pieces)

    def only(self, name: str) -> "Element":
        """The one element in it. Raises CodecError if it holds another, or several."""
        if len(self.children) != 1 or self.children[0].name != name:
            raise CodecError(f"<{self.name[:40]}> must hold one <{name}>")
        return self.children[0]


def parse(untrusted: bytes | str) -> Element:
    """Read a document. Raises CodecError."""
    data = untrusted.encode(errors="surrogateescape") if isinstance(untrusted, str) else untrusted
    if len(data) > MAX_DOCUMENT:
        raise CodecError(f"the document is longer than {MAX_DOCUMENT} bytes")
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # LookupError: an encoding that Python does not know
        raise CodecError(f"not well-formed XML: {error}") from error
    return builder.root.children[0]


class _Builder:
    def __init__(self) -> None:
        self.root = Element("")
        self._open = [self.root]
        self._count = 0

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._count += 1
        if len(self._open) > MAX_DEPTH or self._count > MAX_ELEMENTS:
            raise CodecError("the document is too deep or has too many elements")
        element = Element(name)
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, name: str) -> None:
        self._open.pop()

    def data(self, text: str) -> None:
        self._open[-1].pieces.append(text)


def _refuse(*_: object) -> None:
    raise CodecError("a document type or entity has no place in it")
