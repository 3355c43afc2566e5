"""What the simulated host is like."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Final, Self

from xenhost.core.errors import InvalidValue
from xenhost.core.units import GIB

MAX_CARDS: Final = 256


@dataclass(frozen=True, slots=True)
class Delays:
    """How long things take, in seconds. All zero by default: then nothing waits, and runs are deterministic."""

    create: float = 0.0
    build: float = 0.0
    plug: float = 0.0
    """Until a backend is ready."""
    connect: float = 0.0
    """From there, in a running guest, until its frontend is."""
    release: float = 0.0
    """Until a running guest lets a device go."""
    acknowledge: float = 0.0
    """Until a guest acknowledges a request to shut down."""
    stop: float = 0.0
    """From there until it has stopped."""
    balloon: float = 0.0
    """Until a guest follows a new memory target or number of vCPUs."""
    emulator: float = 0.0
    destroy: float = 0.0


@dataclass(frozen=True, slots=True)
class SimConfig:
    """The host: its size, and what its devices may be."""

    name: str = "sim-host"
    cpus: int = 8
    memory_total: int = 64 * GIB
    memory_dom0: int = 1 * GIB
    bridges: frozenset[str] = frozenset({"xenbr0"})
    cards: int = 4
    """Network cards: eth0, eth1..."""
    sriov: int = 0
    """Virtual functions that each card can have."""
    check_paths: bool = False
    """Kernels, files and block devices must exist in this machine, and none may be written by two VBDs."""
    delays: Delays = Delays()

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> Self:
        """From the driver's table in the configuration file. Raises InvalidValue that names the key."""
        config = cls(check_paths=True)
        for key, value in options.items():
            if key == "delays" and isinstance(value, Mapping):
                config = replace(config, delays=_delays(value))
            elif key == "bridges" and isinstance(value, list) and all(isinstance(name, str) for name in value):
                config = replace(config, bridges=frozenset(value))
            elif key == "cpus" and type(value) is int and value > 0:
                config = replace(config, cpus=value)
            elif key == "cards" and type(value) is int and 0 <= value <= MAX_CARDS:
                config = replace(config, cards=value)
            elif key == "sriov" and type(value) is int and 0 <= value <= MAX_CARDS:
                config = replace(config, sriov=value)
            elif key == "memory_total" and type(value) is int and value > 0:
                config = replace(config, memory_total=value)
            elif key == "memory_dom0" and type(value) is int and value > 0:
                config = replace(config, memory_dom0=value)
            elif key == "name" and isinstance(value, str) and value:
                config = replace(config, name=value)
            elif key == "check_paths" and isinstance(value, bool):
                config = replace(config, check_paths=value)
            else:
                raise _invalid(key, value, "; known: " + ", ".join(each.name for each in fields(cls)))
        return config


def _delays(table: Mapping[object, object]) -> Delays:
    delays = Delays()
    known = {each.name for each in fields(Delays)}
    for key, value in table.items():
        if key not in known or isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise _invalid(f"delays.{key}", value, "; known: " + ", ".join(sorted(known)) + ", in seconds")
        delays = replace(delays, **{str(key): float(value)})
    return delays


def _invalid(key: str, value: object, known: str) -> InvalidValue:
    return InvalidValue(
        f"option {key} of the simulated hypervisor cannot be {value!r:.100}{known}",
        field=f"hypervisor.{key}",
        value=f"{value!s:.100}",
    )
