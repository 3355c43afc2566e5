"""Requests are made complete, and what can never be right is refused."""

import pytest

from kit.intents import Wanted
from xenhost.agent.network.changes.normal import normal
from xenhost.core.errors import InvalidValue, UuidInvalid
from xenhost.core.network_records import BondId, NetworkId, PifId
from xenhost.core.network_requests import (
    CreateBond,
    CreateNetwork,
    CreateVlan,
    IntroducePif,
    NetworkRequest,
    ResetNetworking,
    ScanPifs,
    UpdateNetwork,
)

UUID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"


def test_ids_that_are_missing_are_filled_in() -> None:
    host = Wanted(0)
    bond = normal(CreateBond(NetworkId("n"), (PifId("a"), PifId("b")), id=BondId(UUID.upper())), host.new_id)
    assert isinstance(bond, CreateBond)
    assert bond.id == UUID
    assert bond.master
    assert str(bond.master) != str(bond.id)
    for request in (ScanPifs(), ResetNetworking("eth0")):
        found = normal(request, host.new_id)
        assert isinstance(found, ScanPifs | ResetNetworking)
        assert found.seed


def test_a_normal_request_stays_as_it_is() -> None:
    host = Wanted(0)
    request = normal(CreateVlan(PifId("a"), 5, NetworkId("n")), host.new_id)
    assert normal(request, host.new_id) == request


def test_what_is_no_uuid_is_refused() -> None:
    with pytest.raises(UuidInvalid):
        normal(CreateNetwork(id=NetworkId("5")), Wanted(0).new_id)


WRONG: dict[str, NetworkRequest] = {
    "small mtu": CreateNetwork(mtu=67),
    "big mtu": CreateNetwork(mtu=65536),
    "long name": CreateNetwork(name="x" * 5000),
    "control character": CreateNetwork(name="a\0b"),
    "empty key": CreateNetwork(other_config={"": "x"}),
    "long key": CreateNetwork(other_config={"x" * 300: "x"}),
    "long value": CreateNetwork(other_config={"x": "x" * 20000}),
    "many keys": CreateNetwork(other_config={str(number): "" for number in range(300)}),
    "our bridge": CreateNetwork(bridge="xenbr0"),
    "new mtu": UpdateNetwork(NetworkId("n"), mtu=1),
    "no mac": IntroducePif(mac="no"),
    "multicast": IntroducePif(mac="01:00:5e:00:00:01"),
    "mac of bond": CreateBond(NetworkId("n"), (PifId("a"), PifId("b")), mac="no"),
    "many members": CreateBond(NetworkId("n"), tuple(PifId(str(number)) for number in range(99))),
}


@pytest.mark.parametrize("request_", WRONG.values(), ids=WRONG)
def test_values_that_cannot_be_are_refused(request_: NetworkRequest) -> None:
    with pytest.raises(InvalidValue):
        normal(request_, Wanted(0).new_id)


def test_an_mtu_of_0_is_the_usual_one() -> None:
    found = normal(CreateNetwork(mtu=0), Wanted(0).new_id)
    assert isinstance(found, CreateNetwork)
    assert found.mtu == 1500
