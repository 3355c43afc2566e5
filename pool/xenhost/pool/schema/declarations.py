"""What a class of the Management API is: its fields and its messages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from xenhost.pool.call import Role, Value
from xenhost.pool.schema.types import Scalar, Type

NO_DEFAULT: Final = object()
"""Of a field or a parameter: whoever leaves it out makes an error."""


class Qualifier(StrEnum):
    """Who writes a field."""

    RW = "rw"
    """Clients, by generated setters, and when they create the object."""
    CREATED = "ins"
    """Clients, when they create the object; afterwards the pool, or a message of its own."""
    RUN = "run"
    """The pool alone."""


class Locus(StrEnum):
    """Where a message takes effect."""

    DB = "db"
    POOL = "pool"
    HOST = "host"


class Kind(StrEnum):
    """How a message came to be."""

    EXPLICIT = "explicit"
    GET = "get"
    SET = "set"
    ADD_TO_MAP = "add_to"
    REMOVE_FROM_MAP = "remove_from"
    ADD_TO_SET = "add"
    REMOVE_FROM_SET = "remove"
    CREATE = "create"
    DESTROY = "destroy"
    GET_BY_UUID = "get_by_uuid"
    GET_BY_NAME_LABEL = "get_by_name_label"
    GET_RECORD = "get_record"
    GET_ALL = "get_all"
    GET_ALL_RECORDS = "get_all_records"
    GET_ALL_RECORDS_WHERE = "get_all_records_where"


@dataclass(frozen=True, slots=True)
class Link:
    """The other end of a relationship, which the database keeps in step."""

    cls: str
    field: str


@dataclass(frozen=True, slots=True)
class Field:
    """A field of every object of a class."""

    name: str
    type: Type
    qualifier: Qualifier
    doc: str
    default: Value | object = NO_DEFAULT
    """For what a constructor leaves out."""
    other: Link | None = None
    since: str = ""
    """The release that brought it; empty: the first."""
    hidden: bool = False
    """In the database only: neither accessors nor records show it."""
    writer: Role | None = None
    """Who may use its setters, if not the writers of the class."""
    keys: Mapping[str, Role] = field(default_factory=lambda: MappingProxyType({}))
    """Keys of a map that others may add and remove, too."""
    deprecated: bool = False


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter of a message."""

    name: str
    type: Type
    default: Value | object = NO_DEFAULT
    """For what a call leaves out, at its end."""

    @property
    def optional(self) -> bool:
        """May a call leave it out?"""
        return self.default is not NO_DEFAULT


@dataclass(frozen=True, slots=True)
class Message:
    """Something that can be asked of a class, or of one object: then its first parameter is the object."""

    cls: str
    name: str
    params: tuple[Param, ...]
    result: Type
    doc: str
    kind: Kind = Kind.EXPLICIT
    errors: tuple[str, ...] = ()
    role: Role = Role.POOL_ADMIN
    """The least role that may send it."""
    keys: Mapping[str, Role] = field(default_factory=lambda: MappingProxyType({}))
    locus: Locus = Locus.DB
    via_host: bool = False
    """Pool logic that ends in calls of hosts."""
    field: str = ""
    """What an accessor is of."""
    since: str = ""
    deprecated: bool = False
    asynchronous: bool = False
    """There is an `Async.` form."""
    session: bool = True
    """Its first parameter on the wire is a session."""
    hidden: bool = False
    """It answers, but is not in the reference."""
    stub: str = ""
    """The error that is its only answer, in the original, too."""

    @property
    def method(self) -> str:
        """Its name on the wire."""
        return f"{self.cls}.{self.name}"

    @property
    def void(self) -> bool:
        """Does it answer nothing?"""
        return self.result is Scalar.VOID


@dataclass(frozen=True, slots=True)
class Class:
    """A class of objects, or of records that only results hold."""

    name: str
    doc: str
    fields: tuple[Field, ...]
    messages: tuple[Message, ...]
    """The explicit ones."""
    generated: frozenset[Kind]
    """Which of the calls that go by the class, not by a field, it has."""
    writer: Role
    """Who may use generated setters, create and destroy."""
    since: str = ""
    stored: bool = True
    """Its objects are in the database."""
    lasting: bool = True
    """They are still there after a restart."""
    deprecated: bool = False

    def field(self, name: str) -> Field | None:
        """The field of that name."""
        return next((each for each in self.fields if each.name == name), None)
