"""What tests of metrics share: an agent that measures, and clients of its sockets."""

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import h11

from component.harness.client import Client
from xenhost.api.host.v1 import metrics_pb2, metrics_service_pb2

SETTINGS = """
[metrics]
enabled = true
"""
PATIENCE = 30.0
"""Seconds for two ticks, on a machine that has other things to do."""
HOST = metrics_pb2.MetricsOwner(kind=metrics_pb2.METRICS_KIND_HOST)


async def host_sources(client: Client) -> dict[str, Any]:
    """Data sources of the host by name, with values."""
    request = metrics_service_pb2.ListDataSourcesRequest(owner=HOST, with_values=True)
    answer = await client.metrics.ListDataSources(request)
    return {source.name: source for source in answer.data_sources}


async def seen(client: Client, what: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The host's data sources when that is so."""
    async with asyncio.timeout(PATIENCE):
        while not what(found := await host_sources(client)):
            await asyncio.sleep(0.25)
    return found


async def measured(client: Client) -> None:
    """Return when there are values."""
    await seen(client, lambda each: "loadavg" in each and not math.isnan(each["loadavg"].value))


async def owned(client: Client, kind: Any, id: str) -> list[str]:
    """Names of an owner's data sources when it has some."""
    request = metrics_service_pb2.ListDataSourcesRequest(owner=metrics_pb2.MetricsOwner(kind=kind, id=id))
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                answer = await client.metrics.ListDataSources(request)
                if answer.data_sources:
                    return [source.name for source in answer.data_sources]
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.NOT_FOUND:
                    raise
            await asyncio.sleep(0.25)


class Answer:
    """What came back."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


async def asked(
    path: Path, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> Answer:
    """One request on a unix socket."""
    return await _exchanged(*await asyncio.open_unix_connection(str(path)), method, target, headers or {}, body)


async def asked_by(reader: Any, writer: Any, target: str) -> Answer:
    """A GET on a connection that is there."""
    return await _exchanged(reader, writer, "GET", target, {}, b"")


async def posted(path: Path, body: bytes) -> bytes:
    """The body of the answer to a POST."""
    answer = await asked(path, "POST", "/", {"Content-Length": str(len(body))}, body)
    assert answer.status == 200
    return answer.body


async def _exchanged(
    reader: Any, writer: Any, method: str, target: str, headers: dict[str, str], body: bytes
) -> Answer:
    connection = h11.Connection(h11.CLIENT)
    sent = {"Host": "x", "Connection": "close", **headers}
    data = connection.send(h11.Request(method=method, target=target, headers=list(sent.items())))
    assert data is not None
    writer.write(data + (connection.send(h11.Data(data=body)) or b"" if body else b""))
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    status, found, pieces = 0, {}, []
    try:
        async with asyncio.timeout(30):
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await reader.read(65536))
                elif isinstance(event, h11.Response):
                    status = event.status_code
                    found = {name.decode().lower(): value.decode() for name, value in event.headers}
                elif isinstance(event, h11.Data):
                    pieces.append(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                    return Answer(status, found, b"".join(pieces))
    finally:
        writer.close()
