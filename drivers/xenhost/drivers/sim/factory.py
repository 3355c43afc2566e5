"""How `xenhostd` makes the simulated hypervisor: with a world that survives it, below the run directory."""

from xenhost.core.ports.hypervisor import Hypervisor
from xenhost.drivers.registry import DriverSettings
from xenhost.drivers.sim.config import SimConfig
from xenhost.drivers.sim.driver import SimHypervisor
from xenhost.drivers.sim.store import WorldStore
from xenhost.drivers.sim.world import World


def make_hypervisor(settings: DriverSettings) -> Hypervisor:
    """Unopened. Raises InvalidValue for an unknown option."""
    config = SimConfig.from_options(settings.options)
    world = World(settings.clock, config, WorldStore(settings.run_dir / "sim"))
    world.switch = settings.switch
    return SimHypervisor(world, owns_world=True)
