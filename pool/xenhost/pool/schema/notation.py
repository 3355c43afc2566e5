"""A class is declared as text, a line or two for each field, two or three for each message.

    rw   name_label string = "" @4.0: What people call it.
    run  VBDs set ref VBD <> VBD.VM @4.0: Its disks.

A field: its qualifier, name, type; then `=` and what it is if a constructor leaves it out (JSON without spaces, or a
bare word), `<>` the other end of the relationship, `@` the release that brought it, `by` who may write it if not the
writers of the class, `keys` of a map that others may write, `hidden`, `deprecated`.

    start(vm ref VM, start_paused bool, force bool)
        host vm-operator @4.0: Start it on a host that suits.
        ! VM_BAD_POWER_STATE NO_HOSTS_AVAILABLE

A message: its parameters, those that may be left out with `?` and perhaps `= <default>`, `-> <result>` unless it has
none; where it takes effect (`db`, `pool`, `host`; `via` if the pool's logic ends in calls of hosts), the least role,
the release; `sync` if it has no `Async.` form, `nosession`, `hidden`, `deprecated`, `keys`, `stub` with the error that
the original answers, too. After `!` the errors it declares.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from xenhost.pool.call import NOTHING, NULL_REF, FrozenMap, Role, Value
from xenhost.pool.schema.declarations import (
    NO_DEFAULT,
    Class,
    Field,
    Kind,
    Link,
    Locus,
    Message,
    Param,
    Qualifier,
)
from xenhost.pool.schema.types import EnumOf, MapOf, OptionOf, RefTo, Scalar, SetOf, Type, parse, take

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""A moment that was never set."""

STANDARD: Final = "get_by_uuid get_record get_all get_all_records get_all_records_where"
"""The calls that nearly every class has."""

_MESSAGE: Final = re.compile(
    r"(?P<name>\w+) \( (?P<params>[^)]*) \) (?:\s* -> \s* (?P<result>[\w\s]+?))?"
    r" \s* \n (?P<flags>[^:\n]*(?::[\w*.]+[^:\n]*)*) : \s (?P<doc>[^!]*) (?:! (?P<errors>[A-Z0-9_\s]*))?",
    re.X,
)
_RELEASE: Final = re.compile(r"@\S+")


class BadDeclaration(ValueError):
    """The text cannot be read: the model is wrong, and nothing starts."""


def declare(
    name: str,
    doc: str,
    *,
    writer: str,
    fields: str = "",
    messages: str = "",
    calls: str = STANDARD,
    since: str = "",
    stored: bool = True,
    lasting: bool = True,
    deprecated: bool = False,
) -> Class:
    """A class from its text; see above. Raises BadDeclaration."""
    try:
        return Class(
            name,
            doc,
            tuple(_field(" ".join(block.split())) for block in _blocks(fields)),
            tuple(_message(name, block) for block in _blocks(messages)),
            frozenset(Kind(word) for word in calls.split()),
            Role(writer),
            since=since,
            stored=stored,
            lasting=lasting,
            deprecated=deprecated,
        )
    except ValueError as error:
        raise BadDeclaration(f"{name}: {error}") from error


def zero(of: Type) -> Value:
    """What a field of a type holds before anybody has set it."""
    match of:
        case RefTo():
            return NULL_REF
        case SetOf():
            return ()
        case MapOf():
            return NOTHING
        case Scalar.INT:
            return 0
        case Scalar.FLOAT:
            return 0.0
        case Scalar.BOOL:
            return False
        case Scalar.DATETIME:
            return EPOCH
        case OptionOf():
            return None
    return ""


def _field(line: str) -> Field:
    declaration, colon, doc = line.partition(": ")
    if not colon:
        raise ValueError(f"a field without words: {line}")
    words = iter(declaration.split())
    qualifier, name = Qualifier(next(words)), next(words)
    kind = take(words)
    default: Value | object = NO_DEFAULT if qualifier is not Qualifier.RUN else zero(kind)
    other, since, hidden, deprecated = None, "", False, False
    writer: Role | None = None
    keys: Mapping[str, Role] = MappingProxyType({})
    for word in words:
        match word:
            case "=":
                default = _literal(next(words), kind)
            case "<>":
                cls, _, end = next(words).partition(".")
                other = Link(cls, end)
            case "by":
                writer = Role(next(words))
            case "keys":
                keys = _keys(next(words))
            case "hidden":
                hidden = True
            case "deprecated":
                deprecated = True
            case _ if _RELEASE.fullmatch(word):
                since = word[1:]
            case _:
                raise ValueError(f"{name}: {word} is not understood")
    return Field(name, kind, qualifier, doc, default, other, since, hidden, writer, keys, deprecated)


def _literal(word: str, kind: Type) -> Value:
    """A default: JSON, or the bare name of an enum's member."""
    if not isinstance(kind, Scalar | SetOf | MapOf | RefTo) or word == "OpaqueRef:NULL":
        return word
    value: Value = json.loads(word)
    if kind is Scalar.DATETIME and isinstance(value, str):
        return datetime.fromisoformat(value)
    if kind is Scalar.FLOAT and isinstance(value, int):
        return float(value)
    if isinstance(value, list):
        return tuple(value)
    return FrozenMap(value) if isinstance(value, dict) else value


def _keys(word: str) -> Mapping[str, Role]:
    """`vm-operator:folder,icon;pool-admin:pci`."""
    groups = (group.partition(":") for group in word.split(";"))
    return MappingProxyType({key: Role(role) for role, _, keys in groups for key in keys.split(",")})


def _blocks(text: str) -> Iterator[str]:
    """A field or a message each: it begins at the left margin of the text, and goes on in lines further right."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return
    margin = min(len(line) - len(line.lstrip()) for line in lines)
    block: list[str] = []
    for line in lines:
        if not line[margin].isspace() and block:
            yield "\n".join(block)
            block = []
        block.append(line[margin:])
    yield "\n".join(block)


def _message(cls: str, block: str) -> Message:
    match = _MESSAGE.fullmatch(block)
    if match is None:
        raise ValueError(f"a message that is not understood: {block}")
    name, doc = match["name"], " ".join(match["doc"].split())
    result = parse(match["result"]) if match["result"] else Scalar.VOID
    params = tuple(_param(text) for text in match["params"].split(",") if text.strip())
    role, locus, via, since, stub = Role.POOL_ADMIN, Locus.DB, False, "", ""
    keys: Mapping[str, Role] = MappingProxyType({})
    asynchronous, session, hidden, deprecated = True, True, False, False
    words = iter(match["flags"].split())
    for word in words:
        if word in set(Locus):
            locus = Locus(word)
        elif word in set(Role):
            role = Role(word)
        elif word == "via":
            via = True
        elif word == "sync":
            asynchronous = False
        elif word == "nosession":
            session = False
        elif word == "hidden":
            hidden = True
        elif word == "deprecated":
            deprecated = True
        elif word == "stub":
            stub = next(words)
        elif word == "keys":
            keys = _keys(next(words))
        elif _RELEASE.fullmatch(word):
            since = word[1:]
        else:
            raise ValueError(f"{name}: {word} is not understood")
    return Message(
        cls,
        name,
        params,
        result,
        doc,
        errors=tuple((match["errors"] or "").split()),
        role=role,
        keys=keys,
        locus=locus,
        via_host=via,
        since=since,
        deprecated=deprecated,
        asynchronous=asynchronous,
        session=session,
        hidden=hidden,
        stub=stub,
    )


def _param(text: str) -> Param:
    declaration, given, default = text.partition("=")
    name, _, kind = " ".join(declaration.split()).partition(" ")
    of = parse(kind)
    if not name.endswith("?"):
        if given:
            raise ValueError(f"{name} has a default, but not the ? of one that may be left out")
        return Param(name, of)
    if isinstance(of, EnumOf) and not given:
        raise ValueError(f"{name} may be left out, but no member stands for it then")
    return Param(name[:-1], of, _literal(default.strip(), of) if given else zero(of))
