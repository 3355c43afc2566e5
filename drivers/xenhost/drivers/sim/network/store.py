"""The network of the simulated host on disk, for agents that get killed: one JSON file, replaced atomically."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from xenhost.core.network import IpPlan, Topology
from xenhost.core.network_errors import SwitchUnavailable
from xenhost.core.record import BadRecord, decode, encode


@dataclass(frozen=True, slots=True)
class StoredWorld:
    """What survives the agent, as it does in a kernel."""

    topology: Topology = field(default_factory=Topology)
    """Bridges of ours."""
    plan: IpPlan = field(default_factory=IpPlan)
    vifs: Mapping[str, str] = field(default_factory=dict)
    """Interface to bridge."""


class NetworkStore:
    """Reads and writes the file. Blocking: call it in a thread."""

    def __init__(self, path: Path) -> None:
        self._path: Final = path

    def load(self) -> StoredWorld | None:
        """None if there is none. Raises SwitchUnavailable if it is damaged."""
        try:
            return decode(StoredWorld, json.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return None
        except (BadRecord, ValueError, OSError) as error:
            message = f"{self._path} is not a record of the simulated network ({error}); remove it"
            raise SwitchUnavailable(message, switch="sim") from error

    def write(self, world: StoredWorld) -> None:
        """Replace it: it is either old or new whenever this process ends."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(encode(world), separators=(",", ":")))
        os.replace(fresh, self._path)
