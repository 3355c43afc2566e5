"""What guests tell of themselves."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, Final

from google.protobuf.field_mask_pb2 import FieldMask

from xenhost.agent.rpc.convert.choice import Choice
from xenhost.agent.rpc.convert.times import timestamp
from xenhost.api.host.v1 import vm_pb2
from xenhost.api.link.v1 import link_service_pb2
from xenhost.core.guest_metrics import GuestMetrics, GuestMetricsView, Hotplug
from xenhost.core.ids import VmId

HOTPLUG: Final = Choice(Hotplug, vm_pb2.Hotplug.Value, "HOTPLUG")
FIELDS: Final = tuple(field.name for field in fields(GuestMetrics))


def guest_metrics_to_proto(vm: VmId, view: GuestMetricsView) -> vm_pb2.VmGuestMetrics:
    """All of it."""
    return _to_proto(vm, view, FIELDS)


def guest_change_to_proto(
    vm: VmId, view: GuestMetricsView, before: GuestMetrics | None
) -> link_service_pb2.GuestMetricsChange:
    """What is different; all of it, if nothing was said before."""
    changed = [name for name in FIELDS if before is None or getattr(view.metrics, name) != getattr(before, name)]
    return link_service_pb2.GuestMetricsChange(
        metrics=_to_proto(vm, view, changed), changed=FieldMask(paths=[*changed, "last_updated", "revision"])
    )


def _to_proto(vm: VmId, view: GuestMetricsView, names: Iterable[str]) -> vm_pb2.VmGuestMetrics:
    values: dict[str, Any] = {name: getattr(view.metrics, name) for name in names}
    for name, value in values.items():
        if isinstance(value, Hotplug):
            values[name] = HOTPLUG.to_wire(value)
    return vm_pb2.VmGuestMetrics(vm=vm, last_updated=timestamp(view.last_updated), revision=view.revision, **values)
