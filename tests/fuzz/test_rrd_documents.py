"""Whatever bytes somebody sends as a database: a document, or BadDocument; and the store takes every document."""

import contextlib
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from unit.rrd.store_kit import HOST_UUID, MIDDLE, VM
from unit.rrd.test_documents import XENSERVERS
from xenhost.rrd import document_json, document_xml
from xenhost.rrd.document import BadDocument
from xenhost.rrd.store import Store

NUMBERS = st.sampled_from(
    ["0", "1", "-1", "12", "1e9", "1e300", "-1e300", "NaN", "Infinity", "-Infinity", "0.5", "x", ""]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(XENSERVERS) - 1), st.binary(max_size=6), st.integers(0, 12)), max_size=6))
def test_damaged_xml_is_refused_or_read(changes: list[tuple[int, bytes, int]]) -> None:
    data = XENSERVERS
    for at, put, cut in changes:
        data = data[:at] + put + data[at + cut :]
    take(data)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 200), NUMBERS), max_size=6))
def test_xml_with_other_numbers_is_refused_or_read(changes: list[tuple[int, str]]) -> None:
    parts = XENSERVERS.decode().split("</")
    for at, number in changes:
        head, sign, _ = parts[at % len(parts)].rpartition(">")
        parts[at % len(parts)] = f"{head}{sign}{number}"
    take("</".join(parts).encode())


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=5), NUMBERS),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(["ds", "rra", "step", "lastupdate", "name", "type", "database", "params", "xff"]), inner
            ),
        ),
        max_leaves=12,
    )
)
def test_any_json_is_refused_or_read(fields: object) -> None:
    with contextlib.suppress(BadDocument):
        document_json.from_json(json.dumps(fields).encode())


def take(data: bytes) -> None:
    with contextlib.suppress(BadDocument):
        document = document_xml.from_xml(data)
        store = Store(HOST_UUID, MIDDLE)
        store.load(VM, document)
        store.tick(MIDDLE + 5, [])
        assert document_xml.from_xml(b"".join(document_xml.as_xml(store.document(VM)))).sources is not None
