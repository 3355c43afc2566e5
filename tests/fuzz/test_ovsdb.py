"""Whatever ovsdb-server, or somebody who writes to its database, says: our parsers take it or refuse it."""

import contextlib
import json

from hypothesis import given
from hypothesis import strategies as st

from xenhost.core.network import LockingMode
from xenhost.drivers.network.ovs.database import COLUMNS, Database
from xenhost.drivers.network.ovs.json_stream import JsonStream
from xenhost.drivers.network.ovs.placement import find_place, free_port
from xenhost.drivers.network.ovs.states import bridge_states, parse_bond
from xenhost.drivers.network.ovs.values import Malformed, Row, Uuid, parse, to_json
from xenhost.drivers.network.ovs.vif_plan import known_vifs, plan_removal, plan_sweep
from xenhost.drivers.network.ovs.vif_record import VIF_KEY, is_locked, read

ATOM = (
    st.integers(-1, 70000)
    | st.booleans()
    | st.sampled_from(["", "a", "b", "secure"])
    | st.tuples(st.just("uuid"), st.sampled_from("abc")).map(list)
)
MAP = st.lists(
    st.tuples(st.sampled_from(["xenhost-network", "xenhost-uplink", VIF_KEY, "x"]), ATOM | st.just("{}")).map(list)
).map(lambda pairs: ["map", pairs])
VALUE = ATOM | st.lists(ATOM, max_size=3).map(lambda atoms: ["set", atoms]) | MAP
JSON = st.recursive(
    st.none() | ATOM | st.floats(allow_nan=False), lambda inner: st.lists(inner, max_size=3), max_leaves=6
)
ROW = st.dictionaries(st.sampled_from(sorted({c for columns in COLUMNS.values() for c in columns})), VALUE | JSON)
TABLES = st.dictionaries(
    st.sampled_from([*map(str, COLUMNS), "Mirror"]),
    st.dictionaries(st.sampled_from("abc"), st.fixed_dictionaries({"new": ROW | st.none()}) | JSON) | JSON,
)


@given(st.lists(st.binary(max_size=20) | st.sampled_from([b'{"a":"', b'\\"', b"}", b'{"id":1}']), max_size=10))
def test_a_stream_of_anything(pieces: list[bytes]) -> None:
    stream = JsonStream(largest=60)
    with contextlib.suppress(ValueError):
        for piece in pieces:
            for message in stream.feed(piece):
                assert message.strip().startswith(b"{")
                assert message.endswith(b"}")


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=8) | st.none(), max_size=4), st.integers(1, 9))
def test_what_is_json_comes_out_whole(message: dict[str, str | None], size: int) -> None:
    data = json.dumps(message).encode() * 2
    stream = JsonStream()
    found = [each for at in range(0, len(data), size) for each in stream.feed(data[at : at + size])]
    assert [json.loads(each) for each in found] == [message, message]


@given(VALUE | JSON)
def test_a_value_of_anything(untrusted: object) -> None:
    with contextlib.suppress(Malformed):
        value = parse(untrusted)
        assert parse(json.loads(json.dumps(to_json(value)))) == value


@given(TABLES, TABLES)
def test_a_database_of_anything_can_be_read_and_planned_upon(first: object, second: object) -> None:
    data = Database()
    with contextlib.suppress(Malformed):
        data.update({"Open_vSwitch": {"r": {"new": {"bridges": ["uuid", "a"]}}}})
        data.update(first)
        data.update(second)
    with contextlib.suppress(Malformed):
        bridge_states(data, {})
        known_vifs(data)
        plan_sweep(data)
        for name in ("a", "b", ""):
            plan_removal(data, name)
            if (place := find_place(data, name)) is not None:
                assert free_port(data, place.real) > 0


@given(st.text(max_size=40) | JSON.map(json.dumps) | st.dictionaries(st.text(max_size=3), JSON).map(json.dumps))
def test_a_record_that_cannot_be_read_allows_nothing(untrusted: str) -> None:
    port = Row(Uuid("a"), {"name": "vif1.0", "external_ids": {VIF_KEY: untrusted}})
    record = read(port)
    assert record is not None
    assert record.allowed.locking is LockingMode.LOCKED
    assert not record.allowed.ipv4 | record.allowed.ipv6
    assert is_locked(port)


@given(
    st.text(max_size=80) | st.lists(st.sampled_from(["member eth0: enabled\n", "  active member\n", "x"])).map("".join)
)
def test_a_bond_of_anything(untrusted: str) -> None:
    for state in parse_bond(untrusted):
        assert state.up or not state.active
