"""EventService: what changes, as it happens."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

from xenhost.agent.engine.engine import Engine
from xenhost.agent.rpc.context import Context
from xenhost.agent.rpc.convert.event import change_to_proto, kinds_from_proto
from xenhost.api.host.v1 import event_service_pb2, event_service_pb2_grpc
from xenhost.core.errors import ResumeTokenExpired
from xenhost.core.events import Change

CHECKPOINT_SECONDS: Final = 10.0
"""An idle stream says every so often that it is alive, and where it stands."""
MAX_TOKEN: Final = 200
PART: Final = 1000
"""Changes in one message, so that its size is bounded."""


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
                for part in _parts(batch):
                    last = part[-1].revision
                    yield event_service_pb2.WatchEventsResponse(
                        events=[change_to_proto(change) for change in part],
                        resume_token=token if last == batch[-1].revision else self._engine.hub.token_at(last),
                    )


def _parts(batch: Sequence[Change]) -> Iterator[Sequence[Change]]:
    for start in range(0, len(batch), PART):
        yield batch[start : start + PART]
