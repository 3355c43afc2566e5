import xmlrpc.client
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenhost.system import xml_tree as tree
from xenhost.system import xmlrpc as codec
from xenhost.system.xml_tree import CodecError
from xenhost.system.xmlrpc import Call, DateTime, Fault

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))
SCALARS = st.one_of(TEXT, st.integers(-(2**31), 2**31 - 1), st.booleans(), st.none(), st.floats(allow_nan=False))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)


@given(VALUES)
def test_pythons_own_library_reads_what_we_write(value: Any) -> None:
    (read,), _ = xmlrpc.client.loads(codec.dump_response(value))
    assert read == value


@given(VALUES)
def test_we_read_what_pythons_own_library_writes(value: Any) -> None:
    assert codec.load_response(xmlrpc.client.dumps((value,), methodresponse=True, allow_none=True)) == value


def test_a_call_is_read_with_its_parameters() -> None:
    document = xmlrpc.client.dumps(("session", {"a": ["b"]}, xmlrpc.client.DateTime("20260101T00:00:00Z")), "VDI.get")
    assert codec.load_call(document) == Call("VDI.get", ("session", {"a": ["b"]}, DateTime("20260101T00:00:00Z")))


def test_a_fault_is_read_as_one() -> None:
    document = xmlrpc.client.dumps(xmlrpc.client.Fault(46, "gone"), methodresponse=True)
    assert codec.load_response(document) == Fault(46, "gone")


def test_a_value_without_a_type_is_a_text() -> None:
    document = "<methodResponse><params><param><value> as it is </value></param></params></methodResponse>"
    assert codec.load_response(document) == " as it is "


@pytest.mark.parametrize(
    "document",
    [
        "",
        "hello",
        "<methodResponse/>",
        "<methodResponse><params></params></methodResponse>",
        "<methodResponse><fault><value><string>no</string></value></fault></methodResponse>",
        "<methodResponse><params><param><value><int>one</int></value></param></params></methodResponse>",
        "<methodResponse><params><param><value><boolean>2</boolean></value></param></params></methodResponse>",
        "<methodResponse><params><param><value><set/></value></param></params></methodResponse>",
        "<methodCall><methodName>x</methodName></methodCall>",
        "warning: something\n<methodResponse><params><param><value/></param></params></methodResponse>",
        "<?xml version='1.0' encoding='no-such'?><methodResponse/>",
    ],
)
def test_what_is_no_response_is_refused(document: str) -> None:
    with pytest.raises(CodecError):
        codec.load_response(document)


def test_entities_are_refused() -> None:
    entities = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
    bomb = f"{entities}<methodResponse><params><param><value>&b;</value></param></params></methodResponse>"
    with pytest.raises(CodecError, match="document type"):
        codec.load_response(bomb)


def test_depth_and_number_of_elements_are_bounded() -> None:
    deep = "<a>" * (tree.MAX_DEPTH + 1)
    with pytest.raises(CodecError, match="too deep"):
        tree.parse(deep)
    with pytest.raises(CodecError, match="too many"):
        tree.parse("<a>" + "<b/>" * tree.MAX_ELEMENTS + "</a>")
    with pytest.raises(CodecError, match="longer"):
        tree.parse(b" " * (tree.MAX_DOCUMENT + 1))


def test_what_xml_cannot_hold_is_not_written() -> None:
    for text in ("a\0b", "\x01", "\ud800"):
        with pytest.raises(CodecError):
            codec.dump(text)
        with pytest.raises(CodecError):
            codec.dump({text: ""})
