import json
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from xenhost.pool.call import FrozenMap, Ref, Value
from xenhost.pool.database.record import Record
from xenhost.pool.wire import jsonrpc as module
from xenhost.pool.wire.bounds import MAX_BATCH
from xenhost.pool.wire.jsonrpc import Call, Malformed, parse

TWO = Call("m", (), 0, True)
ONE = Call("m", (), "x", False)


def test_version_2_answers_with_the_same_id_and_numbers_for_integers() -> None:
    value: Value = [1 << 62, 0.5, True, "ü", datetime(2026, 11, 22, 2, tzinfo=UTC), {"a": None}, ("t",)]
    assert json.loads("".join(module.format_success(TWO, value))) == {
        "jsonrpc": "2.0",
        "result": [1 << 62, 0.5, True, "ü", "20261122T02:00:00Z", {"a": None}, ["t"]],
        "id": 0,
    }
    assert "".join(module.format_success(TWO, None)) == '{"jsonrpc":"2.0","result":"","id":0}'


def test_version_1_has_an_error_member_beside_the_result() -> None:
    assert "".join(module.format_success(ONE, {})) == '{"result":{},"error":null,"id":"x"}'
    assert module.format_failure(ONE, ["A", "b"]) == '{"result":null,"error":["A","b"],"id":"x"}'


def test_an_error_of_version_2_is_an_object() -> None:
    assert json.loads(module.format_failure(TWO, ["HANDLE_INVALID", "VM", "OpaqueRef:x"])) == {
        "jsonrpc": "2.0",
        "error": {"code": 1, "message": "HANDLE_INVALID", "data": ["VM", "OpaqueRef:x"]},
        "id": 0,
    }


def test_long_answers_come_in_pieces_that_make_the_same_document() -> None:
    value: Value = {"events": [{"id": index} for index in range(500)], "counts": {"vm": 1}, "token": "x"}
    pieces = list(module.pieces(value))
    assert len(pieces) > 500
    assert json.loads("".join(pieces)) == value


def test_long_sets_of_references_and_of_anything_make_the_same_document() -> None:
    references: Value = [f"OpaqueRef:{index}ü" for index in range(500)]
    mixed: Value = [*["a"] * 100, 1, *["b"] * 100, [], "c"]
    for value in (references, mixed):
        assert json.loads("".join(module.pieces(value))) == value


def test_an_event_has_its_record_as_it_was_written() -> None:
    record = Record("VM", Ref("OpaqueRef:1"), {"name_label": "a"}, FrozenMap())
    events = tuple(FrozenMap({"id": index, "class": "vm", "snapshot": record}) for index in range(3))
    wanted = [{"id": index, "class": "vm", "snapshot": {"name_label": "a"}} for index in range(3)]
    assert json.loads("".join(module.pieces(events))) == wanted
    assert record.forms["json"] == '{"name_label":"a"}'
    assert json.loads("".join(module.pieces(({"snapshot": record},)))) == [{"snapshot": {"name_label": "a"}}]


def test_numbers_that_are_none_become_null() -> None:
    assert "".join(module.pieces([float("nan"), {"a": (float("inf"), 1.5)}])) == '[null,{"a":[null,1.5]}]'


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b'{"jsonrpc":"2.0","method":"a","params":[1,"x"],"id":0}', Call("a", (1, "x"), 0, True)),
        (b'{"method":"a","params":[],"id":"7"}', Call("a", (), "7", False)),
        (b'{"jsonrpc":"1.0","method":"a","id":1}', Call("a", (), 1, False)),
        (b'{"jsonrpc":"2.0","method":"a"}', Call("a", (), None, True, notification=True)),
        (b'{"jsonrpc":"2.0","method":"a","params":[60.1],"id":null}', Call("a", (60.1,), None, True)),
    ],
)
def test_requests_of_both_versions_are_read(document: bytes, expected: Call) -> None:
    assert parse(document) == expected


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", -32700),
        (b"\xff", -32700),
        (b"{", -32700),
        (b"[" * 100_000, -32700),
        (b'{"a":' + b"1" * 10_000 + b"}", -32700),
        (b"[" * 200 + b"]" * 200, -32600),
        (b"1", -32600),
        (b"[]", -32600),
        (b'{"jsonrpc":"3.0","method":"a","id":1}', -32600),
        (b'{"jsonrpc":"2.0","method":1,"id":1}', -32600),
        (b'{"jsonrpc":"2.0","method":"a","params":{"self":1},"id":1}', -32600),
        (b'{"jsonrpc":"2.0","method":"a","id":[]}', -32600),
        (b'{"jsonrpc":"2.0","method":"' + b"a" * 1000 + b'","id":1}', -32600),
        (b"[" + b",".join([b"1"] * (MAX_BATCH + 1)) + b"]", -32600),
        (b'{"a":[' + b",".join([b"1"] * 60_000) + b"]}", -32600),
    ],
)
def test_what_is_no_request_or_too_large_is_refused(document: bytes, code: int) -> None:
    found = parse(document)
    assert isinstance(found, Malformed)
    assert found.code == code
    answer = json.loads(module.format_malformed(found))
    assert answer["id"] is None or answer["id"] == 1


def test_one_bad_request_of_a_batch_spoils_its_own_answer_only() -> None:
    batch = parse(b'[{"jsonrpc":"2.0","method":"a","id":1},7]')
    assert isinstance(batch, Sequence)
    assert isinstance(batch[0], Call)
    assert isinstance(batch[1], Malformed)
