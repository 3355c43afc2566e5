"""Changes."""

from collections.abc import Iterable
from typing import Final

from xenhost.agent.rpc.convert.choice import Choice
from xenhost.api.host.v1 import event_service_pb2
from xenhost.core.events import Change, ChangeKind, ObjectKind

OBJECT_KIND: Final = Choice(ObjectKind, event_service_pb2.ObjectKind.Value, "OBJECT_KIND")
CHANGE_KIND: Final = Choice(ChangeKind, event_service_pb2.ChangeKind.Value, "CHANGE_KIND")


def change_to_proto(change: Change) -> event_service_pb2.Event:
    """One entry of the event log."""
    return event_service_pb2.Event(
        kind=OBJECT_KIND.to_wire(change.ref.kind),
        id=change.ref.id,
        change=CHANGE_KIND.to_wire(change.kind),
        revision=change.revision,
    )


def kinds_from_proto(untrusted_kinds: Iterable[int]) -> frozenset[ObjectKind]:
    """The kinds a watcher wants; none given means all. Raises InvalidValue."""
    return frozenset(OBJECT_KIND.from_wire(kind, "kinds") for kind in untrusted_kinds) or frozenset(ObjectKind)
