"""The drivers there are, by name. Nothing of a driver is imported before it is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Final

from xenhost.core.clock import Clock
from xenhost.core.errors import InvalidValue
from xenhost.core.ports.hypervisor import Hypervisor
from xenhost.core.ports.network import VifSwitch

HYPERVISORS: Final[Mapping[str, str]] = {
    "xen": "xenhost.drivers.xen.factory:make_hypervisor",
    "sim": "xenhost.drivers.sim.factory:make_hypervisor",
}
"""Name in the configuration -> "module:factory". A factory takes DriverSettings, and does no I/O."""


@dataclass(frozen=True, slots=True)
class DriverSettings:
    """What a driver may know of the process it runs in."""

    run_dir: Path
    """`/run/xenhost`: sockets, and records that live as long as the host is up."""
    log_dir: Path
    """`/var/log/xenhost`: logs of helper processes."""
    clock: Clock
    options: Mapping[str, object] = field(default_factory=dict)
    """The driver's own table of the configuration file; it refuses unknown keys."""
    switch: VifSwitch | None = None
    """Where VIFs are plugged in; None (a simulated host): bridges that are only names."""


def make_hypervisor(name: str, settings: DriverSettings) -> Hypervisor:
    """A new, unopened driver. Raises InvalidValue for an unknown name or option."""
    entry = HYPERVISORS.get(name)
    if entry is None:
        raise InvalidValue(
            f"{name!r:.40} is not a hypervisor driver; use one of {', '.join(HYPERVISORS)}",
            field="hypervisor",
            value=name[:40],
        )
    module, _, factory = entry.partition(":")
    make: Callable[[DriverSettings], Hypervisor] = getattr(import_module(module), factory)
    return make(settings)
