"""JSON-RPC over HTTP."""

import asyncio
from collections.abc import Iterator, Sequence

from xenhost.pool.call import ApiError
from xenhost.pool.wire import jsonrpc
from xenhost.pool.wire.answering import JSON, answer, document
from xenhost.pool.wire.bounds import INLINE_BYTES, MAX_BATCH_ANSWERS, MAX_BYTES
from xenhost.pool.wire.caller import caller_of
from xenhost.pool.wire.endpoint import Endpoint
from xenhost.pool.wire.introspection import Introspection, Written, is_list
from xenhost.pool.wire.jsonrpc import Call, Malformed
from xenhost.system.http.message import Request, Response


class JsonRpc:
    """The handler of `/jsonrpc` and `/json`."""

    def __init__(self, endpoint: Endpoint, introspection: Introspection) -> None:
        self._endpoint = endpoint
        self._introspection = introspection
        self._listed = Written(jsonrpc.pieces)

    async def __call__(self, request: Request) -> Response:
        """Answer a request or a batch, whose requests are answered one after another."""
        untrusted = await request.body.read(MAX_BYTES)
        long = len(untrusted) > INLINE_BYTES
        parsed = await asyncio.to_thread(jsonrpc.parse, untrusted) if long else jsonrpc.parse(untrusted)
        if isinstance(parsed, Call | Malformed):
            body = await self._one(request, parsed)
        else:
            body = await self._batch(request, parsed)
        return answer(JSON, body)

    async def _batch(self, request: Request, calls: Sequence[Call | Malformed]) -> bytes:
        """The answers, until they are too many bytes: who wants more asks again."""
        answers: list[bytes] = []
        size = 0
        for each in calls:
            refused = isinstance(each, Call) and _refused(each, size)
            found = await self._one(request, refused or each)
            if found:
                answers.append(found)
                size += len(found)
        return b"[" + b",".join(answers) + b"]" if answers else b""

    async def _one(self, request: Request, call: Call | Malformed) -> bytes:
        """The document of an answer; none to a notification."""
        if isinstance(call, Malformed):
            return jsonrpc.format_malformed(call).encode(errors="replace")
        pieces = await self._pieces(request, call)
        return b"" if call.notification else await document(pieces)

    async def _pieces(self, request: Request, call: Call) -> Iterator[str]:
        found = self._introspection.answer(call.method, call.params)
        if found is not None and is_list(call.method):
            return jsonrpc.format_written(call, (self._listed.of(found),))
        if found is not None:
            return jsonrpc.format_success(call, found)
        try:
            caller = caller_of(request)
            value = await self._endpoint.call(caller, request.connection, call.method, call.params)
        except ApiError as error:
            return iter((jsonrpc.format_failure(call, error.as_xenapi()),))
        return jsonrpc.format_success(call, value)


def _refused(call: Call, size: int) -> Malformed | None:
    """Why a request of a batch is not answered, after answers of so many bytes."""
    text = ""
    if call.method.startswith("system."):
        text = "the methods of class system are in no batch"
    elif size > MAX_BATCH_ANSWERS:
        text = f"the answers of this batch have more than {MAX_BATCH_ANSWERS >> 20} MiB"
    return Malformed(jsonrpc.INVALID_REQUEST, text, call.two, call.id) if text else None
