"""A console of a VM, as its host's agent relays it."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import grpc

from xenhost.api.host.v1 import console_service_pb2

PIECE: Final = 256 << 10
"""Bytes of what is typed that go into one message."""


class Attached:
    """Bytes both ways. Made by `Agent.attach`; close it."""

    def __init__(self, call: Any, failed: Callable[[grpc.aio.AioRpcError], Exception]) -> None:
        """`failed`: what a caller is told of an error of the call."""
        self._call: Final = call
        self._failed: Final = failed

    async def begin(self, request: console_service_pb2.AttachConsoleRequest) -> None:
        """Name the console, and wait until it is there. Closes it if it is not. Raises XenhostError, ApiError."""
        try:
            await self._say(request)
            await self.read()  # empty, and says that it is attached
        except BaseException:
            self.close()
            raise

    async def read(self) -> bytes:
        """What is said there; none at its end. Raises XenhostError, ApiError HOST_OFFLINE."""
        try:
            response = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise self._failed(error) from error
        if isinstance(response, console_service_pb2.AttachConsoleResponse):
            return response.output
        return b""

    async def write(self, data: bytes) -> None:
        """Type. Waits while nobody reads it; says nothing if the console has ended, which `read` does."""
        for start in range(0, len(data), PIECE):
            await self._say(console_service_pb2.AttachConsoleRequest(input=data[start : start + PIECE]))

    def close(self) -> None:
        """Hang up. May be called again."""
        self._call.cancel()

    async def _say(self, request: console_service_pb2.AttachConsoleRequest) -> None:
        try:
            await self._call.write(request)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # it has ended; `read` says how
