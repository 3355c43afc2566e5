"""Whatever an NBD server sends, the client's protocol answers, waits or refuses; it never fails in another way."""

import contextlib
import struct

from hypothesis import given
from hypothesis import strategies as st

from xenhost.sm.datapath.nbd_proto import AnswerReader, Handshake, NbdProtocolError

GREETING = b"NBDMAGICIHAVEOPT\0\3"
OPTION = st.builds(
    lambda option, kind, data: struct.pack(">QIII", 0x3E889045565A9, option, kind, len(data)) + data,
    st.sampled_from([7, 8, 10]),
    st.sampled_from([1, 2, 3, 4, 0x80000001]),
    st.binary(max_size=40),
)
CHUNK = st.builds(
    lambda flags, kind, handle, data: struct.pack(">IHHQI", 0x668E33EF, flags, kind, handle, len(data)) + data,
    st.integers(0, 1),
    st.sampled_from([0, 1, 2, 5, 0x8001, 0x8002, 9]),
    st.integers(1, 3),
    st.binary(max_size=40),
)


@given(st.lists(OPTION | st.binary(max_size=30), max_size=8), st.booleans())
def test_a_handshake_with_anything(pieces: list[bytes], structured: bool) -> None:
    handshake = Handshake("vdi", ["base:allocation"] if structured else [], structured)
    with contextlib.suppress(NbdProtocolError):
        for piece in [GREETING, *pieces]:
            handshake.feed(piece)


@given(st.lists(CHUNK | st.binary(max_size=30), max_size=8))
def test_answers_of_anything(pieces: list[bytes]) -> None:
    reader = AnswerReader()
    for handle in (1, 2, 3):
        reader.expect(handle, 0, 16)
    with contextlib.suppress(NbdProtocolError):
        for piece in pieces:
            for answer in reader.feed(piece):
                assert answer.handle in (1, 2, 3)
