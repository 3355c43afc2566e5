"""The codec of stored records."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Network
from typing import NewType

import pytest

from kit.specs import cd, disk, nic, spec
from xenhost.core.devices import SourceKind, Vbd
from xenhost.core.record import BadRecord, Json, decode, encode
from xenhost.core.vm import VmSpec, VmType

Name = NewType("Name", str)


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Leaf:
    size: int


@dataclass(frozen=True, slots=True)
class Twig:
    length: float


@dataclass(frozen=True, slots=True)
class Tree:
    name: Name
    colour: Colour
    part: Leaf | Twig | None
    pair: tuple[int, str]
    leaves: tuple[Leaf, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    alive: bool = True
    deep: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Nest:
    near: IPv4Address | IPv6Address | None
    at: IPv4Interface
    around: tuple[IPv6Network, ...] = ()


NEST = Nest(IPv6Address("2001:db8::1"), IPv4Interface("192.0.2.1/24"), (IPv6Network("2001:db8::/32"),))
TREE = Tree(Name("oak"), Colour.RED, Twig(1.5), (1, "a"), (Leaf(1), Leaf(2)), {"a": "b"}, False, ((1, 2), ()))


def through_json(value: object) -> Json:
    result: Json = json.loads(json.dumps(encode(value)))
    return result


def changed(**fields: Json) -> Json:
    body = through_json(TREE)
    assert isinstance(body, dict)
    return {**body, **fields}


@pytest.mark.parametrize(
    "value", [TREE, spec(), spec(kind=VmType.HVM, vbds=(disk(), cd()), vifs=(nic(),)), disk(), NEST]
)
def test_what_is_written_is_read(value: Tree | VmSpec | Vbd | Nest) -> None:
    assert decode(type(value), through_json(value)) == value


def test_a_field_that_came_later_has_its_default() -> None:
    body = through_json(TREE)
    assert isinstance(body, dict)
    del body["alive"], body["deep"]
    assert decode(Tree, body).alive is True


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (changed(later=1), "later"),
        (changed(colour="blue"), "Tree.colour"),
        (changed(colour=["red"]), "Tree.colour"),
        (changed(alive=1), "Tree.alive"),
        (changed(name=None), "Tree.name"),
        (changed(pair=[1]), "Tree.pair"),
        (changed(pair=[True, "a"]), r"Tree.pair\[0\]"),
        (changed(part={"$": "Root", "size": 1}), "Tree.part"),
        (changed(part={"$": "Leaf"}), "Tree.part"),
        (changed(part=7), "Tree.part"),
        (changed(leaves=[{"size": "1"}]), r"Tree.leaves\[0\].size"),
        (changed(notes=[]), "Tree.notes"),
        (changed(notes={"a": 1}), "Tree.notes.a"),
        ({"$": "Bush"}, "Bush"),
        ([], "Tree"),
        (None, "Tree"),
    ],
)
def test_a_record_that_differs_is_refused_and_says_where(body: Json, where: str) -> None:
    with pytest.raises(BadRecord, match=where):
        decode(Tree, body)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"near": None, "at": "192.0.2.300/24"}, "Nest.at"),
        ({"near": None, "at": 3}, "Nest.at"),
        ({"near": "somewhere", "at": "192.0.2.1/24"}, "Nest.near"),
        ({"near": 7, "at": "192.0.2.1/24"}, "Nest.near"),
        ({"near": None, "at": "192.0.2.1/24", "around": ["192.0.2.0/24"]}, r"Nest.around\[0\]"),
    ],
)
def test_what_is_no_address_is_refused(body: Json, where: str) -> None:
    with pytest.raises(BadRecord, match=where):
        decode(Nest, body)


def test_a_whole_number_is_a_float_where_one_is_wanted() -> None:
    assert decode(Twig, {"length": 2}) == Twig(2.0)


def test_what_cannot_be_recorded_is_a_fault_of_the_writer() -> None:
    with pytest.raises(TypeError):
        encode(Leaf(1j))  # type: ignore[arg-type]  # on purpose
    with pytest.raises(TypeError):
        encode(object())


def test_an_enum_is_its_word() -> None:
    assert encode(SourceKind.BLOCK) == "block"
