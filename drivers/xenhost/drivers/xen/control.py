"""Adjusting a domain that runs: pause, vCPUs, scheduling, memory."""

import asyncio
import errno
from collections.abc import Mapping, Sequence
from typing import Final

from xenhost.core.errors import InvalidValue, NotImplementedHere, OperationNotAllowed
from xenhost.core.ids import DomId
from xenhost.core.units import MIB, kib
from xenhost.core.vm import Vcpus, VmType
from xenhost.drivers.xen import paths, tree
from xenhost.drivers.xen.hypercalls import Hypercalls
from xenhost.drivers.xen.observed import domain_type
from xenhost.native.xen_types import DomainInfo, SchedParams
from xenhost.native.xenctrl import Xenctrl, XenctrlError
from xenhost.native.xenstore import Transaction, Xenstore
from xenhost.native.xenstore_types import Batch

_MAX_PAUSES: Final = 64
"""Pauses that are undone at most: other tools count their own."""
_DEFAULTS: Final = Vcpus()


async def pause(xen: Hypercalls, info: DomainInfo) -> None:
    """Stop its vCPUs. No-op if it is paused."""
    if not info.paused:
        await xen.run(Xenctrl.pause, info.domid)


async def unpause(xen: Hypercalls, info: DomainInfo) -> None:
    """Let its vCPUs run, however often it was paused."""
    if info.paused:
        await xen.run(_unpause_wholly, info.domid)


def _unpause_wholly(xen: Xenctrl, domid: int) -> None:
    for _ in range(_MAX_PAUSES):
        try:
            xen.unpause(domid)
        except XenctrlError as error:
            if error.errno == errno.EINVAL:  # it is not paused: another tool was quicker
                return
            raise
        info = xen.domain(domid)
        if info is None or not info.paused:
            return


async def set_vcpus(xs: Xenstore, info: DomainInfo, online: int) -> None:
    """Tell the guest how many of its vCPUs to use."""
    # A domain's max_vcpus counts those that Xen has allocated: all of them, once it is built
    if not 1 <= online <= info.max_vcpus:
        raise InvalidValue(
            f"{online} vCPUs are not 1 to {info.max_vcpus}, the most this domain may have",
            field="vcpus.online",
            value=str(online),
        )
    if domain_type(info) is VmType.HVM:
        raise NotImplementedHere("vCPUs of a running HVM guest cannot be changed", function="set_vcpus")
    await xs.write_many(tree.vcpus_online(DomId(info.domid), info.max_vcpus, online))


async def set_vm_data(xs: Xenstore, domid: DomId, data: Mapping[str, str]) -> None:
    """Replace what the guest finds there, in one transaction."""
    home = paths.home(domid)

    async def write(transaction: Transaction) -> None:
        await transaction.rm(f"{home}/vm-data")
        batch = Batch()
        for key, value in data.items():
            batch.write(f"{home}/{key}", value)
        await transaction.apply(batch)

    await xs.transact(write)


def wants_scheduling(vcpus: Vcpus) -> bool:
    """Whether anything differs from what Xen gives a new domain."""
    return (vcpus.weight, vcpus.cap) != (_DEFAULTS.weight, _DEFAULTS.cap) or any(vcpus.affinity)


async def set_scheduling(xen: Hypercalls, info: DomainInfo, vcpus: Vcpus) -> None:
    """Weight, cap and hard affinity, for all vCPUs. Raises OperationNotAllowed, InvalidValue."""
    try:
        await xen.run(_schedule, info, vcpus)
    except XenctrlError as error:
        if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP):
            why = "Xen's scheduler has no weights and caps"
            raise OperationNotAllowed(why, reason_text=why) from error
        if error.errno == errno.EINVAL and error.call == "domctl:setvcpuaffinity":
            raise InvalidValue(
                "none of the physical CPUs of an affinity exists",
                field="vcpus.affinity",
                value=str(vcpus.affinity)[:100],
            ) from error
        raise


def _schedule(xen: Xenctrl, info: DomainInfo, vcpus: Vcpus) -> None:
    xen.set_sched_params(info.domid, SchedParams(weight=vcpus.weight, cap=vcpus.cap))
    everywhere = range(xen.physinfo().max_cpu_id + 1)
    for vcpu in range(info.max_vcpus):
        wanted: Sequence[int] = vcpus.affinity[vcpu] if vcpu < len(vcpus.affinity) else ()
        xen.set_affinity(info.domid, vcpu, hard=wanted or everywhere)


async def set_memory_target(xs: Xenstore, xen: Hypercalls, info: DomainInfo, target: int) -> None:
    """Tell the balloon driver its target in bytes (video memory included), and have Xen hold the guest to it."""
    domid = DomId(info.domid)
    node = f"{paths.home(domid)}/memory"
    limit, video = await xs.read_many((f"{node}/static-max", f"{node}/videoram"))
    static_max = _kib_node(limit)
    if not MIB <= target <= (static_max or target):
        raise InvalidValue(
            f"a memory target of {target} bytes is not 1 MiB to {static_max}, the static maximum",
            field="memory.target",
            value=str(target),
        )
    slack = MIB if domain_type(info) is VmType.PV else 2 * MIB
    # Both at once: Xen first only matters to a guest that grows within these microseconds, and it tries again
    await asyncio.gather(
        xen.run(_limit, info, target, slack),
        xs.write(paths.memory_target(domid), str(kib(target - _kib_node(video)))),
    )


def _limit(xen: Xenctrl, info: DomainInfo, target: int, slack: int) -> None:
    xen.set_max_memory(info.domid, target + slack)
    if info.hvm:  # no-op once all of its memory is populated
        xen.set_pod_target(info.domid, target)


def _kib_node(value: object) -> int:
    """Bytes out of one of our own memory nodes; 0 if it is absent."""
    return int(value) * 1024 if isinstance(value, bytes) and value.isdigit() else 0
