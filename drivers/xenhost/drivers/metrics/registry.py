"""The meters there are, by hypervisor driver. Nothing of a driver is imported before it is asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Final

from xenhost.core.clock import Clock
from xenhost.core.ports.hypervisor import Hypervisor
from xenhost.core.ports.metrics import Meter, SrSpaces

_DOM0: Final = "xenhost.drivers.metrics.dom0"
_SIM: Final = "xenhost.drivers.sim.meters"


@dataclass(frozen=True, slots=True)
class MeterSettings:
    """What meters may know of the process they run in. The functions are called in the sampler's thread."""

    clock: Clock
    hypervisor: Hypervisor
    """The simulated one is what its meters measure."""
    spaces: SrSpaces = field(default=dict)
    """How full SRs are."""
    bonds: Callable[[], Mapping[str, Sequence[str]]] = field(default=dict)
    """Bonds that only the switch knows, as Open vSwitch's, and their members."""


def make_meters(hypervisor: str, settings: MeterSettings) -> Sequence[Meter]:
    """Those of dom0, or those of the simulated host; for one thread at a time. Does no I/O."""
    make: Callable[[MeterSettings], Sequence[Meter]]
    make = import_module(_SIM if hypervisor == "sim" else _DOM0).make_meters
    return make(settings)
