"""EventService: what changes, as it happens."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from xenhost.agent.engine.engine import Engine
from xenhost.agent.rpc.context import Context
from xenhost.agent.rpc.convert.event import change_to_proto, kinds_from_proto
from xenhost.api.host.v1 import event_service_pb2, event_service_pb2_grpc
from xenhost.core.errors import ResumeTokenExpired

CHECKPOINT_SECONDS: Final = 10.0
"""An idle stream says every so often that it is alive, and where it stands."""
MAX_TOKEN: Final = 200


class EventServicer(event_service_pb2_grpc.EventServiceServicer):
    """Answers by the engine's hub, which keeps the log and judges who is too slow."""

    def __init__(self, engine: Engine, checkpoint_seconds: float) -> None:
        self._engine = engine
        self._checkpoint_seconds = checkpoint_seconds

    async def WatchEvents(
        self, request: event_service_pb2.WatchEventsRequest, context: Context
    ) -> AsyncIterator[event_service_pb2.WatchEventsResponse]:
        """A checkpoint, then changes as they happen, and checkpoints when there are none."""
        kinds = kinds_from_proto(request.kinds)
        if len(request.resume_token) > MAX_TOKEN:
            raise ResumeTokenExpired("resume_token is not one of this agent; list the objects and watch without one")
        changes = self._engine.hub.subscribe(request.resume_token or None, kinds)
        yield event_service_pb2.WatchEventsResponse(resume_token=changes.token(), checkpoint=True)
        while True:
            try:
                async with asyncio.timeout(self._checkpoint_seconds):
                    batch, token = await anext(changes)
            except TimeoutError:
                yield event_service_pb2.WatchEventsResponse(resume_token=changes.token(), checkpoint=True)
            except StopAsyncIteration:
                return
            else:
                events = [change_to_proto(change) for change in batch]
                yield event_service_pb2.WatchEventsResponse(events=events, resume_token=token)
