"""A host: its facts, CPUs, memory and PCI devices."""

from datetime import datetime

from xenhost.api.host.v1 import host_service_pb2
from xenhost.pool.call import NULL_REF, FrozenMap, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.pcis import put_pcis

API_VERSION = (2, 21)
"""Major and minor version of the Management API that is served."""
PRODUCT_VERSION = "8.3.0"
"""What clients that look for a version of XenServer are told: they split it at its dots."""


def put_host(book: Book, told: host_service_pb2.Host, address: str, now: datetime) -> Ref:
    """The host with its CPUs. It is enabled when it is seen for the first time; later that is an operator's choice.

    `address`: where it speaks from, which counts until it has a management interface.
    """
    ref = book.put(
        "host",
        told.id,
        {
            "hostname": told.name,
            "API_version_major": API_VERSION[0],
            "API_version_minor": API_VERSION[1],
            "API_version_vendor": "xenhost",
            "capabilities": tuple(told.hypervisor_capabilities),
            "software_version": _software(told),
            "cpu_info": _cpu_info(told),
            "sched_policy": "credit2",
            "supported_bootloaders": ("pygrub",),
        },
        once={"name_label": told.name, "enabled": True, "edition": "free"},
    )
    pifs = [book.get("PIF", pif) for pif in book.get("host", ref).refs("PIFs")]
    managed = [pif["IP"] for pif in pifs if pif["management"] and pif["IP"]]
    book.transaction.set("host", ref, {"address": managed[0] if managed else address})
    put_memory(book, ref, told.memory_total_bytes, told.memory_free_bytes, now)
    _put_cpus(book, ref, told, book.get("host", ref).refs("host_CPUs"))
    put_pcis(book, ref, told.pci_devices)
    return ref


def put_memory(book: Book, host: Ref, total: int | None, free: int, now: datetime) -> None:
    """What is free now: the host is alive. `total` None: as before.

    While VMs come it is not less than before: nobody knows how much of what is held for them they have taken already.
    """
    fields: dict[str, Value] = {"memory_free": free, "live": True, "last_updated": now}
    if total is not None:
        fields["memory_total"] = total
    elif coming(book.transaction, host):
        known = book.get("host_metrics", book.get("host", host).one("metrics"))["memory_free"]
        assert isinstance(known, int)
        fields["memory_free"] = max(free, known)
    book.put_part("host_metrics", book.get("host", host), "metrics", fields)


def coming(read: Database | Transaction, host: Ref) -> list[Record]:
    """VMs that memory is held for there."""
    vms = (read.get("VM", ref) for cls, ref in read.referrers(host) if cls == "VM")
    return [vm for vm in vms if vm["scheduled_to_be_resident_on"] == host]


def put_lost(book: Book, host: Ref) -> None:
    """It has not been heard of for longer than its lease."""
    record = book.transaction.find("host", host)
    metrics = NULL_REF if record is None else record.one("metrics")
    if metrics != NULL_REF:
        book.transaction.set("host_metrics", metrics, {"live": False})


def _software(told: host_service_pb2.Host) -> FrozenMap:
    major, minor = API_VERSION
    return FrozenMap(
        {
            "product_brand": "xenhost",
            "product_version": PRODUCT_VERSION,
            "platform_version": "3.4.0",
            "xapi": f"{major}.{minor}",
            "xen": told.hypervisor_version,
            "hypervisor": told.hypervisor,
            "linux": told.kernel,
            "xenhost": told.agent_version,
        }
    )


def _cpu_info(told: host_service_pb2.Host) -> FrozenMap:
    per_socket = max(1, told.cores_per_socket * max(1, told.threads_per_core))
    return FrozenMap(
        {
            "cpu_count": str(told.cpus),
            "socket_count": str(max(1, -(-told.cpus // per_socket))),
            "threads_per_core": str(told.threads_per_core),
            "speed": str(told.cpu_khz // 1000),
        }
    )


def _put_cpus(book: Book, host: Ref, told: host_service_pb2.Host, known: list[Ref]) -> None:
    numbers = {book.get("host_cpu", ref)["number"]: ref for ref in known}
    for number, ref in numbers.items():
        if isinstance(number, int) and number >= told.cpus:
            book.transaction.delete("host_cpu", ref)
    for number in range(told.cpus):
        fields: dict[str, Value] = {"host": host, "number": number, "speed": told.cpu_khz // 1000}
        if number in numbers:
            book.transaction.set("host_cpu", numbers[number], fields)
        else:
            book.transaction.create("host_cpu", fields)
