"""What clients see, with the revision of each object, and events of what has changed."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from xenhost.agent.events.hub import EventHub
from xenhost.agent.network.confirmation import Confirmation
from xenhost.agent.network.known import Known
from xenhost.agent.network.views import host_network
from xenhost.core.clock import Clock
from xenhost.core.events import ChangeKind, ObjectKind, ObjectRef
from xenhost.core.network_views import HostNetwork


class Publisher:
    """Compares what there is with what was shown last."""

    def __init__(self, known: Known, management: Confirmation, hub: EventHub, clock: Clock) -> None:
        self._known: Final = known
        self._management: Final = management
        self._hub: Final = hub
        self._clock: Final = clock
        self._shown: dict[ObjectRef, object] = {}
        self._revisions: Final[dict[str, int]] = {}
        self._times: Final[dict[str, datetime]] = {}
        self._view: HostNetwork | None = None
        self._dated: Mapping[ObjectRef, object] | None = None
        self._host: object = None

    def view(self) -> HostNetwork:
        """As of the last `look`."""
        if self._view is None:
            self.look()
        assert self._view is not None
        return self._view

    def shown(self, kind: ObjectKind, id: str) -> object | None:
        """The view of one object, as of the last `look`; a VLAN is its record."""
        if self._dated is None:
            self._dated = _objects(self.view())
        return self._dated.get(ObjectRef(kind, id))

    def look(self) -> None:
        """Publish what has changed since the last time."""
        found = host_network(self._known, self._management.view())
        objects = _objects(found)
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        changed = False
        for ref, value in objects.items():
            old = self._shown.get(ref)
            if old != value:
                kind = ChangeKind.ADDED if old is None else ChangeKind.MODIFIED
                self._revisions[ref.id] = self._hub.publish(ref, kind)
                self._times[ref.id] = now
                changed = True
        for gone in self._shown.keys() - objects.keys():
            self._hub.publish(gone, ChangeKind.DELETED)
            if not any(ref.id == gone.id for ref in objects):
                self._revisions.pop(gone.id, None)
                self._times.pop(gone.id, None)
            changed = True
        host = (
            *(found.switch, found.management, found.foreign_bridges, found.controllers, found.pvs_sites),
            found.igmp_snooping,
        )
        if self._host is not None and self._host != host:
            self._hub.publish(ObjectRef(ObjectKind.HOST, ""), ChangeKind.MODIFIED)
            changed = True
        self._shown, self._host = objects, host
        if changed or self._view is None:
            self._view, self._dated = self._with_dates(found), None

    def _with_dates(self, found: HostNetwork) -> HostNetwork:
        return replace(
            found,
            networks=tuple(replace(view, revision=self._revisions.get(view.network.id, 0)) for view in found.networks),
            pifs=tuple(
                replace(
                    view,
                    revision=self._revisions.get(view.pif.id, 0),
                    last_updated=self._times.get(view.pif.id, view.last_updated),
                )
                for view in found.pifs
            ),
        )


def _objects(found: HostNetwork) -> dict[ObjectRef, object]:
    objects: dict[ObjectRef, object] = {}
    for network in found.networks:
        objects[ObjectRef(ObjectKind.NETWORK, network.network.id)] = network
    for pif in found.pifs:
        objects[ObjectRef(ObjectKind.PIF, pif.pif.id)] = pif
    for bond in found.bonds:
        objects[ObjectRef(ObjectKind.BOND, bond.bond.id)] = bond
    for vlan in found.vlans:
        objects[ObjectRef(ObjectKind.VLAN, vlan.untagged)] = vlan
    for tunnel in found.tunnels:
        objects[ObjectRef(ObjectKind.TUNNEL, tunnel.tunnel.id)] = tunnel
    for sriov in found.sriovs:
        objects[ObjectRef(ObjectKind.NETWORK_SRIOV, sriov.sriov.id)] = sriov
    return objects
