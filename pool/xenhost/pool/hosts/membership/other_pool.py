"""The master of another pool, over its Management API: JSON-RPC on HTTPS. Its answers are bounded, and checked."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from xenhost.pool.call import ApiError
from xenhost.pool.hosts.membership.address import MasterAddress
from xenhost.pool.hosts.web_request import ask

SECONDS: Final = 60.0
"""For one call; a login that has to wait for its turn takes long."""
MAX_ANSWER: Final = 4 << 20
_MAX_TEXT: Final = 1000
_VERSION: Final = "1.0"
_ORIGINATOR: Final = "xenpoold"


class OtherPool:
    """Made by `logged_in`."""

    def __init__(self, address: MasterAddress, tls: ssl.SSLContext) -> None:
        self._address: Final = address
        self._tls: Final = tls
        self._session = ""

    async def log_in(self, user: str, password: str) -> None:
        """Raises ApiError."""
        self._session = str(await self._called("session.login_with_password", user, password, _VERSION, _ORIGINATOR))

    async def call(self, method: str, *params: str) -> Any:
        """Within the session. Raises ApiError: what the other master says, JOINING_HOST_…_FAILED, SSL_VERIFY_ERROR."""
        return await self._called(method, self._session, *params)

    async def admit(self, told: Mapping[str, Any]) -> Any:
        """Ask it to let a host in; what it answers. Raises ApiError."""
        path = f"/pool/member?session_id={quote(self._session)}"
        return _result(await self._ask("PUT", path, told))

    async def _called(self, method: str, *params: str) -> Any:
        call = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
        return _result(await self._ask("POST", "/jsonrpc", call))

    async def _ask(self, method: str, path: str, told: Mapping[str, Any]) -> Mapping[str, Any]:
        head = f"{method} {path} HTTP/1.0"
        where = (self._address.host, self._address.port)
        try:
            async with asyncio.timeout(SECONDS):
                status, untrusted = await ask(*where, head, json.dumps(told).encode(), self._tls, MAX_ANSWER)
        except ssl.SSLCertVerificationError as error:
            raise ApiError("SSL_VERIFY_ERROR", error.verify_message) from error
        except (OSError, TimeoutError) as error:
            raise ApiError("JOINING_HOST_CONNECTION_FAILED") from error
        try:
            found = json.loads(untrusted)
        except (ValueError, RecursionError) as error:
            raise ApiError("JOINING_HOST_SERVICE_FAILED") from error
        if status != HTTPStatus.OK or not isinstance(found, dict):
            raise ApiError("JOINING_HOST_SERVICE_FAILED")
        return found


@asynccontextmanager
async def logged_in(address: MasterAddress, tls: ssl.SSLContext, user: str, password: str) -> AsyncIterator[OtherPool]:
    """A session, which ends with the context. Raises ApiError."""
    other = OtherPool(address, tls)
    await other.log_in(user, password)
    try:
        yield other
    finally:
        with suppress(ApiError):  # it ends by itself when it is idle
            await other.call("session.logout")


def _result(found: Mapping[str, Any]) -> Any:
    """Raises ApiError."""
    error = found.get("error")
    if error is None:
        return found.get("result")
    data = error.get("data", []) if isinstance(error, dict) else None
    if not isinstance(data, list):
        raise ApiError("JOINING_HOST_SERVICE_FAILED")
    raise ApiError(*(str(each)[:_MAX_TEXT] for each in (error.get("message"), *data)))
