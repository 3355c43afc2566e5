"""All records as XML, in the form of xapi's database files, and back: what people keep, read and move to another pool.

    <database><manifest><pair key="schema_major_vsn" value="5"/>…</manifest>
    <table name="VM"><row ref="OpaqueRef:…" name__label="a" …/></table></database>

Values are text as in filters, with white space escaped by `%`. Files of xapi are read, too: it writes fields that its
reference groups with two underscores (`name__label`); whether it would read ours has not been tried.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from xenhost.pool.call import Ref, Value
from xenhost.pool.database.record import Record
from xenhost.pool.database.text import as_text, from_text
from xenhost.pool.schema.model import Model

SCHEMA: Final = (5, 909)
"""The numbers that xapi would call this form; readers only look at the first."""
MAX_ROWS: Final = 2_000_000
MAX_DEPTH: Final = 4

_ESCAPED: Final = {"%": "%%", " ": "%.", "\t": "%t", "\n": "%n", "\r": "%r"}
_PLAIN: Final = {text: sign for sign, text in _ESCAPED.items()}


class BadDump(ValueError):
    """The text is no dump, or of something else."""


def dump(model: Model, tables: Mapping[str, Iterable[Record]], generation: int) -> Iterator[str]:
    """The XML, in pieces. What lasts is in it, hidden fields as well: it holds secrets."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<database><manifest>'
    numbers = {"schema_major_vsn": SCHEMA[0], "schema_minor_vsn": SCHEMA[1], "generation_count": generation}
    for key, number in numbers.items():
        yield f'<pair key="{key}" value="{number}"/>'
    yield "</manifest>\n"
    for name, cls in model.stored.items():
        yield f'<table name="{name}">'
        if cls.lasting:
            fields = [field.name for field in cls.fields]
            for record in tables.get(name, ()):
                values = " ".join(f"{field}={_quoted(record.value(field))}" for field in fields)
                yield f'<row ref="{record.ref}" {values}/>\n'
        yield "</table>\n"
    yield "</database>\n"


def read(model: Model, untrusted: bytes, most: int = MAX_ROWS) -> list[tuple[str, Ref, dict[str, Value]]]:
    """Classes, references and fields of `most` objects. Unknown classes and fields are left out. Raises BadDump."""
    reader = _Reader(model, most)
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.EntityDeclHandler = _refuse  # entities could grow without end
    try:
        parser.Parse(untrusted, True)
    except BadDump:
        raise
    except (expat.ExpatError, LookupError, ValueError) as error:  # the latter two: the encoding it declares
        raise BadDump(f"it is no XML: {error}") from error
    if not reader.complete:
        raise BadDump("it is no database")
    return reader.rows


class _Reader:
    def __init__(self, model: Model, most: int) -> None:
        self.rows: Final[list[tuple[str, Ref, dict[str, Value]]]] = []
        self.complete = False
        self._model: Final = model
        self._most: Final = most
        self._path: Final[list[str]] = []
        self._table = ""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        self._path.append(name)
        if len(self._path) > MAX_DEPTH:
            raise BadDump("it is no database: too many elements in each other")
        match self._path:
            case ["database", "table"]:
                self._table = attributes.get("name", "")
            case ["database", "table", "row"] if self._table in self._model.stored:
                self._row(attributes)

    def end(self, name: str) -> None:
        """An element ends."""
        self._path.pop()
        self.complete = self.complete or (name == "database" and not self._path)

    def _row(self, attributes: Mapping[str, str]) -> None:
        if len(self.rows) >= self._most:
            raise BadDump(f"there are more than {self._most} objects")
        ref = attributes.get("ref") or attributes.get("_ref")
        if not ref:
            raise BadDump(f"a row of {self._table} has no reference")
        fields: dict[str, Value] = {}
        for key, text in attributes.items():
            field = self._model.field(self._table, key.replace("__", "_"))
            if field is None or key in ("ref", "_ref"):
                continue
            try:
                fields[field.name] = from_text(field.type, _unescaped(text))
            except ValueError as error:
                raise BadDump(f"{self._table} {ref}: {field.name}: {error}") from error
        self.rows.append((self._table, Ref(ref), fields))


def _refuse(*_: object) -> None:
    raise BadDump("it declares entities")


def _quoted(value: Value) -> str:
    return quoteattr(re.sub(r"[% \t\n\r]", lambda match: _ESCAPED[match[0]], as_text(value)))


def _unescaped(text: str) -> str:
    return re.sub(r"%[%.tnr]", lambda match: _PLAIN[match[0]], text)
