"""Where a VM can run: hosts that are alive and enabled, have the memory, and reach its SRs and networks."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

from xenhost.core.units import MIB
from xenhost.pool.call import NULL_REF, ApiError, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.told.host import coming
from xenhost.pool.vms.functions import capacity_error, roominess

NOTHING_TAKEN: Final[Mapping[Ref, int]] = MappingProxyType({})
OVERHEAD: Final = 16 * MIB
"""Bytes that a domain needs beside its memory, about; the host itself knows exactly, and has the last word."""


@contextmanager
def placed(database: Database, agents: Agents, vm: Ref, only: Ref | None = None) -> Iterator[Ref]:
    """The host that `choose` finds, where memory is held for the VM until it has come, or has not. Raises ApiError."""
    host, came = choose(database, agents, vm, None if only is None else [only]), False
    database.note(lambda t: t.set("VM", vm, {"scheduled_to_be_resident_on": host}))
    try:
        yield host
        came = True
    finally:
        database.note(lambda t: _settle(t, vm, host, came))


def choose(
    database: Database,
    agents: Agents,
    vm: Ref,
    candidates: Sequence[Ref] | None = None,
    taken: Mapping[Ref, int] = NOTHING_TAKEN,
) -> Ref:
    """The host for it, of all or of those: its affinity if that can run it, else the one with the most free memory.

    `taken`: bytes of memory of a host that are not free either.

    VMs of a group that keeps apart are spread: hosts with the fewest of them come first. Of those, hosts with the most
    virtual functions (SR-IOV), if it needs any.

    Raises ApiError: why the only candidate cannot, NETWORK_SRIOV_INSUFFICIENT_CAPACITY, or NO_HOSTS_AVAILABLE.
    """
    record = database.get("VM", vm)
    hosts = database.rows("host") if candidates is None else candidates
    reasons = {host: why_not(database, agents, record, host, taken.get(host, 0)) for host in hosts}
    able = [host for host, reason in reasons.items() if reason is None]
    if not able:
        found = [reason for reason in reasons.values() if reason is not None]
        lacking = [reason for reason in found if reason.code == "NETWORK_SRIOV_INSUFFICIENT_CAPACITY"]
        raise (lacking or found)[0] if lacking or len(found) == 1 else ApiError("NO_HOSTS_AVAILABLE")
    if record["affinity"] in able:
        return record.one("affinity")
    crowds = {host: _crowd(database, record, host) for host in able}
    able = [host for host in able if crowds[host] == min(crowds.values())]

    def room(host: Ref) -> tuple[int, int]:
        return roominess(database, record, host), free_memory(database, host) - taken.get(host, 0)

    return max(able, key=room)


def why_not(database: Database, agents: Agents, vm: Record, host: Ref, taken: int = 0) -> ApiError | None:
    """Why the VM cannot run there; None: it can, as far as the pool knows. `taken`: bytes that are not free."""
    record = database.get("host", host)
    if not agents.alive(host):
        return ApiError("HOST_OFFLINE", host)
    if not record["enabled"]:
        return ApiError("HOST_DISABLED", host)
    for sr in srs_of(database, vm):
        if not attached(database, sr, host):
            return ApiError("VM_REQUIRES_SR", vm.ref, sr)
    for network in _networks(database, vm):
        pifs = [database.get("PIF", pif) for pif in database.get("network", network).refs("PIFs")]
        if pifs and not any(pif["host"] == host for pif in pifs):
            return ApiError("VM_REQUIRES_NETWORK", vm.ref, network)
    if vusbs := vm.refs("VUSBs"):  # no host lends any out
        return ApiError("VM_REQUIRES_VUSB", vm.ref, database.get("VUSB", vusbs[0]).one("USB_group"))
    if vgpus := vm.refs("VGPUs"):  # nor a GPU
        return ApiError("VM_REQUIRES_GPU", vm.ref, database.get("VGPU", vgpus[0]).one("GPU_group"))
    if error := capacity_error(database, vm, host):
        return error
    needed, free = size_of(vm), free_memory(database, host) - taken
    if needed > free:
        return ApiError("HOST_NOT_ENOUGH_FREE_MEMORY", str(needed), str(free))
    return None


def attached(database: Database, sr: Ref, host: Ref) -> bool:
    """Does the host have that SR?"""
    pbds = (database.get("PBD", pbd) for pbd in database.get("SR", sr).refs("PBDs"))
    return any(pbd["host"] == host and pbd["currently_attached"] for pbd in pbds)


def _crowd(database: Database, vm: Record, host: Ref) -> int:
    """How many VMs of its group that keeps apart are there, or on their way."""
    groups = (database.get("VM_group", group) for group in vm.refs("groups"))
    apart = {ref for group in groups if group["placement"] == "anti_affinity" for ref in group.refs("VMs")}
    others = (database.get("VM", ref) for ref in apart - {vm.ref})
    return sum(host in (each["resident_on"], each["scheduled_to_be_resident_on"]) for each in others)


def free_memory(database: Database, host: Ref) -> int:
    """Bytes, without those that are held for VMs that come."""
    metrics = database.find("host_metrics", database.get("host", host).one("metrics"))
    free = 0 if metrics is None else metrics["memory_free"]
    assert isinstance(free, int)
    return free - sum(size_of(vm) for vm in coming(database, host))


def size_of(vm: Record) -> int:
    """Bytes that a host needs for it."""
    wanted = vm["memory_dynamic_max"]
    assert isinstance(wanted, int)
    return wanted + OVERHEAD


def _settle(transaction: Transaction, vm: Ref, host: Ref, came: bool) -> None:
    """What has come has taken its memory, whether or not the host has told so yet."""
    record, metrics = transaction.find("VM", vm), transaction.find("host", host)
    if record is not None:
        transaction.set("VM", vm, {"scheduled_to_be_resident_on": NULL_REF})
    if came and record is not None and metrics is not None:
        free = transaction.get("host_metrics", metrics.one("metrics"))["memory_free"]
        assert isinstance(free, int)
        transaction.set("host_metrics", metrics.one("metrics"), {"memory_free": max(0, free - size_of(record))})


def vdis_of(database: Database, vm: Record) -> Iterator[Ref]:
    """What its disks and drives have, and where its memory is while it is suspended."""
    image = vm.one("suspend_VDI")
    if vm["power_state"] == "Suspended" and database.find("VDI", image) is not None:
        yield image
    for vbd in vm.refs("VBDs"):
        record = database.get("VBD", vbd)
        if not record["empty"] and record["VDI"] != NULL_REF:
            yield record.one("VDI")


def srs_of(database: Database, vm: Record) -> Iterator[Ref]:
    """Of what `vdis_of` names; one may come several times."""
    for vdi in vdis_of(database, vm):
        yield database.get("VDI", vdi).one("SR")


def _networks(database: Database, vm: Record) -> Iterator[Ref]:
    for vif in vm.refs("VIFs"):
        network = database.get("VIF", vif).one("network")
        if network != NULL_REF:
            yield network
