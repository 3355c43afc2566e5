"""Whatever a switch sends, it is a message, not yet one, or refused."""

import contextlib
import struct

from hypothesis import given
from hypothesis import strategies as st

from xenhost.drivers.network.ovs.openflow import OpenFlowStream, ProtocolViolation, parse_error

MESSAGE = st.builds(
    lambda version, kind, length, body: struct.pack("!BBHI", version, kind, length, 7) + body,
    st.sampled_from([5, 5, 5, 1]),
    st.integers(0, 40),
    st.integers(0, 40),
    st.binary(max_size=40),
)


@given(st.lists(MESSAGE | st.binary(max_size=20), max_size=6))
def test_a_stream_of_anything(pieces: list[bytes]) -> None:
    stream, taken = OpenFlowStream(), 0
    with contextlib.suppress(ProtocolViolation):
        for piece in pieces:
            for message in stream.feed(piece):
                taken += 8 + len(message.body)
    assert taken <= sum(map(len, pieces))


@given(st.binary(max_size=10))
def test_errors_of_anything(body: bytes) -> None:
    with contextlib.suppress(ProtocolViolation):
        assert "error" in parse_error(body)
