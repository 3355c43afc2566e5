"""The messages that follow from a class and its fields; nobody declares them one by one."""

from collections.abc import Iterator
from typing import Final

from xenhost.pool.call import Role
from xenhost.pool.schema.declarations import Class, Field, Kind, Message, Param, Qualifier
from xenhost.pool.schema.types import MapOf, RecordOf, RefTo, Scalar, SetOf, Type

READS: Final = frozenset(
    {
        Kind.GET,
        Kind.GET_BY_UUID,
        Kind.GET_BY_NAME_LABEL,
        Kind.GET_RECORD,
        Kind.GET_ALL,
        Kind.GET_ALL_RECORDS,
        Kind.GET_ALL_RECORDS_WHERE,
    }
)
"""Kinds that change nothing."""

SECRET_CLASS: Final = "secret"
"""Only its writers may read it."""


def messages_of(cls: Class) -> Iterator[Message]:
    """All messages of a class: the declared ones, and the generated ones that are not declared."""
    declared = {message.name for message in cls.messages}
    yield from cls.messages
    for message in (*_of_class(cls), *(each for field in cls.fields for each in _of_field(cls, field))):
        if message.name not in declared:
            yield message


def _of_class(cls: Class) -> Iterator[Message]:
    of = RefTo(cls.name)
    self, records = Param("self", of), MapOf(of, RecordOf(cls.name))
    shapes: dict[Kind, tuple[tuple[Param, ...], Type, str]] = {
        Kind.GET_ALL: ((), SetOf(of), "References of all."),
        Kind.GET_ALL_RECORDS: ((), records, "Records of all, by reference."),
        Kind.GET_ALL_RECORDS_WHERE: ((Param("expr", Scalar.STRING),), records, "Records that an expression picks."),
        Kind.GET_RECORD: ((self,), RecordOf(cls.name), "All fields of one."),
        Kind.GET_BY_UUID: ((Param("uuid", Scalar.STRING),), of, "The one with that UUID."),
        Kind.GET_BY_NAME_LABEL: ((Param("label", Scalar.STRING),), SetOf(of), "Those with that name."),
        Kind.CREATE: ((Param("args", RecordOf(cls.name)),), of, "Make one; the record holds its fields."),
        Kind.DESTROY: ((self,), Scalar.VOID, "Remove it."),
    }
    kinds = cls.generated | ({Kind.GET_BY_NAME_LABEL} if _has_names(cls) else set())
    for kind, (params, result, doc) in shapes.items():
        if kind in kinds:
            yield Message(
                cls.name,
                kind.value,
                params,
                result,
                doc,
                kind,
                role=_reader(cls) if kind in READS else cls.writer,
                since=cls.since,
                deprecated=cls.deprecated,
                asynchronous=kind not in READS,
                hidden=kind is Kind.GET_ALL_RECORDS_WHERE,
            )


def _of_field(cls: Class, field: Field) -> Iterator[Message]:
    if field.hidden or not (cls.generated or cls.messages) or Kind.GET_RECORD not in cls.generated:
        return
    self = Param("self", RefTo(cls.name))

    def message(kind: Kind, params: tuple[Param, ...], result: Type, doc: str, role: Role) -> Message:
        return Message(
            cls.name,
            f"{kind.value}_{field.name}",
            params,
            result,
            doc,
            kind,
            role=role,
            keys=field.keys if kind in (Kind.ADD_TO_MAP, Kind.REMOVE_FROM_MAP) else {},
            field=field.name,
            since=field.since,
            deprecated=field.deprecated,
        )

    yield message(Kind.GET, (self,), field.type, field.doc, _reader(cls))
    if field.qualifier is not Qualifier.RW:
        return
    writer = field.writer or cls.writer
    value = Param("value", field.type)
    yield message(Kind.SET, (self, value), Scalar.VOID, f"Set {field.name}.", writer)
    match field.type:
        case MapOf(key, item):
            pair = (self, Param("key", key), Param("value", item))
            yield message(Kind.ADD_TO_MAP, pair, Scalar.VOID, f"Add a key to {field.name}.", writer)
            yield message(Kind.REMOVE_FROM_MAP, pair[:2], Scalar.VOID, f"Remove a key from {field.name}.", writer)
        case SetOf(item):
            one = (self, Param("value", item))
            yield message(Kind.ADD_TO_SET, one, Scalar.VOID, f"Add a value to {field.name}.", writer)
            yield message(Kind.REMOVE_FROM_SET, one, Scalar.VOID, f"Remove a value from {field.name}.", writer)


def _has_names(cls: Class) -> bool:
    return Kind.GET_ALL in cls.generated and cls.name != "pool" and cls.field("name_label") is not None


def _reader(cls: Class) -> Role:
    return cls.writer if cls.name == SECRET_CLASS else Role.READ_ONLY
