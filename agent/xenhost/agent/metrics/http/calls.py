"""The sockets on which plugins announce themselves: POST / with XML-RPC."""

import asyncio
from typing import Final

from xenhost.agent.metrics.registration import Registration
from xenhost.system.http.message import Request, Response
from xenhost.system.http.routes import POST, Routes

MAX_CALL: Final = 64 << 10


def registration_routes(registration: Registration) -> Routes:
    """Any path: clients differ."""

    async def call(request: Request) -> Response:
        body = await request.body.read(MAX_CALL)
        answer = await asyncio.to_thread(registration.answer, body)
        return Response(headers=(("Content-Type", "text/xml"),), body=answer)

    return Routes({(POST, "/"): call})
