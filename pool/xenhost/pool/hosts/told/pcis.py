"""PCI devices of a host, and the GPUs among them.

Agents have no UUIDs for them: one is the same as before if it is in the same place and of the same kind. Sources:
xapi's xapi_pci.ml, xapi_pgpu.ml, xapi_gpu_group.ml.
"""

from collections.abc import Iterable
from typing import Final

from xenhost.api.host.v1 import host_service_pb2
from xenhost.pool.call import NULL_REF, Ref, Value
from xenhost.pool.database.record import Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.told.book import Book

DISPLAY: Final = "03"
"""The class of GPUs, whatever they are besides."""


def put_pcis(book: Book, host: Ref, told: Iterable[host_service_pb2.PciDevice]) -> None:
    """The host has these and no others. A GPU that is gone leaves its group, which stays."""
    known = {_kind_of(book.get("PCI", pci)): pci for pci in book.get("host", host).refs("PCIs")}
    devices = {(each.address, each.vendor_id, each.device_id): each for each in told}
    for key in known.keys() - devices.keys():
        _drop(book.transaction, known[key])
    for key, device in devices.items():
        fields = _fields(device)
        pci = known.get(key)
        if pci is None:
            pci = book.transaction.create("PCI", {**fields, "host": host})
        else:
            book.transaction.set("PCI", pci, fields)
        if device.class_id.startswith(DISPLAY):
            _put_gpu(book, host, pci, device)


def pci_at(book: Book, host: Ref, address: str) -> Ref:
    """The device in that place; NULL_REF if none is known."""
    found = (pci for pci in book.get("host", host).refs("PCIs") if book.get("PCI", pci)["pci_id"] == address)
    return next(found, NULL_REF)


def drop_pcis(transaction: Transaction, host: Ref) -> None:
    """The host goes, and all of its own."""
    for pci in transaction.get("host", host).refs("PCIs"):
        _drop(transaction, pci)


def set_types(transaction: Transaction, group: Ref) -> None:
    """A group is of the kind of its GPUs."""
    pgpus = [transaction.get("PGPU", pgpu) for pgpu in transaction.get("GPU_group", group).refs("PGPUs")]
    types = {type_of(transaction, pgpu.one("PCI")) for pgpu in pgpus}
    transaction.set("GPU_group", group, {"GPU_types": tuple(sorted(types))})


def type_of(transaction: Transaction, pci: Ref) -> str:
    """Of a GPU: maker and model, `10de/1b38`."""
    record = transaction.get("PCI", pci)
    return f"{record['vendor_id']}/{record['device_id']}"


def _put_gpu(book: Book, host: Ref, pci: Ref, told: host_service_pb2.PciDevice) -> None:
    fields: dict[str, Value] = {"is_system_display_device": told.boot_display}
    for pgpu in book.get("host", host).refs("PGPUs"):
        if book.get("PGPU", pgpu)["PCI"] == pci:
            book.transaction.set("PGPU", pgpu, fields)
            return
    kind = type_of(book.transaction, pci)
    groups = (ref for ref, group in book.transaction.rows("GPU_group").items() if group["GPU_types"] == (kind,))
    group = next(groups, None)
    if group is None:
        name = " ".join((told.vendor_name or told.vendor_id, told.device_name or told.device_id))
        group = book.transaction.create("GPU_group", {"name_label": f"Group of {name} GPUs", "GPU_types": (kind,)})
    book.transaction.create("PGPU", {**fields, "PCI": pci, "host": host, "GPU_group": group})


def _drop(transaction: Transaction, pci: Ref) -> None:
    for cls, ref in tuple(transaction.referrers(pci)):
        if cls == "PGPU":
            transaction.delete("PGPU", ref)
        elif cls == "PIF":
            transaction.set("PIF", ref, {"PCI": NULL_REF})
    transaction.delete("PCI", pci)


def _fields(told: host_service_pb2.PciDevice) -> dict[str, Value]:
    names = ("class_id", "class_name", "vendor_id", "vendor_name", "device_id", "device_name")
    subsystem = ("subsystem_vendor_id", "subsystem_vendor_name", "subsystem_device_id")
    fields: dict[str, Value] = {name: getattr(told, name) for name in (*names, *subsystem)}
    return {**fields, "pci_id": told.address, "driver_name": told.driver}


def _kind_of(pci: Record) -> tuple[str, str, str]:
    return str(pci["pci_id"]), str(pci["vendor_id"]), str(pci["device_id"])
