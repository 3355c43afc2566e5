"""The contract suite of meters: what those of every hypervisor driver promise, executed.

A binding makes a `MeterGround` with a guest that runs, and runs every promise of `PROMISES` on it.
"""

import asyncio
import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from xenhost.core.metrics import HOST, Owner, OwnerKind, Reading, Source, SourceType
from xenhost.core.ports.metrics import Meter, MeteredDisk, MeteredVm
from xenhost.drivers.metrics.catalog import CATALOG, VBD, Kind


@dataclass(frozen=True, slots=True)
class MeterGround:
    """Meters, and one guest that runs with the disk xvda and the card 0. It has two vCPUs and a guest agent."""

    meters: Sequence[Meter]
    vm: MeteredVm
    now: Callable[[], float]
    cpus: int
    """Of the host."""
    pause: Callable[[], Awaitable[None]]
    unplug_disk: Callable[[], Awaitable[None]]
    destroy: Callable[[], Awaitable[None]]
    step: float = 0.2
    """Seconds between two readings."""

    @property
    def owner(self) -> Owner:
        """The guest."""
        return Owner(OwnerKind.VM, self.vm.uuid)

    async def read(self, *vms: MeteredVm) -> Sequence[Reading]:
        """All meters once, in a thread as the sampler has one."""
        await asyncio.sleep(self.step)
        now = self.now()
        return [
            reading for meter in self.meters for reading in await asyncio.to_thread(meter.read, now, vms or (self.vm,))
        ]

    async def values(self, *vms: MeteredVm) -> Mapping[tuple[Owner, str], float]:
        """By owner and name."""
        return flat(await self.read(*vms))


Promise = Callable[[MeterGround], Awaitable[None]]

HOST_NAMES: Final = {
    *("cpu0", "cpu_avg", "loadavg", "hostload", "running_vcpus", "running_domains"),
    *("memory_total_kib", "memory_free_kib", "memory_reclaimed", "memory_reclaimed_max"),
    *("pif_aggr_rx", "pif_aggr_tx", "xapi_memory_usage_kib", "xapi_open_fds", "xenhostd_cpu"),
}
VM_NAMES: Final = {
    *("cpu0", "cpu1", "cpu_usage", "runnable_any", "runnable_vcpus"),
    *("runstate_fullrun", "runstate_full_contention", "runstate_concurrency_hazard"),
    *("runstate_blocked", "runstate_partial_run", "runstate_partial_contention"),
    *("memory", "memory_target", "memory_internal_free"),
    *("vif_0_rx", "vif_0_tx", "vif_0_rx_errors", "vif_0_tx_errors"),
    *(f"vbd_xvda_{key}" for key in ("read", "write", "read_latency", "write_latency", "latency", "avgqu_sz")),
    *(f"vbd_xvda_io_throughput_{key}" for key in ("read", "write", "total")),
    *(f"vbd_xvda_iops_{key}" for key in ("read", "write", "total")),
    *("vbd_xvda_iowait", "vbd_xvda_inflight"),
}


def flat(readings: Sequence[Reading]) -> dict[tuple[Owner, str], float]:
    """By owner and name, each once."""
    found: dict[tuple[Owner, str], float] = {}
    for reading in readings:
        for source, value in zip(reading.sources, reading.values, strict=True):
            assert (source.owner, source.name) not in found, source
            found[source.owner, source.name] = value
    return found


def kind_of(source: Source) -> Kind:
    """Its line in the catalog. Raises AssertionError if it has none."""
    found = [
        kind
        for _, kinds in CATALOG
        for kind in kinds
        if kind.owner is source.owner.kind and re.fullmatch(re.escape(kind.pattern).replace(r"\{\}", ".+"), source.name)
    ]
    assert found, f"{source.name} is in no catalog"
    return max(found, key=lambda kind: len(kind.pattern))


async def a_reading_is_of_one_owner_and_each_owner_has_one_of_a_meter(ground: MeterGround) -> None:
    for meter in ground.meters:
        readings = await asyncio.to_thread(meter.read, ground.now(), [ground.vm])
        owners = [{source.owner for source in reading.sources} for reading in readings]
        assert all(len(each) == 1 for each in owners), meter.name
        assert len(set.union(set(), *owners)) == len(owners), meter.name


async def everything_is_there(ground: MeterGround) -> None:
    await ground.read()
    names = set(await ground.values())
    missing = {name for name in HOST_NAMES if (HOST, name) not in names}
    missing |= {name for name in VM_NAMES if (ground.owner, name) not in names}
    assert not missing
    assert {name for owner, name in names if owner == HOST and re.fullmatch(r"cpu\d+", name)} == {
        f"cpu{cpu}" for cpu in range(ground.cpus)
    }


async def sources_are_what_the_catalog_says(ground: MeterGround) -> None:
    for reading in await ground.read():
        for source in reading.sources:
            kind = kind_of(source)
            told = (source.type, source.value_type, source.units, source.min, source.max, source.default)
            assert told == (kind.type, kind.value_type, kind.units, kind.min, kind.max, kind.default), source


async def sources_are_the_same_object_while_nothing_changes(ground: MeterGround) -> None:
    await ground.read()
    first, second = await ground.read(), await ground.read()
    assert [id(each.sources) for each in first] == [id(each.sources) for each in second]


async def values_keep_their_bounds_and_counters_do_not_fall(ground: MeterGround) -> None:
    await ground.read()
    first, second = await ground.read(), await ground.read()
    before = flat(first)
    for reading in second:
        for source, value in zip(reading.sources, reading.values, strict=True):
            if source.type is SourceType.DERIVE:
                assert value >= before[source.owner, source.name], source
            elif not math.isnan(value):
                assert source.min <= value <= source.max, (source, value)


async def a_disk_and_a_card_are_known_after_two_readings(ground: MeterGround) -> None:
    await ground.read()
    values = await ground.values()
    unknown = [name for (owner, name), value in values.items() if owner == ground.owner and math.isnan(value)]
    assert not unknown


async def an_sr_is_the_sum_of_its_disks(ground: MeterGround) -> None:
    disk = replace(ground.vm.disks[0], sr="5e5e5e5e-0000-4000-8000-000000000001")
    vm = replace(ground.vm, disks=(disk,))
    await ground.read(vm)
    first, second = await ground.values(vm), await ground.values(vm)
    for key in ("read", "write"):
        name = f"{key}_5e5e5e5e"
        assert second[HOST, name] - first[HOST, name] == (
            second[ground.owner, f"vbd_xvda_{key}"] - first[ground.owner, f"vbd_xvda_{key}"]
        )
    for kind in VBD:
        key = kind.pattern.removeprefix("vbd_{}_")
        sr, vbd = second[HOST, f"{key}_5e5e5e5e"], second[ground.owner, f"vbd_xvda_{key}"]
        assert kind.type is SourceType.DERIVE or sr == vbd or (math.isnan(sr) and math.isnan(vbd)), key


async def what_is_not_there_harms_nothing(ground: MeterGround) -> None:
    gone = MeteredVm("00000000-0000-4000-8000-00000000dead", 32000, (MeteredDisk(51712, "xvda", ""),), (0, 1))
    odd = replace(ground.vm, disks=(*ground.vm.disks, MeteredDisk(51984, "xvdr", "")), vifs=(0, 9))
    await ground.read(odd, gone)
    values = await ground.values(odd, gone)
    assert {name for name in VM_NAMES if (ground.owner, name) not in values} == set()
    assert math.isnan(values[ground.owner, "vif_9_rx"])
    assert not [name for owner, name in values if owner == ground.owner and "xvdr" in name]
    other = {name: value for (owner, name), value in values.items() if owner.uuid == gone.uuid}
    assert all(math.isnan(value) for value in other.values()), other


async def of_a_vm_that_is_not_asked_for_nothing_is_told(ground: MeterGround) -> None:
    await ground.read()
    now = ground.now()
    readings = [each for meter in ground.meters for each in await asyncio.to_thread(meter.read, now, ())]
    assert {owner.kind for owner, _ in flat(readings)} <= {OwnerKind.HOST, OwnerKind.SR}


async def a_paused_vm_tells_nothing_of_its_memory(ground: MeterGround) -> None:
    before = await ground.values()
    await ground.pause()
    after = await ground.values()
    assert not [name for owner, name in after if owner == ground.owner and name.startswith("memory")]
    assert after[HOST, "running_domains"] == before[HOST, "running_domains"] - 1
    again = await ground.values()
    assert again[ground.owner, "cpu0"] == after[ground.owner, "cpu0"]


async def a_disk_that_is_unplugged_takes_its_sources_along(ground: MeterGround) -> None:
    await ground.read()
    await ground.unplug_disk()
    values = await ground.values(replace(ground.vm, disks=()))
    assert not [name for owner, name in values if owner == ground.owner and name.startswith("vbd")]
    assert (ground.owner, "cpu0") in values


async def a_vm_that_went_since_it_was_listed_is_left_out(ground: MeterGround) -> None:
    await ground.read()
    await ground.destroy()
    values = await ground.values()
    ours = {name: value for (owner, name), value in values.items() if owner == ground.owner}
    assert not [name for name in ours if name.startswith(("cpu", "memory"))]
    assert all(math.isnan(value) for name, value in ours.items() if name.startswith("vif"))
    assert (HOST, "cpu_avg") in values


PROMISES: Final[tuple[Promise, ...]] = (
    a_reading_is_of_one_owner_and_each_owner_has_one_of_a_meter,
    everything_is_there,
    sources_are_what_the_catalog_says,
    sources_are_the_same_object_while_nothing_changes,
    values_keep_their_bounds_and_counters_do_not_fall,
    a_disk_and_a_card_are_known_after_two_readings,
    an_sr_is_the_sum_of_its_disks,
    what_is_not_there_harms_nothing,
    of_a_vm_that_is_not_asked_for_nothing_is_told,
    a_paused_vm_tells_nothing_of_its_memory,
    a_disk_that_is_unplugged_takes_its_sources_along,
    a_vm_that_went_since_it_was_listed_is_left_out,
)
"""Those that change the guest come last, in the order in which one guest can be used for all of them."""
