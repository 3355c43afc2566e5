"""Whatever a broken or hostile emulator sends, the reader answers with messages or one clear error."""

import contextlib
import json

from hypothesis import given
from hypothesis import strategies as st

from xenhost.system.qmp_proto import QmpProtocolError, QmpReader

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["QMP", "return", "error", "event", "id"]), inner),
)


@given(st.lists(st.binary() | st.text().map(str.encode)))
def test_any_bytes(pieces: list[bytes]) -> None:
    reader = QmpReader()
    with contextlib.suppress(QmpProtocolError):
        for piece in pieces:
            reader.feed(piece)


@given(JSON)
def test_any_json(value: object) -> None:
    with contextlib.suppress(QmpProtocolError):
        QmpReader().feed(json.dumps(value).encode() + b"\n")
