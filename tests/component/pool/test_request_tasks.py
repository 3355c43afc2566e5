"""Tasks that clients make for requests to HTTP handlers, and watch."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from kit.http import exchange
from kit.pool_front import PASSWORD, USER, Pool, pool
from xenhost.pool.call import ApiError, Context, Ref, Role
from xenhost.pool.front import Routes
from xenhost.pool.session.session import Session
from xenhost.pool.wire.gate import Gate, HttpAction
from xenhost.system.http.message import HttpError, Request, Response


async def answer(context: Context, request: Request) -> Response:
    async def give() -> AsyncIterator[bytes]:
        yield b"one"
        if request.arg("how") == "broken":
            raise ZeroDivisionError
        if request.arg("how") == "endless":
            while True:
                yield b"a" * 65536
        yield b"two"

    match request.arg("how"):
        case "whole":
            return Response(body=b"whole")
        case "api":
            raise ApiError("VM_BAD_POWER_STATE", "a", "b")
        case "http":
            raise HttpError(HTTPStatus.NOT_FOUND, "there is no such thing")
        case "status":
            return Response(HTTPStatus.CONFLICT)
    return Response(body=give())


def routes(gate: Gate) -> Routes:
    return {("GET", "/x"): gate.guarded(HttpAction("get_x", frozenset(Role), answer))}


async def made(at: Pool) -> tuple[str, Ref]:
    """A session, and a task of it."""
    sessions = at.front.sessions
    caller = Context(client="test")
    found = await at.implementations.find("session.login_with_password")(caller, USER, PASSWORD, "", "")  # type: ignore[misc] # it is registered
    assert sessions.find(Ref(str(found))) is not None
    created = await at.implementations.find("task.create")(Context(user=USER, session=Ref(str(found))), "t", "")  # type: ignore[misc] # the same
    return str(found), Ref(str(created))


def request(session: str, task: Ref, how: str, method: str = "GET") -> bytes:
    return f"{method} /x?how={how}&session_id={session}&task_id={task} HTTP/1.0\r\n\r\n".encode()


async def ended(at: Pool, task: Ref) -> Any:
    async with asyncio.timeout(10):
        while at.database.get("task", task)["status"] == "pending":
            await asyncio.sleep(0.01)
    return at.database.get("task", task)


@pytest.mark.parametrize(
    ("how", "status", "error"),
    [
        ("whole", "success", ()),
        ("pieces", "success", ()),
        ("api", "failure", ("VM_BAD_POWER_STATE", "a", "b")),
        ("http", "failure", ("INTERNAL_ERROR", "there is no such thing")),
        ("status", "failure", ("INTERNAL_ERROR", "Conflict")),
        ("broken", "failure", ("INTERNAL_ERROR", "the request was cut")),
    ],
)
async def test_a_task_ends_as_the_answer_does(how: str, status: str, error: tuple[str, ...], tmp_path: Path) -> None:
    async with pool(tmp_path, more=routes) as at:
        session, task = await made(at)
        work = exchange(at.front.listener.http_ports[0], request(session, task, how))
        await asyncio.gather(work, return_exceptions=True)
        record = await ended(at, task)
        assert (record["status"], tuple(record["error_info"])) == (status, error)


async def test_a_task_fails_when_the_client_goes_and_waits_until_then(tmp_path: Path) -> None:
    async with pool(tmp_path, more=routes) as at:
        session, task = await made(at)
        reader, writer = await asyncio.open_connection("127.0.0.1", at.front.listener.http_ports[0])
        writer.write(request(session, task, "endless"))
        await reader.readuntil(b"one")
        assert at.database.get("task", task)["status"] == "pending"
        writer.transport.abort()
        assert (await ended(at, task))["status"] == "failure"


async def test_a_task_of_somebody_else_is_refused_and_goes_on(tmp_path: Path) -> None:
    async with pool(tmp_path, more=routes) as at:
        _, task = await made(at)
        other = Session(Ref("OpaqueRef:o"), "u", "eve", False, 0.0, frozenset({Role.VM_ADMIN}), subject_identifier="u7")
        at.front.sessions.add(other)
        found = await exchange(at.front.listener.http_ports[0], request(other.ref, task, "whole"))
        assert found.startswith(b"HTTP/1.1 403")
        assert at.database.get("task", task)["status"] == "pending"
