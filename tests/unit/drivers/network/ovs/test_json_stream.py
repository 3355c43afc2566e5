"""JSON-RPC out of a stream."""

import json

import pytest

from xenhost.drivers.network.ovs.json_stream import JsonStream


def test_objects_come_out_however_the_bytes_come_in() -> None:
    objects = [{"a": '}{\\"', "b": {"c": ["{", "ü"]}}, {}, {"id": 1, "t": "\\"}]
    data = b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\n " for each in objects)
    for size in (1, 2, 3, 7, len(data)):
        stream = JsonStream()
        pieces = (data[at : at + size] for at in range(0, len(data), size))
        assert [json.loads(each) for piece in pieces for each in stream.feed(piece)] == objects


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(ValueError, match="no JSON object"):
        JsonStream().feed(b"[1]")


def test_a_message_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 100 bytes"):
        JsonStream(largest=100).feed(b'{"a":"' + b"x" * 100)
