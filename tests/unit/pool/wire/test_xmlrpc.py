import xmlrpc.client
from datetime import UTC, datetime
from typing import Any

import pytest

from xenhost.pool.call import FrozenMap, Ref, Value
from xenhost.pool.database.record import Record
from xenhost.pool.wire import jsonrpc
from xenhost.pool.wire import xmlrpc as module
from xenhost.pool.wire.bounds import MAX_DEPTH, MAX_PARAMS, MAX_VALUES, WireError
from xenhost.pool.wire.xmlrpc_reader import Call, parse_call


def call(inner: str, method: str = "VM.start") -> bytes:
    return f"<?xml version='1.0'?><methodCall><methodName>{method}</methodName>{inner}</methodCall>".encode()


def loaded(document: str) -> Any:
    ((answer,), _) = xmlrpc.client.loads(document, use_builtin_types=True)
    return answer


def one(value: str) -> object:
    return parse_call(call(f"<params><param><value>{value}</value></param></params>")).params[0]


def test_integers_and_text_are_bare_and_everything_else_has_its_type() -> None:
    value: Value = [1, -(2**63), "a<b>&\r", True, 0.5, datetime(2026, 11, 22, 2, tzinfo=UTC), None, {}, [], ("x",)]
    assert module.format_value(value) == (
        "<value><array><data><value>1</value><value>-9223372036854775808</value><value>a&lt;b&gt;&amp;&#13;</value>"
        "<value><boolean>1</boolean></value><value><double>0.5</double></value>"
        "<value><dateTime.iso8601>20261122T02:00:00Z</dateTime.iso8601></value><value></value>"
        "<value><struct/></value><value><array><data/></array></value>"
        "<value><array><data><value>x</value></data></array></value></data></array></value>"
    )


def test_pythons_client_reads_what_is_written() -> None:
    record = FrozenMap(
        {"name": "ü\n\U0001f600 <&>", "memory": 1 << 33, "on": False, "load": 0.25, "other": {"a b": ""}}
    )
    document = "".join(module.format_success([record] * 200))
    answer = loaded(document)
    assert answer["Status"] == "Success"
    assert (
        answer["Value"]
        == [{"name": "ü\n\U0001f600 <&>", "memory": str(1 << 33), "on": False, "load": 0.25, "other": {"a b": ""}}]
        * 200
    )


def test_a_failure_is_an_array_of_text_and_a_fault_a_fault() -> None:
    answer = loaded(module.format_failure(["HANDLE_INVALID", "VM", "<x>"]))
    assert answer == {"Status": "Failure", "ErrorDescription": ["HANDLE_INVALID", "VM", "<x>"]}
    with pytest.raises(xmlrpc.client.Fault, match="no <XML>"):
        xmlrpc.client.loads(module.format_fault(-32700, "no <XML>"))


def test_what_xml_cannot_hold_is_replaced() -> None:
    assert module.format_value("a\0b\x1bc\ud800d\uffff") == "<value>a\ufffdb\ufffdc\ufffdd\ufffd</value>"


def test_long_sets_of_references_and_of_anything_make_the_same_document() -> None:
    values: tuple[Value, ...] = ([f"OpaqueRef:{index}<" for index in range(500)], [*["a"] * 100, True, *["b"] * 100])
    for value in values:
        assert loaded("".join(module.format_response(value))) == value


def test_long_answers_come_in_pieces_that_make_the_same_document() -> None:
    value: Value = {"events": [{"id": index, "snapshot": {"name": str(index)}} for index in range(1000)], "token": "x"}
    pieces = list(module.pieces(value))
    assert len(pieces) > 1000
    assert "".join(pieces) == module.format_value(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("", ""),
        ("<string>a&amp;&#60;</string>", "a&<"),
        ("<string/>", ""),
        ("<int> 7 </int>", 7),
        ("<i8>-9</i8>", -9),
        ("<boolean>0</boolean>", False),
        ("<double>60.1</double>", 60.1),
        ("<nil/>", None),
        ("<ex:nil/>", None),
        ("<dateTime.iso8601>20261122T02:00:00Z</dateTime.iso8601>", "20261122T02:00:00Z"),
        ("<array><data> <value>1</value>\n<value><int>2</int></value></data></array>", ["1", 2]),
        ("<array><data/></array>", []),
        ("<struct/>", {}),
        ("\n<struct>\n<member>\n<name>a</name>\n<value>b</value></member></struct>", {"a": "b"}),
    ],
)
def test_values_are_read_in_all_the_forms_that_clients_write(text: str, value: object) -> None:
    found = one(text)
    assert found == value
    assert type(found) is type(value)


def test_params_may_be_missing() -> None:
    assert parse_call(call("")) == Call("VM.start", ())
    assert parse_call(call("<params/>")) == Call("VM.start", ())


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"nonsense",
        b"<methodCall/>",
        b"<methodResponse/>",
        b"<methodCall><params/></methodCall>",
        b"<methodCall><methodName>a</methodName><params/><params/></methodCall>",
        b"<methodCall><params/><methodName>a</methodName></methodCall>",
        b"<methodCall><methodName>a</methodName><methodName>b</methodName></methodCall>",
        call("<params><param/></params>"),
        call("<params><value>1</value></params>"),
        call("<params><param><value>1</value><value>2</value></param></params>"),
        call("<params><param><value><int>x</int></value></param></params>"),
        call("<params><param><value><int>1</int><int>1</int></value></param></params>"),
        call("<params><param><value><boolean>yes</boolean></value></param></params>"),
        call("<params><param><value><double>x</double></value></param></params>"),
        call("<params><param><value><base64>AA==</base64></value></param></params>"),
        call("<params><param><value><struct><member><name>a</name></member></struct></value></param></params>"),
        call("<params><param><value><struct><member><value>a</value></member></struct></value></param></params>"),
        call("<params><param><value><array/></value></param></params>"),
        call("<params><param><value><string><b/></string></value></param></params>"),
        call("", "a" * 1000),
        call("", ""),
        b"<?xml version='1.0' encoding='no-such'?><methodCall/>",
        call("<params>" + "<param><value>1</value></param>" * (MAX_PARAMS + 1) + "</params>"),
        call(
            f"<params><param><value><array><data>{'<value>1</value>' * MAX_VALUES}</data></array></value>"
            "</param></params>"
        ),
        call("<params><param>" + "<value><array><data>" * (MAX_DEPTH + 1)),
    ],
)
def test_what_is_no_call_or_too_large_is_refused(document: bytes) -> None:
    with pytest.raises(WireError):
        parse_call(document)


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;">]>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1/">%p;]>',
    ],
)
def test_entities_and_document_types_are_refused(doctype: str) -> None:
    document = f"<?xml version='1.0'?>{doctype}<methodCall><methodName>a</methodName></methodCall>"
    with pytest.raises(WireError, match="document type"):
        parse_call(document.encode())


def test_other_encodings_are_read_if_they_are_declared() -> None:
    text = "<?xml version='1.0' encoding='{}'?><methodCall><methodName>a</methodName><params><param><value>ü</value>"
    for encoding in ("iso-8859-1", "utf-16"):
        document = (text.format(encoding) + "</param></params></methodCall>").encode(encoding)
        assert parse_call(document).params == ("ü",)


def test_a_record_keeps_what_was_written_of_it_twice() -> None:
    record = Record("VM", Ref("OpaqueRef:1"), {"name_label": "a<b", "memory": 1}, FrozenMap())
    answers = ["".join(module.format_success({"OpaqueRef:1": record})) for _ in range(3)]
    assert len(set(answers)) == 1
    assert record.forms["xml"] in answers[0]
    documents = ["".join(jsonrpc.pieces({"OpaqueRef:1": record})) for _ in range(3)]
    assert set(documents) == {'{"OpaqueRef:1":{"name_label":"a<b","memory":1}}'}
    assert record.forms["json"] in documents[0]
