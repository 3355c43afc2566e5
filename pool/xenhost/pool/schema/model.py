"""All classes together: what the dispatcher, the database and the reference look things up in."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from xenhost.pool.schema.declarations import Class, Field, Link, Message
from xenhost.pool.schema.messages import messages_of
from xenhost.pool.schema.types import EnumOf, RecordOf, RefTo, SetOf, Type, parts


class BadModel(ValueError):
    """Declarations contradict each other: the model is wrong, and nothing starts."""


class Model:
    """The classes by name, their messages by method, the members of each enum. Never changed."""

    def __init__(self, classes: Sequence[Class], enums: Mapping[str, frozenset[str]]) -> None:
        self.classes: Final[Mapping[str, Class]] = MappingProxyType({cls.name: cls for cls in classes})
        self.enums: Final = enums
        self.messages: Final[Mapping[str, Message]] = MappingProxyType(
            {message.method: message for cls in classes for message in messages_of(cls)}
        )
        self.stored: Final[Mapping[str, Class]] = MappingProxyType({c.name: c for c in classes if c.stored})
        self.by_lower_name: Final[Mapping[str, str]] = MappingProxyType({c.name.lower(): c.name for c in classes})
        """Events name classes in lower case, and accept any case."""
        self._check()

    def field(self, cls: str, name: str) -> Field | None:
        """The field of a class."""
        return self.classes[cls].field(name)

    def end(self, link: Link) -> Field:
        """The field at that end. Raises BadModel."""
        cls = self.classes.get(link.cls)
        if cls is None or (found := cls.field(link.field)) is None:
            raise BadModel(f"{link.cls}.{link.field} does not exist")
        return found

    def _check(self) -> None:
        for cls in self.classes.values():
            for field in cls.fields:
                self._check_type(f"{cls.name}.{field.name}", field.type)
                if field.other is not None:
                    self._check_link(cls, field, field.other)
        for message in self.messages.values():
            for of in (message.result, *(param.type for param in message.params)):
                self._check_type(message.method, of)

    def _check_type(self, where: str, of: Type) -> None:
        for part in parts(of):
            match part:
                case EnumOf(name) if name not in self.enums:
                    raise BadModel(f"{where}: there is no enum {name}")
                case RefTo(name) | RecordOf(name) if name not in self.classes:
                    raise BadModel(f"{where}: there is no class {name}")

    def _check_link(self, cls: Class, field: Field, link: Link) -> None:
        other = self.end(link)
        if other.other != Link(cls.name, field.name):
            raise BadModel(f"{cls.name}.{field.name} and {link.cls}.{link.field} do not point at each other")
        if field.type not in (RefTo(link.cls), SetOf(RefTo(link.cls))):
            raise BadModel(f"{cls.name}.{field.name} is no reference to {link.cls}")
        if not isinstance(field.type, SetOf) and not isinstance(other.type, SetOf):
            raise BadModel(f"{cls.name}.{field.name}: one end of a relationship must be a set")
