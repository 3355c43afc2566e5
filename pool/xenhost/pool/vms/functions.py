"""Networks of virtual functions (SR-IOV), as far as VMs have to do with them. Pure."""

from collections import Counter

from xenhost.pool.call import NULL_REF, ApiError, Ref
from xenhost.pool.database.record import Record
from xenhost.pool.vms.reader import Reader


def sriov_of(read: Reader, network: Ref, host: Ref | None = None) -> Record | None:
    """Whose functions its VIFs are, on that host or on any; None: they are on a bridge."""
    record = read.find("network", network)
    for ref in () if record is None else record.refs("PIFs"):
        pif = read.get("PIF", ref)
        if host not in (None, pif["host"]):
            continue
        vlan = pif.one("VLAN_master_of")
        logical = pif if vlan == NULL_REF else read.get("PIF", read.get("VLAN", vlan).one("tagged_PIF"))
        for sriov in logical.refs("sriov_logical_PIF_of"):
            return read.get("network_sriov", sriov)
    return None


def capacity_error(read: Reader, vm: Record, host: Ref) -> ApiError | None:
    """Why the VM's VIFs cannot all have functions there; None: they can, as far as the pool knows."""
    wanted: Counter[Ref] = Counter()
    for vif in vm.refs("VIFs"):
        network = read.get("VIF", vif).one("network")
        sriov = sriov_of(read, network, host)
        if sriov is not None:
            wanted[sriov.ref] += 1
            if wanted[sriov.ref] > free(sriov):
                return ApiError("NETWORK_SRIOV_INSUFFICIENT_CAPACITY", network)
    return None


def roominess(read: Reader, vm: Record, host: Ref) -> int:
    """How many functions are free there on the first of the VM's networks that has any, 0 if none has."""
    found = (sriov_of(read, read.get("VIF", vif).one("network"), host) for vif in vm.refs("VIFs"))
    return next((free(sriov) for sriov in found if sriov is not None), 0)


def free(sriov: Record) -> int:
    """How many functions no VIF has, as its host has told."""
    remaining = sriov.value("remaining")
    assert isinstance(remaining, int)
    return remaining
