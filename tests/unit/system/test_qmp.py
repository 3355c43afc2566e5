"""QMP against a stand-in for QEMU on a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from xenhost.system.qmp import Qmp, QmpError
from xenhost.system.qmp_proto import Event, Greeting, QmpProtocolError, QmpReader, Reply, encode

GREETING = b'{"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 22}, "package": ""}, "capabilities": []}}\n'
Answer = Callable[[dict[str, object]], object]


@asynccontextmanager
async def emulator(path: Path, answer: Answer) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING)
        while line := await reader.readline():
            command = json.loads(line)
            if command["execute"] == "qmp_capabilities":
                answered: object = {"return": {}}
            else:
                answered = answer(command)
            if answered is None:
                break
            assert isinstance(answered, dict)
            writer.write(json.dumps({**answered, "id": command["id"]}).encode() + b"\n")
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    async with server:
        yield str(path)


async def test_a_command_returns_its_value(tmp_path: Path) -> None:
    async with emulator(tmp_path / "qmp", lambda command: {"return": {"status": "running"}}) as path:
        qmp = await Qmp.connect(path)
        assert await qmp.run("query-status") == {"status": "running"}
        await qmp.close()


async def test_a_failed_command_raises_what_qemu_said(tmp_path: Path) -> None:
    error = {"error": {"class": "GenericError", "desc": "Device 'x' not found"}}
    async with emulator(tmp_path / "qmp", lambda command: error) as path:
        qmp = await Qmp.connect(path)
        with pytest.raises(QmpError, match="Device 'x' not found"):
            await qmp.run("eject", {"id": "x"})
        await qmp.close()


async def test_a_command_under_way_fails_when_the_emulator_dies(tmp_path: Path) -> None:
    async with emulator(tmp_path / "qmp", lambda command: None) as path:
        qmp = await Qmp.connect(path)
        with pytest.raises(QmpError, match="closed the connection"):
            await qmp.run("query-status")
        assert qmp.closed.is_set()
        with pytest.raises(QmpError, match="gone"):
            await qmp.run("query-status")
        await qmp.close()


async def test_connecting_to_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(QmpError, match="cannot connect"):
        await Qmp.connect(str(tmp_path / "nowhere"))


def test_messages_are_put_together_from_pieces() -> None:
    reader = QmpReader()
    text = GREETING + b'{"event": "RESET", "data": {"guest": true}}\n' + b'{"return": 1, "id": 3}\n'
    found = [message for i in range(len(text)) for message in reader.feed(text[i : i + 1])]
    assert found == [Greeting("7.2.22"), Event("RESET", {"guest": True}), Reply(3, 1)]


@pytest.mark.parametrize("line", [b"nonsense", b"[]", b"{}", b'{"event": 5}', b"[" * 100_000])
def test_what_is_not_qmp_is_refused(line: bytes) -> None:
    with pytest.raises(QmpProtocolError):
        QmpReader().feed(line + b"\n")


def test_an_endless_message_is_refused() -> None:
    reader = QmpReader()
    reader.feed(b"x" * 1_000_000)
    with pytest.raises(QmpProtocolError, match="more than"):
        reader.feed(b"x" * 500_000)


def test_a_command_is_one_line() -> None:
    assert encode("eject", {"id": "a\nb"}, 7) == b'{"execute":"eject","id":7,"arguments":{"id":"a\\nb"}}\n'
