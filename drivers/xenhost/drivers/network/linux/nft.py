"""nftables in this process: libnftables, which turns JSON into one kernel transaction.

A transaction is done as a whole or not at all. Everything blocks, and a context belongs to one thread.
Source: libnftables(3), libnftables-json(5).
"""

import ctypes
import json
import socket
from collections.abc import Sequence
from typing import Any, Final, Protocol

Command = dict[str, Any]
"""`{"add": {"rule": ...}}`."""
_LIBRARY: Final = "libnftables.so.1"
_NETLINK_NETFILTER: Final = 12
_OUTPUT_JSON: Final = 1 << 4
_TRIES: Final = 3


class NftError(Exception):
    """The library or the kernel refused a transaction: nothing of it was done."""


class Nft(Protocol):
    """What runs transactions."""

    def run(self, commands: Sequence[Command]) -> None:
        """All or nothing. Raises NftError."""
        ...

    def ask(self, command: Command) -> list[dict[str, Any]]:
        """Objects that a list command shows. Raises NftError, also if there is no such thing."""
        ...


class LibNft:
    """A context of the library, in the network namespace of the thread that opens it."""

    def __init__(self) -> None:
        self._library: Any = None
        self._context: Any = None

    def open(self) -> None:
        """Load it. Raises OSError (not installed) or NftError."""
        library = ctypes.CDLL(_LIBRARY)
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_new.argtypes = [ctypes.c_uint32]
        library.nft_ctx_free.argtypes = [ctypes.c_void_p]
        library.nft_ctx_free.restype = None
        library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
        library.nft_ctx_output_set_flags.restype = None
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        library.nft_run_cmd_from_buffer.restype = ctypes.c_int
        for name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error"):
            getattr(library, name).argtypes = [ctypes.c_void_p]
            getattr(library, name).restype = ctypes.c_int
        for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
            getattr(library, name).argtypes = [ctypes.c_void_p]
            getattr(library, name).restype = ctypes.c_char_p
        try:
            # It ends the whole process, with status 3, where it cannot open one itself
            socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER).close()
        except OSError as error:
            raise NftError(f"the kernel has no nftables: {error.strerror}") from error
        context = library.nft_ctx_new(0)
        if not context:
            raise NftError("libnftables gave no context")
        library.nft_ctx_buffer_output(context)
        library.nft_ctx_buffer_error(context)
        library.nft_ctx_output_set_flags(context, _OUTPUT_JSON)
        self._library, self._context = library, context

    def close(self) -> None:
        """Free it."""
        if self._context is not None:
            self._library.nft_ctx_free(self._context)
            self._context = None

    def run(self, commands: Sequence[Command]) -> None:
        """See Nft."""
        self._run({"nftables": list(commands)})

    def ask(self, command: Command) -> list[dict[str, Any]]:
        """See Nft."""
        output = self._run({"nftables": [command]})
        found = json.loads(output) if output.strip() else {}
        return [each for each in found.get("nftables", []) if "metainfo" not in each]

    def _run(self, program: dict[str, Any]) -> str:
        assert self._context is not None, "not open"
        text = json.dumps(program).encode()
        for _ in range(_TRIES):  # somebody else's transaction may come between
            failed = self._library.nft_run_cmd_from_buffer(self._context, text)
            output = self._library.nft_ctx_get_output_buffer(self._context) or b""
            said = self._library.nft_ctx_get_error_buffer(self._context) or b""
            if not failed:
                return str(output.decode("utf-8", "replace"))
        raise NftError(said.decode("utf-8", "replace").strip()[:2000] or "nftables refused it without a word")
