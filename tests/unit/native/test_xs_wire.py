"""The codec against bytes recorded from libxenstore and xenstored 4.17 (tests/wire/xenstore)."""

import struct
from pathlib import Path

import pytest

from xenhost.native.xenstore_errors import InvalidRequest, TooBig
from xenhost.native.xenstore_types import Access, Perm, perms_body, strings
from xenhost.native.xs_wire import (
    ABS_PATH_MAX,
    PAYLOAD_MAX,
    REL_PATH_MAX,
    REPLY_MAX,
    Decoder,
    Op,
    Request,
    encode,
    encode_paths,
)

WIRE = Path(__file__).parents[2] / "wire" / "xenstore"
PERMS = (
    Perm(0, Access.NONE),
    Perm(5, Access.READ),
    Perm(6, Access.BOTH),
    Perm(7, Access.WRITE),
)
OURS = [
    ("write", Request(Op.WRITE, "/golden/a", b"value"), 0),
    ("write", Request(Op.WRITE, "/golden/b"), 0),
    ("read", Request(Op.READ, "/golden/a"), 0),
    ("read", Request(Op.READ, "/golden/none"), 0),
    ("mkdir", Request(Op.MKDIR, "/golden/d"), 0),
    ("directory", Request(Op.DIRECTORY, "/golden"), 0),
    ("rm", Request(Op.RM, "/golden/d"), 0),
    ("set_perms", Request(Op.SET_PERMS, "/golden/a", perms_body(PERMS)), 0),
    ("get_perms", Request(Op.GET_PERMS, "/golden/a"), 0),
    ("watch", Request(Op.WATCH, "/golden", strings("140533033611952")), 0),
    ("unwatch", Request(Op.UNWATCH, "/golden", strings("140533033611952")), 0),
    ("transaction_start", Request(Op.TRANSACTION_START, None, strings("")), 0),
    ("read_in_transaction", Request(Op.READ, "/golden/a"), 1),
    ("transaction_end", Request(Op.TRANSACTION_END, None, strings("F")), 2),
    ("write_in_transaction", Request(Op.WRITE, "/golden/a", b"tx"), 2),
    ("transaction_end", Request(Op.TRANSACTION_END, None, strings("T")), 1),
    ("introduce", Request(Op.INTRODUCE, None, strings(5, 4660, 3)), 0),
    ("get_domain_path", Request(Op.GET_DOMAIN_PATH, None, strings(5)), 0),
    ("set_target", Request(Op.SET_TARGET, None, strings(5, 6)), 0),
    ("resume", Request(Op.RESUME, None, strings(5)), 0),
    ("release", Request(Op.RELEASE, None, strings(5)), 0),
    ("is_domain_introduced", Request(Op.IS_DOMAIN_INTRODUCED, None, strings(5)), 0),
    ("control", Request(Op.CONTROL, None, strings("print", "hello")), 0),
    ("rm", Request(Op.RM, "/golden"), 0),
]


def recorded(name: str) -> list[tuple[str, bytes]]:
    lines = (WIRE / name).read_text().splitlines()
    pairs = (line.split() for line in lines if not line.startswith("#"))
    return [(name, bytes.fromhex(text)) for name, text in pairs]


def test_every_request_is_byte_for_byte_what_libxenstore_sends() -> None:
    ours = [(name, bytes(encode([request], tx, 0).data)) for name, request, tx in OURS]
    assert sorted(ours) == sorted(recorded("requests.txt"))


def test_recorded_replies_are_taken_apart_whatever_way_they_are_cut() -> None:
    stream = b"".join(data for _, data in recorded("replies.txt"))
    payloads = [data[16:] for _, data in recorded("replies.txt")]
    for cut in range(len(stream)):
        head = Decoder().decode(stream[:cut])
        tail = Decoder().decode(stream[head.used :])
        found = [stream[start:end] for _, _, start, end in head.messages()]
        found += [stream[head.used + start : head.used + end] for _, _, start, end in tail.messages()]
        assert found == payloads
        assert not head.bad_length
        assert not tail.bad_length


def test_many_paths_encode_to_the_same_bytes_as_one_by_one() -> None:
    paths = ["/", "/a", "relative/path", "@releaseDomain", "/A-z_0@9"]
    many = encode_paths(Op.READ, paths, 7, 100)
    single = [encode([Request(Op.READ, path)], 7, 100 + i) for i, path in enumerate(paths)]
    assert bytes(many.data) == b"".join(bytes(one.data) for one in single)
    assert many.ends[-1] == len(many.data)
    assert many.ends[0] == 16 + 2
    assert struct.unpack_from("=4I", many.data) == (Op.READ, 100, 7, 2)


def test_no_paths_encode_to_nothing() -> None:
    assert encode_paths(Op.READ, [], 0, 1).ends == []
    assert bytes(encode([], 0, 1).data) == b""


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "the path is empty"),
        ("/a b", "' ' at 2"),
        ("/a\0b", "NUL|'\\\\x00'"),
        ("/é", "'é' at 1"),
        ("/\N{GRINNING FACE}/x", "at 1; a path has only"),
        ("/a//b", "slash at 2|slash at 3"),
        ("/a/", "trailing slash at 2"),
        ("/a.b", "'.' at 2"),
        ("//", "slash at 1"),
    ],
)
def test_an_illegal_path_is_refused_with_its_reason_before_anything_is_sent(path: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why) as single:
        encode([Request(Op.READ, path)], 0, 1)
    assert single.value.call == "READ"
    with pytest.raises(InvalidRequest, match="request 1"):
        encode_paths(Op.READ, ["/fine", path, "/fine"], 0, 1)


@pytest.mark.parametrize(
    ("longest", "limit"),
    [("/" + "a" * (ABS_PATH_MAX - 1), ABS_PATH_MAX), ("a" * REL_PATH_MAX, REL_PATH_MAX)],
)
def test_a_path_may_have_exactly_the_longest_length(longest: str, limit: int) -> None:
    assert len(longest) == limit
    assert encode_paths(Op.READ, [longest], 0, 1).ends == [16 + limit + 1]
    with pytest.raises(TooBig, match=str(ABS_PATH_MAX)):
        encode_paths(Op.READ, [longest + "a"], 0, 1)
    with pytest.raises(TooBig, match=str(REL_PATH_MAX)):
        encode([Request(Op.READ, longest + "a")], 0, 1)


def test_path_and_value_may_have_exactly_4096_bytes_together() -> None:
    value = b"v" * (PAYLOAD_MAX - 3)
    assert encode([Request(Op.WRITE, "/a", value)], 0, 1).ends == [16 + PAYLOAD_MAX]
    with pytest.raises(TooBig, match="these have 4097"):
        encode([Request(Op.WRITE, "/a", value + b"v")], 0, 1)


def test_a_value_may_hold_any_bytes() -> None:
    value = bytes(range(256))
    assert bytes(encode([Request(Op.WRITE, "/a", value)], 0, 1).data).endswith(b"/a\0" + value)


def test_a_message_longer_than_any_reply_is_reported_not_waited_for() -> None:
    good = struct.pack("=4I", Op.READ, 1, 0, 1) + b"x"
    decoded = Decoder().decode(good + struct.pack("=4I", Op.READ, 2, 0, REPLY_MAX + 1))
    assert decoded.ids == [1]
    assert decoded.bad_length == REPLY_MAX + 1
    assert not Decoder().decode(struct.pack("=4I", Op.READ, 2, 0, REPLY_MAX)).bad_length
