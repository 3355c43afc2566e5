"""Calls of the Management API, to a pool master: XML-RPC over a unix socket or HTTP."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, cast
from urllib.parse import urlencode

from xenhost.agent.cli.failure import ExitCode, Failure

DEFAULT_SOCKET: Final = "/run/xenhost/xapi"
_PIECE: Final = 1 << 20
_ORIGINATOR: Final = "xenhost"
_EXITS: Final = {
    "HANDLE_INVALID": ExitCode.NOT_FOUND,
    "UUID_INVALID": ExitCode.NOT_FOUND,
    "SESSION_AUTHENTICATION_FAILED": ExitCode.UNREACHABLE,
    "RBAC_PERMISSION_DENIED": ExitCode.UNREACHABLE,
}
_HINTS: Final = {
    "HOST_HAS_RESIDENT_VMS": "shut its VMs down first",
    "HOST_IS_SLAVE": "this host is a member of a pool; ask its master",
    "NOT_IMPLEMENTED": "docs/reference/xenapi.md says what works",
}


class PoolApi:
    """A session with a pool master. On its unix socket the caller is root, and needs no password."""

    def __init__(self, place: str, user: str = "root", password: str = "") -> None:
        """`place`: a path, or `http://HOST:PORT`."""
        self._place: Final = place
        self._user: Final = user
        self._password: Final = password
        self._session = ""
        if place.startswith("http://"):
            self._proxy = xmlrpc.client.ServerProxy(place)
        else:
            self._proxy = xmlrpc.client.ServerProxy("http://localhost/", transport=_UnixTransport(place))

    def __call__(self, method: str, *params: Any) -> Any:
        """One call, however long it takes. Raises Failure; OSError and xmlrpc.client.Error if nobody answers."""
        return self._call(method, self._logged_in(), *params)

    def asked(self, method: str, *params: Any) -> Any:
        """The same, for one who cannot wait for a daemon to come up: Raises Failure."""
        try:
            return self(method, *params)
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise self._unreachable(error) from error

    def download(self, path: str) -> Iterator[bytes]:
        """What an HTTP handler sends. Raises Failure."""
        with self._answer("GET", path, {}) as answer:
            while piece := answer.read(_PIECE):
                yield piece

    def upload(self, path: str, content: bytes, **query: str) -> str:
        """Give an HTTP handler a file; what it says of it. Raises Failure."""
        with self._answer("PUT", path, query, content) as answer:
            return answer.read().decode(errors="replace").strip()

    def close(self) -> None:
        """Log out and hang up."""
        if self._session:
            with suppress(OSError, http.client.HTTPException, xmlrpc.client.Error, Failure):
                self._call("session.logout", self._session)
        self._proxy("close")()

    def _answer(
        self, verb: str, path: str, query: dict[str, str], content: bytes | None = None
    ) -> http.client.HTTPResponse:
        try:
            connection = _UnixConnection(self._place)
            connection.request(verb, f"{path}?{urlencode({**query, 'session_id': self._logged_in()})}", content)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise self._unreachable(error) from error
        if answer.status != http.client.OK:
            said = answer.read(_PIECE).decode(errors="replace").strip()
            raise Failure(said or f"{path}: {answer.status} {answer.reason}", ExitCode.FAILED)
        return answer

    def _logged_in(self) -> str:
        if not self._session:
            words = (self._user, self._password, "1.0", _ORIGINATOR)
            self._session = self._call("session.login_with_password", *words)
        return self._session

    def _call(self, method: str, *params: Any) -> Any:
        answer = cast("dict[str, Any]", getattr(self._proxy, method)(*params))
        if answer["Status"] == "Success":
            return answer["Value"]
        code, *details = answer["ErrorDescription"]
        text = f"{method}: {' '.join((code, *details))}"
        raise Failure(text, _EXITS.get(code, ExitCode.FAILED), _HINTS.get(code, ""), code)

    def _unreachable(self, error: Exception) -> Failure:
        text = f"no pool master answers at {self._place}: {error}"
        hint = "`xenhost pool create` makes this host a pool of one; journalctl -u xenpoold says more"
        return Failure(text, ExitCode.UNREACHABLE, hint)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path: Final = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.sock.close()
            raise


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._path: Final = path

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        if self._connection is None or self._connection[1] is None:
            self._connection = "localhost", _UnixConnection(self._path)
        connection = self._connection[1]
        assert connection is not None
        return connection
