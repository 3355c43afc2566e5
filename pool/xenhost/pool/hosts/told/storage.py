"""SRs, PBDs and VDIs."""

from collections.abc import Callable, Iterable
from typing import Final

from xenhost.api.host.v1 import storage_pb2
from xenhost.pool.call import NULL_REF, Ref, Value
from xenhost.pool.database.record import Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.told.book import Book, moment, text_map
from xenhost.pool.hosts.told.paths import with_paths
from xenhost.pool.model.enums import ENUMS

VDI_TYPES = {
    number: name.removeprefix("VDI_TYPE_").lower()
    for name, number in storage_pb2.VdiType.items()
    if name != "VDI_TYPE_UNSPECIFIED"
} | {storage_pb2.VDI_TYPE_UNSPECIFIED: "user"}

LEAVING: Final = frozenset({"pbd_destroy", "forget", "destroy"})
"""What is being done to an SR when the pool itself has asked hosts to forget it."""


def put_sr(book: Book, told: storage_pb2.Sr) -> Ref:
    """An SR, and the PBD that says how this host reaches it."""
    status = told.status
    ref = book.put(
        "SR",
        told.id,
        {
            "type": told.type,
            "content_type": told.content_type,
            "physical_size": status.physical_size_bytes,
            "physical_utilisation": status.physical_utilisation_bytes,
            "virtual_allocation": status.virtual_allocation_bytes,
            "allowed_operations": _known("storage_operations", status.allowed_operations),
            "sm_config": text_map(told.sm_config),
        },
        once={
            "name_label": told.name,
            "name_description": told.description,
            "shared": told.shared,
            "other_config": text_map(told.other_config),
        },
    )
    fields: dict[str, Value] = {"currently_attached": status.attached, "device_config": text_map(told.device_config)}
    pbd = find_pbd(book, ref)
    if pbd == NULL_REF:
        pbd = book.transaction.create("PBD", {**fields, "host": book.host, "SR": ref})
    other_config = book.get("PBD", pbd)["other_config"]
    assert isinstance(other_config, dict)
    book.transaction.set("PBD", pbd, {**fields, "other_config": text_map(with_paths(other_config, status))})
    return ref


def find_pbd(book: Book, sr: Ref) -> Ref:
    """This host's PBD of an SR, or NULL_REF."""
    pbds = book.get("SR", sr).refs("PBDs")
    return next((pbd for pbd in pbds if book.get("PBD", pbd)["host"] == book.host), NULL_REF)


def drop_sr(book: Book, uuid: str) -> None:
    """This host does not know the SR any more; if none does, it is gone with its VDIs, unless it is shared.

    If the pool has asked for it, the host's PBD goes alone: who asked decides about the SR.
    """
    ref = book.find("SR", uuid)
    pbd = find_pbd(book, ref) if ref != NULL_REF else NULL_REF
    if pbd == NULL_REF:
        return
    book.transaction.delete("PBD", pbd)
    record = book.get("SR", ref)
    if not (record["PBDs"] or record["shared"] or _leaving(record)):
        remove_sr(book.transaction, ref)


def drop_pbd(transaction: Transaction, pbd: Ref) -> None:
    """It is gone. No-op if it was already."""
    if transaction.find("PBD", pbd) is not None:
        transaction.delete("PBD", pbd)


def remove_sr(transaction: Transaction, sr: Ref) -> None:
    """With its PBDs and VDIs; disks of VMs that were in it have no VDI then. No-op if there is none."""
    if (record := transaction.find("SR", sr)) is None:
        return
    for pbd in record.refs("PBDs"):
        transaction.delete("PBD", pbd)
    for vdi in record.refs("VDIs"):
        remove_vdi(transaction, vdi)
    transaction.delete("SR", sr)


def remove_vdi(transaction: Transaction, vdi: Ref) -> None:
    """CD drives that it was in are empty; disks of VMs have no VDI. No-op if there is none."""
    if (record := transaction.find("VDI", vdi)) is None:
        return
    for vbd in record.refs("VBDs"):
        if transaction.get("VBD", vbd)["type"] == "CD":
            transaction.set("VBD", vbd, {"VDI": NULL_REF, "empty": True})
    transaction.delete("VDI", vdi)


def drop_vdi(book: Book, uuid: str) -> None:
    """This host does not know the VDI any more: it is gone, unless another host may know it.

    So only a host with the one PBD of its SR may say so, and not of an SR that the pool has asked it to forget.
    """
    ref = book.find("VDI", uuid)
    if ref == NULL_REF:
        return
    record = book.get("SR", book.get("VDI", ref).one("SR"))
    if not _leaving(record) and [book.get("PBD", pbd)["host"] for pbd in record.refs("PBDs")] == [book.host]:
        remove_vdi(book.transaction, ref)


def _leaving(sr: Record) -> bool:
    words = sr["current_operations"]
    assert isinstance(words, dict)
    return not LEAVING.isdisjoint(words.values())


def hear_vdi(book: Book, told: storage_pb2.Vdi) -> None:
    """What a host reports of a VDI. Of an SR that several have attached, only one is believed, as the others may not
    have looked for a while: the one where a VM has the VDI open, or else the first that is alive."""
    sr = book.find("SR", told.sr_id)
    if sr != NULL_REF and book.host in _believed(book, sr, book.find("VDI", told.id)):
        put_vdi(book, told)


def _believed(book: Book, sr: Ref, vdi: Ref) -> list[Ref]:
    pbds = [book.get("PBD", pbd) for pbd in book.get("SR", sr).refs("PBDs")]
    hosts = [pbd.one("host") for pbd in pbds if pbd["currently_attached"]]
    if len(hosts) < 2:
        return [book.host]
    open_at = hosts_with_open(book.get, vdi) if vdi != NULL_REF else []
    return open_at or [host for host in hosts if _lives(book, host)][:1]


def hosts_with_open(get: Callable[[str, Ref], Record], vdi: Ref) -> list[Ref]:
    """Where VMs have the VDI open. `get`: of a book, a transaction or a database."""
    vbds = [get("VBD", vbd) for vbd in get("VDI", vdi).refs("VBDs")]
    hosts = [get("VM", vbd.one("VM")).one("resident_on") for vbd in vbds if vbd["currently_attached"]]
    return [host for host in hosts if host != NULL_REF]  # that of a suspended VM has it attached, and nowhere open


def _lives(book: Book, host: Ref) -> bool:
    metrics = book.transaction.find("host_metrics", book.get("host", host).one("metrics"))
    return metrics is not None and bool(metrics["live"])


def put_vdi(book: Book, told: storage_pb2.Vdi) -> Ref:
    """A VDI; NULL_REF if its SR is not there."""
    status = told.status
    sr = book.find("SR", told.sr_id)
    if sr == NULL_REF:
        return NULL_REF
    return book.put(
        "VDI",
        told.id,
        {
            "SR": sr,
            "name_label": told.name,
            "name_description": told.description,
            "virtual_size": told.virtual_size_bytes,
            "physical_utilisation": status.physical_utilisation_bytes,
            "type": VDI_TYPES.get(told.type, "user"),
            "sharable": told.sharable,
            "read_only": told.read_only,
            "on_boot": "reset" if told.on_boot == storage_pb2.ON_BOOT_RESET else "persist",
            "location": status.location,
            "managed": status.managed,
            "missing": status.missing,
            "is_a_snapshot": status.is_a_snapshot,
            "snapshot_of": book.find("VDI", status.snapshot_of),
            "snapshot_time": moment(status.snapshot_time),
            "cbt_enabled": status.cbt_enabled,
            "allowed_operations": _known("vdi_operations", status.allowed_operations),
        },
        once={"sm_config": text_map(told.sm_config)},
    )


def _known(enum: str, words: Iterable[str]) -> tuple[str, ...]:
    """Those that the API has a word for."""
    return tuple(word for word in words if word in ENUMS[enum])
