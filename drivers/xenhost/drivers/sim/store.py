"""The world on disk: a directory with one JSON file for each domain, replaced atomically.

It lives below the run directory, and so as long as the host is up: what Xen and xenstore are to the real driver.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from xenhost.core.errors import HypervisorUnavailable
from xenhost.drivers.sim.domain import SimDomain


class WorldStore:
    """Reads and writes the directory. Blocking: call it in a thread."""

    def __init__(self, directory: Path) -> None:
        self._directory: Final = directory
        self.screens: Final = directory / "screens"
        """Where sockets of screens lie."""

    def load(self) -> tuple[int, list[SimDomain]]:
        """The last domid given, and every domain. Raises HypervisorUnavailable if a file is damaged."""
        last, domains = 0, []
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(self._directory.glob("*.json")):
            try:
                record: dict[str, Any] = json.loads(path.read_bytes())
                if path.name == "host.json":
                    last = int(record["last_domid"])
                else:
                    domains.append(SimDomain.from_json(record))
            except (ValueError, KeyError, TypeError, OSError) as error:
                message = f"{path} is not a record of the simulated host ({error}); remove it"
                raise HypervisorUnavailable(message, msg=message) from error
        return max([last, *(domain.domid for domain in domains)]), domains

    def write(self, records: Mapping[str, dict[str, Any] | None]) -> None:
        """Replace the named records; None removes one. Each is either old or new whenever this process ends."""
        for name, record in records.items():
            path = self._directory / f"{name}.json"
            if record is None:
                path.unlink(missing_ok=True)
                continue
            fresh = path.with_suffix(".new")
            fresh.write_text(json.dumps(record, separators=(",", ":")))
            os.replace(fresh, path)
