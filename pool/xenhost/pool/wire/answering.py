"""HTTP answers of the API: documents that are written piece by piece, so that nobody waits for a long one."""

import asyncio
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from xenhost.system.http.message import Request, Response

XML: Final = "text/xml"
JSON: Final = "application/json"
"""Exactly so: xen-api compares them with `!==`."""
CROSS_ORIGIN: Final = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Headers", "X-Requested-With, Content-Type"),
)
"""Sessions are in documents, never in cookies, so a page of any origin may ask."""
_PIECES: Final = 200
"""Written without giving others their turn: a few milliseconds."""


async def document(pieces: Iterator[str]) -> bytes:
    """The pieces as one."""
    written: list[bytes] = []
    some: list[str] = []
    for piece in pieces:
        some.append(piece)
        if len(some) >= _PIECES:
            written.append("".join(some).encode(errors="replace"))
            some.clear()
            await asyncio.sleep(0)
    written.append("".join(some).encode(errors="replace"))
    return b"".join(written)


def answer(content_type: str, body: bytes) -> Response:
    """A document."""
    return Response(HTTPStatus.OK, (("Content-Type", content_type), *CROSS_ORIGIN), body)


async def options(request: Request) -> Response:
    """What a browser asks before it sends a document to another origin."""
    methods = ("Access-Control-Allow-Methods", "OPTIONS, POST")
    return Response(HTTPStatus.OK, (("Allow", "OPTIONS, POST"), methods, *CROSS_ORIGIN))
