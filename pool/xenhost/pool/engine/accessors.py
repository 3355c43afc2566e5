"""The messages that fields and classes bring by themselves: get_, set_, add_to_, get_all_records, create …"""

from collections.abc import Mapping, Sequence
from typing import Final

from xenhost.pool.call import ApiError, FrozenMap, Ref, Value
from xenhost.pool.database import filters
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.schema.declarations import NO_DEFAULT, Class, Kind, Message, Qualifier
from xenhost.pool.schema.types import EnumOf, RefTo


class Accessors:
    """Answers them from the database. Parameters have the model's types already."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database
        self._fields: Final = {
            name: [field.name for field in cls.fields if not field.hidden]
            for name, cls in database.model.stored.items()
        }

    async def call(self, message: Message, params: Sequence[Value]) -> Value:
        """Answer one. Raises ApiError."""
        match message.kind:
            case Kind.SET | Kind.ADD_TO_MAP | Kind.REMOVE_FROM_MAP | Kind.ADD_TO_SET | Kind.REMOVE_FROM_SET:
                await self._database.change(lambda t: self.write(t, message, params))
                return None
            case Kind.CREATE:
                given = params[0]
                assert isinstance(given, dict)
                fields = self.given(self._database.model.classes[message.cls], given)
                return await self._database.change(lambda t: t.create(message.cls, fields))
            case Kind.DESTROY:
                await self._database.change(lambda t: t.delete(message.cls, _ref(params)))
                return None
        return self.read(message, params)

    def read(self, message: Message, params: Sequence[Value]) -> Value:
        """Answer one that changes nothing. Raises ApiError."""
        cls, database = message.cls, self._database
        match message.kind:
            case Kind.GET:
                return database.get(cls, _ref(params)).value(message.field)
            case Kind.GET_RECORD:
                return database.get(cls, _ref(params))
            case Kind.GET_BY_UUID:
                return database.by_uuid(cls, str(params[0]))
            case Kind.GET_BY_NAME_LABEL:
                return tuple(database.by_name(cls, str(params[0])))
            case Kind.GET_ALL:
                return tuple(database.rows(cls))
            case Kind.GET_ALL_RECORDS:
                return FrozenMap({ref: record for ref, record in database.rows(cls).items()})
            case Kind.GET_ALL_RECORDS_WHERE:
                matches = filters.parse(str(params[0]), self._fields[cls])
                return FrozenMap({ref: record for ref, record in database.rows(cls).items() if matches(record)})
        raise ApiError("NOT_IMPLEMENTED", message.method)

    def write(self, transaction: Transaction, message: Message, params: Sequence[Value]) -> None:
        """Do what a setter says; also for those who check something first. Raises ApiError."""
        cls, ref, name = message.cls, _ref(params), message.field
        match message.kind:
            case Kind.SET:
                transaction.set(cls, ref, {name: params[1]})
            case Kind.ADD_TO_MAP:
                transaction.add_to_map(cls, ref, name, str(params[1]), params[2])
            case Kind.REMOVE_FROM_MAP:
                transaction.remove_from_map(cls, ref, name, str(params[1]))
            case Kind.ADD_TO_SET:
                transaction.add_to_set(cls, ref, name, params[1])
            case Kind.REMOVE_FROM_SET:
                transaction.remove_from_set(cls, ref, name, params[1])
            case _:
                raise ApiError("NOT_IMPLEMENTED", message.method)

    def given(self, cls: Class, record: Mapping[str, Value]) -> Mapping[str, Value]:
        """What a constructor takes of a record: not what only the pool writes. Raises ApiError FIELD_TYPE_ERROR.

        So the record of an object can be passed to make one like it.
        """
        taken: dict[str, Value] = {}
        for field in cls.fields:
            if field.qualifier is Qualifier.RUN or field.hidden:
                continue
            if field.name in record:
                taken[field.name] = record[field.name]
            elif field.default is NO_DEFAULT and isinstance(field.type, RefTo | EnumOf):
                raise ApiError("FIELD_TYPE_ERROR", field.name)  # nothing could stand for it
        return taken


def _ref(params: Sequence[Value]) -> Ref:
    return Ref(str(params[0]))
