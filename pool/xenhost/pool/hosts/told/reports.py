"""Whole reports of an agent: all there is, or what has changed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from xenhost.api.host.v1 import event_service_pb2, storage_pb2
from xenhost.api.link.v1 import link_service_pb2
from xenhost.pool.hosts.told import network, storage, vm
from xenhost.pool.hosts.told.book import Book

Put = Callable[[Book, Any], object]
Drop = Callable[[Book, str], None]


def _dropper(cls: str) -> Drop:
    return lambda book, uuid: book.drop(cls, uuid)


NETWORKS: Final[Sequence[tuple[str, str, Put]]] = (
    ("networks", "network", network.put_network),
    ("pifs", "PIF", network.put_pif),
    ("bonds", "Bond", network.put_bond),
    ("vlans", "VLAN", network.put_vlan),
    ("tunnels", "tunnel", network.put_tunnel),
    ("sriovs", "network_sriov", network.put_sriov),
)
"""Name of the list in messages, class, and what writes one down; those come first that others refer to."""
REST: Final[Sequence[tuple[str, str, Put]]] = (
    ("srs", "SR", storage.put_sr),
    ("vdis", "VDI", storage.hear_vdi),
    ("vms", "VM", vm.put_vm),
)
DROPS: Final[Mapping[str, Drop]] = {
    "network_sriov": _dropper("network_sriov"),
    "tunnel": _dropper("tunnel"),
    "VLAN": _dropper("VLAN"),
    "Bond": _dropper("Bond"),
    "PIF": network.drop_pif,
    "VDI": storage.drop_vdi,
    "SR": storage.drop_sr,
    "VM": vm.lose_vm,
}
"""What is done when an agent does not have such an object any more; those come first that refer to others."""
_KINDS: Final = {
    event_service_pb2.OBJECT_KIND_VM: "VM",
    event_service_pb2.OBJECT_KIND_SR: "SR",
    event_service_pb2.OBJECT_KIND_VDI: "VDI",
    event_service_pb2.OBJECT_KIND_PIF: "PIF",
    event_service_pb2.OBJECT_KIND_BOND: "Bond",
    event_service_pb2.OBJECT_KIND_VLAN: "VLAN",
    event_service_pb2.OBJECT_KIND_TUNNEL: "tunnel",
    event_service_pb2.OBJECT_KIND_NETWORK_SRIOV: "network_sriov",
}


def known(book: Book) -> Mapping[str, Sequence[str]]:
    """What the pool believes the host to have: UUIDs by class."""
    return {cls: of_host(book, cls) for cls in DROPS}


class Seen:
    """What the parts of a snapshot have named so far: UUIDs by class."""

    def __init__(self, known: Mapping[str, Sequence[str]]) -> None:
        """`known` before the agent began to look: what is made meanwhile is not in its list, and not gone either."""
        self._known: Final = known
        self._uuids: Final[dict[str, set[str]]] = {cls: set() for cls in DROPS}

    def put(self, book: Book, told: link_service_pb2.Snapshot) -> None:
        """Write a part down."""
        for messages, lists in ((told.network, NETWORKS), (told, REST)):
            for name, cls, put in lists:
                items = _in_order(name, getattr(messages, name))
                for each in items:
                    put(book, each)
                if cls in self._uuids:
                    self._uuids[cls].update(each.id for each in items)
        for guest in told.guest_metrics:
            vm.put_guest(book, guest, vm.ALL_GUEST_FIELDS)

    def forget_others(self, book: Book) -> None:
        """What the host had, and was not named in any part, it has not any more."""
        for cls, drop in DROPS.items():
            for uuid in self._known[cls]:
                if uuid not in self._uuids[cls]:
                    drop(book, uuid)


def put_changes(book: Book, told: link_service_pb2.Changes) -> None:
    """Write down what has changed."""
    for name, _, put in (*NETWORKS, *REST):
        for each in _in_order(name, getattr(told, name)):
            put(book, each)
    for change in told.guest_metrics:
        vm.put_guest(book, change.metrics, frozenset(change.changed.paths))
    for event in told.events:
        if event.change == event_service_pb2.CHANGE_KIND_DELETED and (cls := _KINDS.get(event.kind)) is not None:
            DROPS[cls](book, event.id)


def _in_order(name: str, items: Sequence[Any]) -> Sequence[Any]:
    """A snapshot of a VDI comes after it."""
    if name != "vdis":
        return items
    vdis: Iterable[storage_pb2.Vdi] = items
    return sorted(vdis, key=lambda vdi: bool(vdi.status.snapshot_of))


def of_host(book: Book, cls: str) -> list[str]:
    """UUIDs of the objects of a class that the pool believes this host to have."""
    host = book.get("host", book.host)
    pifs, pbds = host.refs("PIFs"), host.refs("PBDs")
    srs = [book.get("PBD", pbd).one("SR") for pbd in pbds]
    match cls:
        case "VM":
            refs = host.refs("resident_VMs")
        case "PIF":
            refs = pifs
        case "SR":
            refs = srs
        case "VDI":
            shared_by_none = [sr for sr in srs if len(book.get("SR", sr).refs("PBDs")) == 1]
            refs = [vdi for sr in shared_by_none for vdi in book.get("SR", sr).refs("VDIs")]
        case _:
            field = {
                "Bond": "bond_master_of",
                "VLAN": "VLAN_slave_of",
                "tunnel": "tunnel_access_PIF_of",
                "network_sriov": "sriov_physical_PIF_of",
            }[cls]
            refs = [each for pif in pifs for each in book.get("PIF", pif).refs(field)]
    return [str(book.get(cls, ref)["uuid"]) for ref in refs]
