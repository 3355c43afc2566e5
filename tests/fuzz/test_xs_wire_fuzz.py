"""Random input for the codec and the protocol state."""

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from xenhost.native.xenstore_errors import InvalidRequest, ProtocolViolation, TooBig, XenstoreError
from xenhost.native.xenstore_proto import Call, WatchFired, XenstoreProtocol
from xenhost.native.xs_wire import REPLY_MAX, Decoder, Op, Request, encode, encode_paths

LEGAL = "ABCXYZabcxyz0189-_@"
OPS = st.sampled_from([op for op in Op if op not in (Op.WATCH_EVENT, Op.ERROR)])
NAMES = st.text(LEGAL, min_size=1, max_size=12)
PATHS = st.lists(NAMES, min_size=1, max_size=5).map(lambda names: "/" + "/".join(names))
REQUESTS = st.builds(Request, OPS, st.none() | PATHS, st.binary(max_size=60))


def model(request: Request, tx: int, request_id: int) -> bytes:
    """The encoder in plain Python."""
    path = b"" if request.path is None else request.path.encode() + b"\0"
    payload = path + request.body
    return struct.pack("=4I", request.op, request_id, tx, len(payload)) + payload


def is_legal(path: str) -> bool:
    """The path rules in plain Python."""
    limit = 3072 if path.startswith("/") else 2048
    return (
        0 < len(path) <= limit
        and all(char.isascii() and (char.isalnum() or char in "-/_@") for char in path)
        and "//" not in path
        and (path == "/" or not path.endswith("/"))
    )


@given(st.lists(REQUESTS, max_size=30), st.integers(0, 2**32 - 1), st.integers(0, 2**31))
def test_encoding_equals_the_model(requests: list[Request], tx: int, first: int) -> None:
    expected = [model(request, tx, first + i) for i, request in enumerate(requests)]
    encoded = encode(requests, tx, first)
    assert bytes(encoded.data) == b"".join(expected)
    assert encoded.ends == [sum(map(len, expected[: i + 1])) for i in range(len(expected))]


@given(st.lists(st.text(st.sampled_from("ab/ .\0é-@_"), max_size=6) | st.text(max_size=9), max_size=6))
def test_a_path_is_refused_exactly_if_the_rules_say_so(paths: list[str]) -> None:
    try:
        encoded = encode_paths(Op.READ, paths, 0, 1)
    except (InvalidRequest, TooBig):
        assert not all(map(is_legal, paths))
    else:
        assert all(map(is_legal, paths))
        assert bytes(encoded.data) == b"".join(model(Request(Op.READ, path), 0, 1 + i) for i, path in enumerate(paths))


@given(st.binary(max_size=300))
def test_random_bytes_are_decoded_or_reported(untrusted: bytes) -> None:
    decoded = Decoder().decode(untrusted)
    assert decoded.used <= len(untrusted)
    for kind, reply_id, start, end in decoded.messages():
        header = struct.unpack_from("=4I", untrusted, start - 16)
        assert (header[0], header[1], header[3]) == (kind, reply_id, end - start)
    rest = untrusted[decoded.used :]
    if len(rest) >= 16:
        length = struct.unpack_from("=4I", rest)[3]
        assert decoded.bad_length == (length if length > REPLY_MAX else 0)
        assert len(rest) < 16 + length


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_random_bytes_never_break_the_protocol(chunks: list[bytes]) -> None:
    protocol = XenstoreProtocol()
    protocol.submit(protocol.call_paths(Op.READ, ["/a", "/b"]))
    protocol.outgoing()
    for chunk in chunks:
        for event in protocol.receive(chunk):
            if isinstance(event, ProtocolViolation):
                protocol.connection_lost()
                return


def answer(message: bytes, fail: bool) -> tuple[bytes, bytes | int]:
    """A daemon's reply, and what is to come of it."""
    kind, request_id, _, length = struct.unpack_from("=4I", message)
    if fail:
        return struct.pack("=4I", Op.ERROR, request_id, 0, 7) + b"ENOENT\0", 2
    payload = message[16 : 16 + length][::-1]
    return struct.pack("=4I", kind, request_id, 0, len(payload)) + payload, payload


@settings(max_examples=200)
@given(st.data())
def test_every_call_ends_once_with_its_own_answers(data: st.DataObject) -> None:
    """Calls of random sizes; replies in random order, cut anywhere, some errors, watch events in
    between; some calls abandoned, sometimes the connection lost."""
    window = data.draw(st.integers(1, 40), "window")
    protocol = XenstoreProtocol(window)
    expected: dict[Call, list[bytes | int]] = {}
    ended: list[Call] = []
    abandoned: list[Call] = []
    held: list[bytes] = []
    wire = b""
    fired = seen = 0

    def transmit() -> None:
        sent = b"".join(protocol.outgoing())
        held.extend(sent[start - 16 : end] for _, _, start, end in Decoder().decode(sent).messages())
        assert protocol.in_flight <= window

    def deliver(chunk: bytes) -> None:
        nonlocal seen
        for event in protocol.receive(chunk):
            assert not isinstance(event, ProtocolViolation)
            if isinstance(event, WatchFired):
                assert (event.path, event.token) == ("/w", "t")
                seen += 1
            else:
                ended.append(event)

    for _ in range(data.draw(st.integers(1, 40), "steps")):
        step = data.draw(st.sampled_from(["call", "paths", "reply", "reply", "event", "drop", "lose"]))
        if step in ("call", "paths"):
            size = data.draw(st.integers(1, 25))
            requests = [Request(Op.WRITE, f"/{i}", b"v%d" % i) for i in range(size)]
            call = (
                protocol.call(requests)
                if step == "call"
                else protocol.call_paths(Op.READ, [f"/{i}" for i in range(size)])
            )
            expected[call] = [0] * size
            protocol.submit(call)
        elif step == "reply" and held:
            message = held.pop(data.draw(st.integers(0, len(held) - 1)))
            reply, outcome = answer(message, data.draw(st.booleans()))
            request_id = struct.unpack_from("=4I", message)[1]
            for call, outcomes in expected.items():
                if 0 <= request_id - call.first_id < len(outcomes):
                    outcomes[request_id - call.first_id] = outcome
            wire += reply
        elif step == "event":
            wire += struct.pack("=4I", Op.WATCH_EVENT, 0, 0, 5) + b"/w\0t\0"
            fired += 1
        elif step == "drop" and (alive := [c for c in expected if c not in ended + abandoned]):
            call = data.draw(st.sampled_from(alive))
            protocol.abandon(call)
            abandoned.append(call)
        elif step == "lose":
            sent, unsent = protocol.connection_lost()
            assert not unsent  # those of transactions only
            ended += sent
            assert all(call.sent for call in sent)
            held.clear()
            wire, seen = b"", fired
        if data.draw(st.booleans()):
            transmit()
        cut = data.draw(st.integers(0, len(wire)))
        deliver(wire[:cut])
        wire = wire[cut:]

    lost = [call for call in ended if call.answered < call.total]
    while protocol.unsent or protocol.in_flight or wire:
        transmit()
        for message in held:
            reply, outcome = answer(message, False)
            request_id = struct.unpack_from("=4I", message)[1]
            for call, outcomes in expected.items():
                if 0 <= request_id - call.first_id < len(outcomes):
                    outcomes[request_id - call.first_id] = outcome
            wire += reply
        held.clear()
        deliver(wire)
        wire = b""
    assert seen == fired
    assert len(ended) == len(set(map(id, ended)))
    for call, outcomes in expected.items():
        assert call in ended or call in abandoned
        if call in ended and call not in lost and call not in abandoned:
            results = call.outcome()
            assert [e.errno if isinstance(e, XenstoreError) else e for e in results] == outcomes
