"""Why a call to the master failed, in words that say what to look at."""

from collections.abc import Sequence
from typing import Final

import grpc

HINTS: Final[Sequence[tuple[str, str]]] = (
    ("CERTIFICATE_VERIFY_FAILED", "the master's certificate is not signed by our [master] ca, or has expired"),
    ("UNKNOWN_CA", "the master does not accept the CA of our certificate"),
    ("unknown ca", "the master does not accept the CA of our certificate"),
    ("Hostname Verification", "the master's certificate is for another name; set [master] server_name"),
    ("Peer name", "the master's certificate is for another name; set [master] server_name"),
    ("Connection refused", "nothing listens there"),
    ("No such file", "nothing listens there"),
    ("No route to host", "the network does not reach it"),
    ("DNS resolution failed", "the name of the master cannot be resolved"),
    ("WRONG_VERSION_NUMBER", "what listens there does not speak TLS"),
    ("Ssl handshake failed", "the master refused the TLS handshake: check our certificate and key"),
    ("Socket closed", "the master closed the connection: it has stopped, or does not accept our certificate"),
)


def why(error: grpc.aio.AioRpcError) -> str:
    """One line for the log."""
    details = error.details() or ""
    match error.code():
        case grpc.StatusCode.UNAUTHENTICATED:
            return f"the master wants a certificate of the pool: {details}"
        case grpc.StatusCode.PERMISSION_DENIED:
            return f"the master does not count this host as a member of the pool: {details}"
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return "the master did not answer in time"
        case grpc.StatusCode.UNIMPLEMENTED:
            return "what listens there is not a pool master"
    hint = next((hint for mark, hint in HINTS if mark in details), "")
    return f"{hint}: {details}" if hint else f"{error.code().name}: {details}"
