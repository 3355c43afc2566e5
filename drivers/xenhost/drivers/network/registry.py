"""The network drivers there are. Nothing of a driver is imported before it is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Final

from xenhost.core.clock import Clock
from xenhost.core.network import SslFiles, SwitchKind
from xenhost.core.ports.network import Addresses, Nics, Switch

_DOM0: Final = "xenhost.drivers.network.dom0"
_SIM: Final = "xenhost.drivers.sim.network.factory"


@dataclass(frozen=True, slots=True)
class NetworkDriverSettings:
    """What the drivers may know of the process they run in."""

    run_dir: Path
    """What lives as long as the host is up, such as DHCP clients: `/run/xenhost/network`."""
    state_dir: Path
    """`/var/lib/xenhost/network`: the order of the cards."""
    log_dir: Path
    resolv_conf: Path
    clock: Clock
    controller_keys: SslFiles | None = None
    """Of SDN controllers."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Of the simulated host: its table of the configuration file."""


@dataclass(frozen=True, slots=True)
class NetworkDrivers:
    """The three network ports, unopened."""

    make_switch: Callable[[SwitchKind], Switch]
    addresses: Addresses
    nics: Nics


def make_network(hypervisor: str, settings: NetworkDriverSettings) -> NetworkDrivers:
    """Those of dom0, or those of the simulated host. Does no I/O. Raises InvalidValue for an unknown option."""
    make: Callable[[NetworkDriverSettings], NetworkDrivers]
    make = import_module(_SIM if hypervisor == "sim" else _DOM0).make_network
    return make(settings)
