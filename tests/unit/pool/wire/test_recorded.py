"""Requests recorded from the sockets of real clients (tests/wire/api): the XenAPI module 26.21, npm xen-api 4.7."""

import json
from pathlib import Path
from typing import Any

import pytest

from kit.http import exchange
from kit.pool_wire import echo, wire
from xenhost.pool.wire import jsonrpc
from xenhost.pool.wire.jsonrpc import Call as JsonCall
from xenhost.pool.wire.xmlrpc_reader import parse_call

RECORDED = [
    json.loads(line) for line in (Path(__file__).parents[3] / "wire/api/requests.jsonl").read_text().splitlines()
]
IDS = [f"{each['client']}: {each['method']}" for each in RECORDED]


@pytest.mark.parametrize("recorded", RECORDED, ids=IDS)
def test_the_document_says_what_the_client_meant(recorded: Any) -> None:
    head, _, body = recorded["request"].partition("\r\n\r\n")
    if head.startswith("POST /jsonrpc "):
        parsed = jsonrpc.parse(body.encode())
        assert isinstance(parsed, JsonCall)
        assert parsed.two
        assert (parsed.method, list(parsed.params)) == (recorded["method"], recorded["params"])
    else:
        call = parse_call(body.encode())
        assert (call.method, list(call.params)) == (recorded["method"], recorded["params"])


@pytest.mark.parametrize("recorded", RECORDED, ids=IDS)
async def test_the_request_is_answered_in_its_own_format(recorded: Any, tmp_path: Path) -> None:
    async with wire(tmp_path) as at:
        at.methods.register("network.create", echo())
        request = recorded["request"].replace("onnection: keep-alive", "onnection: close").encode()
        if b"onnection: close" not in request:
            request = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
        head, _, body = (await exchange(at.http, request)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        if request.startswith(b"POST /jsonrpc "):
            assert b"\r\nContent-Type: application/json\r\n" in head
            assert json.loads(body)["jsonrpc"] == "2.0"
        else:
            assert b"\r\nContent-Type: text/xml\r\n" in head
            assert body.startswith(b'<?xml version="1.0"?><methodResponse><params><param><value>')
