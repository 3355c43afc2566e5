"""The client's side of NBD, byte for byte."""

import struct

import pytest

from xenhost.sm.datapath.nbd_proto import (
    AnswerReader,
    Command,
    Data,
    Done,
    Extent,
    Failed,
    Handshake,
    Hole,
    NbdProtocolError,
    Status,
    TransmissionFlag,
    request,
)

GREETING = b"NBDMAGIC" + b"IHAVEOPT" + b"\0\3"


def reply(option: int, kind: int, data: bytes = b"") -> bytes:
    return struct.pack(">QIII", 0x3E889045565A9, option, kind, len(data)) + data


def chunk(kind: int, payload: bytes, handle: int = 1, done: bool = True) -> bytes:
    return struct.pack(">IHHQI", 0x668E33EF, int(done), kind, handle, len(payload)) + payload


def reader(length: int = 0, offset: int = 0) -> AnswerReader:
    answers = AnswerReader()
    answers.expect(1, offset, length)
    return answers


def test_a_handshake_asks_for_structured_replies_contexts_and_the_export() -> None:
    handshake = Handshake("vdi", ["base:allocation"])
    assert handshake.feed(GREETING) == b"\0\0\0\3IHAVEOPT\0\0\0\x08\0\0\0\0"
    assert handshake.feed(reply(8, 1)) == (b"IHAVEOPT\0\0\0\x0a\0\0\0\x1e\0\0\0\3vdi\0\0\0\1\0\0\0\x0fbase:allocation")
    go = handshake.feed(reply(10, 4, b"\0\0\0\7base:allocation") + reply(10, 1))
    assert go == b"IHAVEOPT\0\0\0\7\0\0\0\x0b\0\0\0\3vdi\0\1\0\3"
    sizes = struct.pack(">HIII", 3, 512, 65536, 1 << 20)
    assert handshake.feed(reply(7, 3, struct.pack(">HQH", 0, 1 << 30, 0x103)) + reply(7, 3, sizes)) == b""
    assert handshake.feed(reply(7, 1) + b"rest") == b""
    info = handshake.info
    assert info is not None
    assert (info.size, info.maximum_payload, info.contexts) == (1 << 30, 1 << 20, {"base:allocation": 7})
    assert info.flags == TransmissionFlag.HAS_FLAGS | TransmissionFlag.READ_ONLY | TransmissionFlag.CAN_MULTI_CONN
    assert info.read_only
    assert info.structured
    assert handshake.rest == b"rest"


def test_a_handshake_for_the_kernel_asks_for_simple_replies() -> None:
    handshake = Handshake("x", structured=False)
    assert handshake.feed(GREETING) == b"\0\0\0\3IHAVEOPT\0\0\0\7\0\0\0\x09\0\0\0\1x\0\1\0\3"


def test_a_server_without_structured_replies_will_do() -> None:
    handshake = Handshake("x", ["base:allocation"])
    handshake.feed(GREETING)
    assert handshake.feed(reply(8, 0x80000001)).startswith(b"IHAVEOPT\0\0\0\7")


@pytest.mark.parametrize(
    "answer",
    [
        b"NBDMAGIC" + b"\0\0\x42\x02\x81\x86\x12\x53" + b"\0\0",  # oldstyle
        GREETING + reply(7, 1),
        GREETING + struct.pack(">QIII", 1, 8, 1, 0),
        GREETING + struct.pack(">QIII", 0x3E889045565A9, 8, 1, 1 << 30),
        GREETING + reply(8, 1) + reply(7, 0x80000006, b"no such export"),
        GREETING + reply(8, 1) + reply(7, 1),
        GREETING + reply(8, 1) + reply(7, 3, struct.pack(">HQH", 0, 1 << 63, 1)),
        GREETING + reply(8, 1) + reply(7, 3, struct.pack(">HIII", 3, 0, 1, 1)),
        GREETING + reply(8, 1) + reply(7, 2),
    ],
)
def test_a_server_that_talks_nonsense_is_refused(answer: bytes) -> None:
    with pytest.raises(NbdProtocolError):
        Handshake("x").feed(answer)


def test_requests_have_the_right_bytes() -> None:
    assert request(Command.WRITE, 5, 4096, 512) == (
        b"\x25\x60\x95\x13\0\0\0\1\0\0\0\0\0\0\0\5\0\0\0\0\0\0\x10\0\0\0\2\0"
    )


def test_a_structured_read_comes_in_pieces() -> None:
    answers = reader(12, 100)
    data = chunk(1, struct.pack(">Q", 104) + b"data", done=False) + chunk(2, struct.pack(">QI", 100, 4))
    assert [answer for byte in data for answer in answers.feed(bytes([byte]))] == [
        Data(1, 104, b"data"),
        Hole(1, 100, 4),
        Done(1),
    ]


def test_a_simple_read_and_a_simple_error_are_understood() -> None:
    assert reader(4).feed(struct.pack(">IIQ", 0x67446698, 0, 1) + b"data") == [Data(1, 0, b"data"), Done(1)]
    assert reader(4).feed(struct.pack(">IIQ", 0x67446698, 5, 1)) == [Failed(1, 5, ""), Done(1)]


def test_status_and_errors_are_understood() -> None:
    status = chunk(5, struct.pack(">IIIII", 3, 4096, 1, 512, 0))
    assert reader().feed(status) == [Status(1, 3, (Extent(4096, 1), Extent(512, 0))), Done(1)]
    error = chunk(0x8001, struct.pack(">IH", 28, 4) + b"full")
    assert reader().feed(error) == [Failed(1, 28, "full"), Done(1)]


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 16,
        chunk(0, b"", handle=2),
        chunk(1, struct.pack(">Q", 0) + b"too long"),
        chunk(2, struct.pack(">QI", 0, 5)),
        chunk(5, b"\0" * 13),
        chunk(5, struct.pack(">III", 3, 0, 1)),
        chunk(77, b""),
        struct.pack(">IHHQI", 0x668E33EF, 1, 1, 1, 1 << 30),
    ],
)
def test_answers_that_make_no_sense_are_refused(data: bytes) -> None:
    with pytest.raises(NbdProtocolError):
        reader(4).feed(data)
