"""Ranges of ports as matches, and records that cannot be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from xenhost.drivers.network.ovs.database import Database
from xenhost.drivers.network.ovs.proxies import PROXY_KEY, blocks, proxy_flows


def covered(first: int, last: int) -> list[int]:
    """Ports that the matches of a range match."""
    found: list[int] = []
    for each in blocks(first, last):
        mask = int.from_bytes(each.mask, "big") if each.mask else 0xFFFF
        value = int.from_bytes(each.value, "big")
        assert value & ~mask == 0, "a match with bits outside its mask is refused"
        found += range(value, value + (0xFFFF ^ mask) + 1)
    return found


@given(some.integers(1, 65535), some.integers(0, 3000))
def test_a_range_is_matched_and_nothing_beside_it(first: int, more: int) -> None:
    last = min(first + more, 65535)
    assert covered(first, last) == list(range(first, last + 1))


def test_all_ports_are_few_matches() -> None:
    assert len(list(blocks(1, 65535))) == 16
    assert len(list(blocks(6910, 6930))) <= 6


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"bridge":"b","mac":"zz","servers":[]}',
        '{"bridge":"b","mac":5,"servers":[]}',
        '{"bridge":"b","mac":"00:16:3e:00:00:0a","servers":[["x",1,2]]}',
        '{"bridge":"b","mac":"00:16:3e:00:00:0a","servers":[["10.0.0.1",2,1]]}',
        '{"bridge":"b","mac":"00:16:3e:00:00:0a","servers":[["10.0.0.1",1]]}',
    ],
)
def test_a_record_that_cannot_be_read_has_no_flows(text: str) -> None:
    data = Database()
    data.update(
        {
            "Open_vSwitch": {"root": {"new": {"bridges": ["uuid", "b"]}}},
            "Bridge": {"b": {"new": {"name": "b", "ports": ["uuid", "p"]}}},
            "Port": {"p": {"new": {"interfaces": ["uuid", "i"], "external_ids": ["map", [[PROXY_KEY, text]]]}}},
            "Interface": {"i": {"new": {"name": "pvs0", "ofport": 3}}},
        }
    )
    (bridge,) = data.bridges()
    assert proxy_flows(data, bridge) == []
