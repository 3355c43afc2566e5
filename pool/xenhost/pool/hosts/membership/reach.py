"""Whether hosts of a pool hear each other: what is tried before anybody relies on it."""

import asyncio
from typing import Any, Final

import grpc
import structlog

from xenhost.api.host.v1 import host_service_pb2
from xenhost.api.link.v1 import link_service_pb2_grpc
from xenhost.core.config_error import ConfigError
from xenhost.core.errors import XenhostError
from xenhost.pool.call import NULL_REF, ApiError, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.hosts.dial import Dial

CALL_SECONDS: Final = 15.0


def endpoint_elsewhere(database: Database, agents: Agents, host: Ref) -> str:
    """Where a master that runs on another host reaches a host's agent. Raises ApiError."""
    for endpoint in agents.endpoints(host):
        if not endpoint.startswith("unix:"):
            return endpoint
    name = database.get("host", host)["name_label"]
    text = f"the agent of {name} names no address for masters elsewhere: [master] endpoints in xenhostd.toml"
    raise ApiError("OPERATION_NOT_ALLOWED", text)


async def agent_answers(dial: Dial, endpoint: str, uuid: str) -> bool:
    """Whether the agent of that host is there. Raises ApiError OPERATION_NOT_ALLOWED: nothing can be dialled."""
    agent = Agent(NULL_REF, _dialled(dial, endpoint))
    try:
        told = await agent.call(agent.hosts.GetHost, host_service_pb2.GetHostRequest(), CALL_SECONDS)
    except (ApiError, XenhostError):
        return False
    finally:
        await agent.close()
    return bool(told.id == uuid)


async def is_heard(dial: Dial, link: str) -> bool:
    """Whether a xenpoold listens there for agents such as ours. Raises ApiError OPERATION_NOT_ALLOWED, likewise."""
    channel = _dialled(dial, link)
    try:
        stub: Any = link_service_pb2_grpc.LinkServiceStub(channel)  # type: ignore[no-untyped-call] # generated
        call = stub.Report(timeout=CALL_SECONDS)
        await call.done_writing()  # nothing is reported, so nobody is introduced
        async for _ in call:
            pass
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
        structlog.get_logger("xenpoold").warning("another xenpoold does not hear us", link=link, reason=str(error))
        return False
    finally:
        await channel.close(None)
    return True


def _dialled(dial: Dial, endpoint: str) -> grpc.aio.Channel:
    try:
        return dial(endpoint)
    except ConfigError as error:
        raise ApiError("OPERATION_NOT_ALLOWED", str(error)) from error
