"""JSON-RPC over HTTP."""

import asyncio
from collections.abc import Iterator

from xenhost.pool.call import ApiError
from xenhost.pool.wire import jsonrpc
from xenhost.pool.wire.answering import JSON, answer, document
from xenhost.pool.wire.bounds import INLINE_BYTES, MAX_BYTES
from xenhost.pool.wire.caller import caller_of
from xenhost.pool.wire.endpoint import Endpoint
from xenhost.pool.wire.introspection import Introspection
from xenhost.pool.wire.jsonrpc import Call, Malformed
from xenhost.system.http.message import Request, Response


class JsonRpc:
    """The handler of `/jsonrpc` and `/json`."""

    def __init__(self, endpoint: Endpoint, introspection: Introspection) -> None:
        self._endpoint = endpoint
        self._introspection = introspection

    async def __call__(self, request: Request) -> Response:
        """Answer a request or a batch, whose requests are answered one after another."""
        untrusted = await request.body.read(MAX_BYTES)
        long = len(untrusted) > INLINE_BYTES
        parsed = await asyncio.to_thread(jsonrpc.parse, untrusted) if long else jsonrpc.parse(untrusted)
        if isinstance(parsed, Call | Malformed):
            body = await self._one(request, parsed)
        else:
            answers = [found for each in parsed if (found := await self._one(request, each))]
            body = b"[" + b",".join(answers) + b"]" if answers else b""
        return answer(JSON, body)

    async def _one(self, request: Request, call: Call | Malformed) -> bytes:
        """The document of an answer; none to a notification."""
        if isinstance(call, Malformed):
            return jsonrpc.format_malformed(call).encode(errors="replace")
        pieces = await self._pieces(request, call)
        return b"" if call.notification else await document(pieces)

    async def _pieces(self, request: Request, call: Call) -> Iterator[str]:
        found = self._introspection.answer(call.method, call.params)
        if found is not None:
            return jsonrpc.format_success(call, found)
        try:
            caller = caller_of(request)
            value = await self._endpoint.call(caller, request.connection, call.method, call.params)
        except ApiError as error:
            return iter((jsonrpc.format_failure(call, error.as_xenapi()),))
        return jsonrpc.format_success(call, value)
