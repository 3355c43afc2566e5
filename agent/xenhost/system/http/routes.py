"""Which handler answers which method and path."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from xenhost.system.http.connection import Handler
from xenhost.system.http.message import HttpError, Request, Response

GET: Final = "GET"
POST: Final = "POST"
PUT: Final = "PUT"
CONNECT: Final = "CONNECT"
OPTIONS: Final = "OPTIONS"


class Routes:
    """Handlers by method and beginning of the path; the longest wins, as in xapi (http_svr.ml)."""

    def __init__(self, handlers: Mapping[tuple[str, str], Handler]) -> None:
        self._by_method: dict[str, list[tuple[str, Handler]]] = {}
        for (method, prefix), handler in handlers.items():
            self._by_method.setdefault(method, []).append((prefix, handler))
        for found in self._by_method.values():
            found.sort(key=lambda pair: len(pair[0]), reverse=True)

    def find(self, method: str, path: str) -> Handler | None:
        """The handler; None if there is none. HEAD is answered by those of GET."""
        method = GET if method == "HEAD" else method
        return next((handler for prefix, handler in self._by_method.get(method, ()) if path.startswith(prefix)), None)

    async def __call__(self, request: Request) -> Response:
        """Answer it. Raises HttpError 404, or 405 with what is allowed, if there is no handler."""
        handler = self.find(request.method, request.path)
        if handler is not None:
            return await handler(request)
        allowed = [method for method in self._by_method if self.find(method, request.path)]
        if allowed:
            raise HttpError(HTTPStatus.METHOD_NOT_ALLOWED, "", ("Allow", ", ".join(sorted(allowed))))
        raise HttpError(HTTPStatus.NOT_FOUND)
