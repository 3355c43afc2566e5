"""What a browser sees, and the paths of the API."""

from collections.abc import Mapping
from html import escape
from http import HTTPStatus
from typing import Final

from xenhost.pool.wire.answering import options
from xenhost.system.http.connection import Handler
from xenhost.system.http.message import HttpError, Request, Response

_SAFE: Final = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>xenhost</title>
<style>body {{ font: 1rem/1.5 sans-serif; margin: 10vh auto; max-width: 36rem; padding: 0 1rem }}</style></head>
<body><h1>xenhost</h1>
<p>This is a pool master, version {version}. It speaks the XenServer Management API:
XML-RPC at <code>/</code>, JSON-RPC at <code>/jsonrpc</code>.</p>
<p>Clients: the Python module <code>XenAPI</code>, npm <code>xen-api</code>, Xen Orchestra, <code>xe</code>,
Ansible's <code>xenserver_guest</code>.</p></body></html>
"""


class Landing:
    """The page at `/`, and at no other path."""

    def __init__(self, version: str) -> None:
        self._page = _PAGE.format(version=escape(version)).encode()

    async def __call__(self, request: Request) -> Response:
        """The page. Raises HttpError 404 elsewhere."""
        if request.path not in ("/", "/index.html"):
            raise HttpError(HTTPStatus.NOT_FOUND)
        return Response(HTTPStatus.OK, _SAFE, self._page)


def api_routes(xml: Handler, json: Handler, landing: Handler) -> Mapping[tuple[str, str], Handler]:
    """Any POST that nothing else is at is XML-RPC, as with xapi."""
    return {
        ("POST", "/"): xml,
        ("POST", "/json"): json,  # and /jsonrpc
        ("OPTIONS", "/"): options,
        ("GET", "/"): landing,
    }
