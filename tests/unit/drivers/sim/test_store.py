"""The world on disk outlives the process that simulates it."""

import asyncio
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from xenhost.core.devices import Source, SourceKind, Vbd, Vif
from xenhost.core.errors import HypervisorUnavailable, InvalidValue
from xenhost.core.ids import DevId, VmId
from xenhost.core.units import MIB
from xenhost.core.vm import DirectBoot, Memory, ShutdownReason, VmSpec, VmType
from xenhost.drivers.registry import DriverSettings, make_hypervisor
from xenhost.drivers.sim.config import SimConfig
from xenhost.drivers.sim.driver import SimHypervisor
from xenhost.drivers.sim.store import WorldStore
from xenhost.drivers.sim.world import World

VM = VmId("6a1f4d0e-0000-4000-8000-000000000001")
SPEC = VmSpec(VM, "vm", VmType.PV, DirectBoot("/vmlinuz"), Memory(64 * MIB, 64 * MIB, 64 * MIB))


class WallClock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def driver(directory: Path) -> SimHypervisor:
    return SimHypervisor(World(WallClock(), store=WorldStore(directory)), owns_world=True)


async def test_everything_about_a_domain_is_there_again_after_a_restart(tmp_path: Path) -> None:
    hv = driver(tmp_path)
    await hv.open()
    domid = await hv.create_domain(SPEC)
    await hv.build_domain(domid, SPEC)
    await hv.plug_vbd(domid, Vbd(DevId(51712), Source(SourceKind.FILE, "/disk")))
    await hv.plug_vif(domid, Vif(DevId(0), "00:16:3e:00:00:01", "xenbr0"))
    await hv.unpause_domain(domid)
    before, devices, free = await hv.domain(domid), await hv.devices(domid), (await hv.host()).memory_free
    await hv.close()
    fresh = driver(tmp_path)
    await fresh.open()
    after = await fresh.domain(domid)
    assert before is not None
    assert after is not None
    assert (after.vm, after.memory, after.paused, after.built) == (before.vm, before.memory, before.paused, True)
    assert after.cpu_time_ns >= before.cpu_time_ns
    assert (await fresh.devices(domid), (await fresh.host()).memory_free) == (devices, free)
    await fresh.destroy_domain(domid)
    assert await fresh.create_domain(SPEC) == domid + 1, "a number is not used again at once"
    await fresh.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"domain-{domid + 1}.json", "host.json"]


async def test_a_guest_on_its_way_down_goes_on_after_a_restart(tmp_path: Path) -> None:
    hv = driver(tmp_path)
    await hv.open()
    domid = await hv.create_domain(SPEC)
    await hv.build_domain(domid, SPEC)
    await hv.unpause_domain(domid)
    await hv.request_shutdown(domid, ShutdownReason.POWEROFF, 1)
    await hv.close()
    fresh = driver(tmp_path)
    await fresh.open()
    assert await fresh.wait_stopped(domid) is ShutdownReason.POWEROFF
    await fresh.close()


async def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "domain-1.json").write_text("{")
    with pytest.raises(HypervisorUnavailable, match=r"domain-1\.json"):
        await driver(tmp_path).open()


def test_a_killed_process_leaves_what_its_last_finished_verb_said(tmp_path: Path) -> None:
    program = """
        import asyncio, sys
        from pathlib import Path
        from xenhost.system.clock import SystemClock
        from xenhost.core.ids import VmId
        from xenhost.core.vm import DirectBoot, Memory, VmSpec, VmType
        from xenhost.drivers.sim.driver import SimHypervisor
        from xenhost.drivers.sim.faults import When
        from xenhost.drivers.sim.store import WorldStore
        from xenhost.drivers.sim.world import World

        async def main():
            world = World(SystemClock(), store=WorldStore(Path(sys.argv[1])))
            hv = SimHypervisor(world)
            await hv.open()
            vm = VmSpec(VmId(sys.argv[2]), "vm", VmType.PV, DirectBoot("/k"), Memory(64 << 20, 64 << 20, 64 << 20))
            domid = await hv.create_domain(vm)
            world.faults.kill_process("build_domain", when=When.AFTER)
            await hv.build_domain(domid, vm)

        asyncio.run(main())
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path), VM]
    ended = subprocess.run(command, check=False, timeout=15)
    assert ended.returncode == -9
    last, domains = WorldStore(tmp_path).load()
    assert (last, [domain.built for domain in domains]) == (1, [True])


async def test_the_registry_makes_a_driver_whose_world_lies_in_the_run_directory(tmp_path: Path) -> None:
    settings = DriverSettings(tmp_path, tmp_path, WallClock(), {"cpus": 3, "bridges": ["br7"], "check_paths": False})
    hv = make_hypervisor("sim", settings)
    await hv.open()
    domid = await hv.create_domain(SPEC)
    await hv.plug_vif(domid, Vif(DevId(0), "00:16:3e:00:00:01", "br7"))
    assert (await hv.host()).cpus == 3
    await hv.close()
    assert (tmp_path / "sim" / f"domain-{domid}.json").exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"cpu": 3}, "cpu"),
        ({"cpus": 0}, "cpus"),
        ({"cpus": True}, "cpus"),
        ({"delays": {"boot": 1}}, "delays.boot"),
        ({"delays": {"build": -1}}, "delays.build"),
        ({"bridges": "xenbr0"}, "bridges"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        SimConfig.from_options(options)
    assert caught.value.values["field"] == f"hypervisor.{named}"


def test_an_unknown_driver_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="xen, sim"):
        make_hypervisor("kvm", DriverSettings(tmp_path, tmp_path, WallClock()))
