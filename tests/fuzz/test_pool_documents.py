"""Whatever a hostile client sends, the readers of the API's documents answer with values or one clear error."""

import contextlib
import json
import xmlrpc.client
from collections.abc import Sequence
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from xenhost.pool.call import Value
from xenhost.pool.wire import jsonrpc
from xenhost.pool.wire import xmlrpc as writer
from xenhost.pool.wire.bounds import WireError
from xenhost.pool.wire.jsonrpc import Call, Malformed
from xenhost.pool.wire.xmlrpc_reader import parse_call

WORDS = [
    *("methodCall", "methodName", "params", "param", "value", "struct", "member", "name", "array", "data"),
    *("string", "int", "i4", "i8", "boolean", "double", "nil", "dateTime.iso8601", "base64"),
]
PIECES = st.lists(
    st.sampled_from(
        [*(f"<{word}>" for word in WORDS), *(f"</{word}>" for word in WORDS), "<nil/>", "<struct/>", "&lt;"]
    )
    | st.text(max_size=5)
)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r"))
VALUES: st.SearchStrategy[Value] = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)


def nested(tree: object) -> str:
    """Elements that at least close."""
    if isinstance(tree, str):
        return tree
    assert isinstance(tree, tuple)
    word, children = tree
    return f"<{word}>{''.join(nested(child) for child in children)}</{word}>"


TREES = st.recursive(
    st.text(st.characters(exclude_characters="<&"), max_size=5),
    lambda inner: st.tuples(st.sampled_from(WORDS), st.lists(inner, max_size=4)),
)


@given(st.binary() | PIECES.map("".join).map(lambda text: text.encode(errors="replace")))
def test_any_bytes_are_no_call_or_one(untrusted: bytes) -> None:
    with contextlib.suppress(WireError):
        parse_call(untrusted)


@given(st.lists(TREES, max_size=4))
def test_any_tree_of_the_right_words_is_no_call_or_one(trees: list[object]) -> None:
    inner = "".join(nested(tree) for tree in trees)
    with contextlib.suppress(WireError):
        parse_call(f"<methodCall>{inner}</methodCall>".encode(errors="replace"))
    with contextlib.suppress(WireError):
        parse_call(f"<methodCall><methodName>a</methodName>{inner}</methodCall>".encode(errors="replace"))


@given(st.lists(VALUES, max_size=5))
def test_what_pythons_client_writes_is_read_as_it_was(values: list[Value]) -> None:
    sent = [_without_times_and_large(value) for value in values]
    try:
        document = xmlrpc.client.dumps(tuple(sent), "a.b").encode(errors="replace")  # type: ignore[arg-type] # values
        xmlrpc.client.loads(document)
    except Exception:  # noqa: BLE001 - characters that no XML can hold
        return
    assert list(parse_call(document).params) == sent


@given(VALUES)
def test_what_is_written_is_xml_that_a_client_can_read(value: Value) -> None:
    document = "".join(writer.format_success(value)).encode()
    ((answer,), _) = xmlrpc.client.loads(document)
    assert answer["Status"] == "Success"  # type: ignore[index,call-overload] # a struct
    if isinstance(value, str) and value.isprintable():
        assert answer["Value"] == value  # type: ignore[index,call-overload] # a struct


@given(st.binary() | VALUES.map(lambda value: json.dumps(value, default=str).encode(errors="replace")))
def test_any_json_is_a_request_or_malformed(untrusted: bytes) -> None:
    parsed = jsonrpc.parse(untrusted)
    for each in parsed if isinstance(parsed, Sequence) else [parsed]:
        assert isinstance(each, Call | Malformed)
        if isinstance(each, Malformed):
            json.loads(jsonrpc.format_malformed(each))
        else:
            json.loads(jsonrpc.format_failure(each, ["A", "b"]))


@given(VALUES)
def test_what_is_written_is_json(value: Value) -> None:
    answer = json.loads("".join(jsonrpc.format_success(Call("m", (), 1, True), value)))
    assert answer["result"] == json.loads(json.dumps(value, default=lambda each: writer.format_time(each)))


def _without_times_and_large(value: Value) -> Value:
    match value:
        case datetime():
            return writer.format_time(value)
        case int() if not isinstance(value, bool):
            return max(-(2**31), min(value, 2**31 - 1))
        case list():
            return [_without_times_and_large(each) for each in value]
        case dict():
            return {name: _without_times_and_large(each) for name, each in value.items()}
    return value
