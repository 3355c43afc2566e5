"""XML-RPC over HTTP."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from xenhost.pool.call import ApiError, Value
from xenhost.pool.wire import xmlrpc
from xenhost.pool.wire.answering import XML, answer, document
from xenhost.pool.wire.bounds import INLINE_BYTES, MAX_BYTES, WireError
from xenhost.pool.wire.caller import caller_of
from xenhost.pool.wire.endpoint import Endpoint
from xenhost.pool.wire.introspection import Introspection, Written, is_list
from xenhost.pool.wire.xmlrpc_reader import Call, parse_call
from xenhost.system.http.message import Request, Response

PARSE_ERROR: Final = -32700


class XmlRpc:
    """The handler of `/`, `/RPC2`, `/xmlrpc` and every other path that nothing else is at."""

    def __init__(self, endpoint: Endpoint, introspection: Introspection) -> None:
        self._endpoint = endpoint
        self._introspection = introspection
        self._listed = Written(xmlrpc.format_response)

    async def __call__(self, request: Request) -> Response:
        """Answer a methodCall. What is none gets a fault, never a failure of the API."""
        untrusted = await request.body.read(MAX_BYTES)
        try:
            long = len(untrusted) > INLINE_BYTES
            call = await asyncio.to_thread(parse_call, untrusted) if long else parse_call(untrusted)
        except WireError as error:
            return answer(XML, xmlrpc.format_fault(PARSE_ERROR, str(error)).encode(errors="replace"))
        return answer(XML, await document(await self._pieces(request, call)))

    async def _pieces(self, request: Request, call: Call) -> Iterator[str]:
        found = self._introspection.answer(call.method, call.params)
        if found is not None and is_list(call.method):
            return iter((self._listed.of(found),))
        if found is not None:
            return xmlrpc.format_response(found)  # these alone are not wrapped
        try:
            return xmlrpc.format_success(await self._value(request, call.method, call.params))
        except ApiError as error:
            return iter((xmlrpc.format_failure(error.as_xenapi()),))

    async def _value(self, request: Request, method: str, params: Sequence[Value]) -> Value:
        return await self._endpoint.call(caller_of(request), request.connection, method, params)
