"""How `xenhostd` makes the simulated network: with a world that survives it, below the run directory."""

from xenhost.core.network import SwitchKind
from xenhost.drivers.network.registry import NetworkDrivers, NetworkDriverSettings
from xenhost.drivers.sim.config import SimConfig
from xenhost.drivers.sim.network.addresses import SimAddresses
from xenhost.drivers.sim.network.nics import SimNics
from xenhost.drivers.sim.network.store import NetworkStore
from xenhost.drivers.sim.network.switch import SimSwitch
from xenhost.drivers.sim.network.world import NetworkLife, NetworkWorld, SimNetworkConfig


def make_network(settings: NetworkDriverSettings) -> NetworkDrivers:
    """Unopened. Raises InvalidValue for an unknown option."""
    host = SimConfig.from_options(settings.options)
    config = SimNetworkConfig(host.cards, tuple(sorted(host.bridges)), sriov=host.sriov)
    world = NetworkWorld(config, NetworkStore(settings.run_dir / "sim.json"))
    return drivers(NetworkLife(world))


def drivers(life: NetworkLife) -> NetworkDrivers:
    """The ports on a world, for one life of an agent."""

    def make_switch(kind: SwitchKind) -> SimSwitch:
        return SimSwitch(life, kind)

    return NetworkDrivers(make_switch, SimAddresses(life), SimNics(life))
