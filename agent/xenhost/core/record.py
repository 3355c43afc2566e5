"""Frozen dataclasses to JSON values and back, strictly: for what is stored and read by a later version.

A dataclass is an object of its fields; a member of a union of dataclasses also names its class under `$`. Reading
accepts a missing field only if it has a default, and no unknown field: a record from a newer version is refused, not
guessed. Supported: str, int, float, bool, None, NewTypes and StrEnums, addresses and networks of ipaddress (as text),
tuple[X, ...], tuple[X, Y], Mapping[str, X], dataclasses and unions of these.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from types import NoneType, UnionType
from typing import Final, NewType, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

CLASS: Final = "$"
"""Key that names the class of a member of a union."""

T = TypeVar("T")

_ADDRESSES: Final = (IPv4Address, IPv6Address, IPv4Interface, IPv6Interface, IPv4Network, IPv6Network)


class BadRecord(ValueError):
    """The stored text is not what was written, or was written by a newer version. `args[0]` says where."""


def encode(value: object) -> Json:
    """The JSON value of a dataclass, or of anything a field may hold; dataclasses name their class."""
    if isinstance(value, StrEnum):
        return value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, _ADDRESSES):
        return str(value)
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        body: dict[str, Json] = {CLASS: type(value).__name__}
        body |= {field.name: encode(getattr(value, field.name)) for field in fields(value)}
        return body
    raise TypeError(f"{type(value).__name__} cannot be recorded")


def decode(cls: type[T], untrusted_value: Json) -> T:
    """The value of type `cls` that `encode` made this of. Raises BadRecord."""
    return cast(T, _decoder(cast(Hashable, cls))(untrusted_value, cls.__name__))


_Decoder = Callable[[Json, str], object]


@cache
def _decoder(hint: Hashable) -> _Decoder:
    """The function that reads one type; built once for each type, as type hints are slow to look at."""
    if isinstance(hint, NewType):
        return _decoder(hint.__supertype__)
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _union(args)
    if origin is tuple:
        return _tuple(args)
    if origin is Mapping or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return _mapping(args[1])
    if isinstance(hint, type):
        if is_dataclass(hint):
            return _dataclass(hint)
        if issubclass(hint, StrEnum):
            return _enum(hint)
        if hint in (str, int, bool, float, NoneType):
            return _scalar(hint)
        if hint in _ADDRESSES:
            return _address(hint)
    raise TypeError(f"{hint!r} cannot be recorded")


def _scalar(kind: type) -> _Decoder:
    def read(value: Json, where: str) -> object:
        if type(value) is kind:
            return value
        if kind is float and type(value) is int:
            return float(value)
        raise BadRecord(f"{where}: {value!r:.60} is not {kind.__name__}")

    return read


def _enum(kind: type[StrEnum]) -> _Decoder:
    def read(value: Json, where: str) -> object:
        try:
            return kind(cast(str, value))
        except ValueError:
            raise BadRecord(f"{where}: {value!r:.60} is not one of {kind.__name__}") from None

    return read


def _address(kind: type) -> _Decoder:
    def read(value: Json, where: str) -> object:
        try:
            if isinstance(value, str):
                return kind(value)
        except ValueError:
            pass
        raise BadRecord(f"{where}: {value!r:.60} is not an {kind.__name__}")

    return read


def _tuple(args: tuple[Hashable, ...]) -> _Decoder:
    repeated = len(args) == 2 and args[1] is Ellipsis
    readers = [_decoder(arg) for arg in args if arg is not Ellipsis]

    def read(value: Json, where: str) -> object:
        if not isinstance(value, list) or not (repeated or len(value) == len(readers)):
            raise BadRecord(f"{where}: {value!r:.60} is not a list of the right length")
        each = readers * len(value) if repeated else readers
        return tuple(
            reader(item, f"{where}[{index}]") for index, (reader, item) in enumerate(zip(each, value, strict=True))
        )

    return read


def _mapping(arg: Hashable) -> _Decoder:
    reader = _decoder(arg)

    def read(value: Json, where: str) -> object:
        if not isinstance(value, dict):
            raise BadRecord(f"{where}: {value!r:.60} is not an object")
        return {key: reader(item, f"{where}.{key:.60}") for key, item in value.items()}

    return read


def _union(args: tuple[Hashable, ...]) -> _Decoder:
    classes = {arg.__name__: arg for arg in args if isinstance(arg, type) and is_dataclass(arg)}
    scalars = [arg for arg in args if not (isinstance(arg, type) and is_dataclass(arg))]

    def read(value: Json, where: str) -> object:
        if isinstance(value, dict) and classes:
            name = value.get(CLASS)
            if not isinstance(name, str) or name not in classes:
                raise BadRecord(f"{where}: class {name!r:.60} is not one of {', '.join(classes)}")
            return _decoder(classes[name])(value, where)
        for arg in scalars:
            try:
                return _decoder(arg)(value, where)
            except BadRecord:
                continue
        raise BadRecord(f"{where}: {value!r:.60} fits none of its types")

    return read


def _dataclass(cls: type) -> _Decoder:
    hints = get_type_hints(cls)
    required = set()
    known = {}
    for field in fields(cls):
        known[field.name] = _lazy(hints[field.name])
        if field.default is MISSING and field.default_factory is MISSING:
            required.add(field.name)

    def read(value: Json, where: str) -> object:
        if not isinstance(value, dict):
            raise BadRecord(f"{where}: {value!r:.60} is not an object")
        if value.get(CLASS, cls.__name__) != cls.__name__:
            raise BadRecord(f"{where}: it is a {value[CLASS]!r:.60}, not a {cls.__name__}")
        names = value.keys() - {CLASS}
        if odd := sorted(names - known.keys()) or sorted(required - names):
            raise BadRecord(f"{where}: unknown or missing field {odd[0]:.60}")
        return cls(**{name: known[name](value[name], f"{where}.{name}") for name in names})

    return read


def _lazy(hint: Hashable) -> _Decoder:
    """Resolve the reader at its first use, so that types may refer to each other."""

    def read(value: Json, where: str) -> object:
        return _decoder(hint)(value, where)

    return read
