"""Who this host is: a UUID that is made once and kept with the journal, and one for each boot."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from uuid import UUID, uuid4

from xenhost.agent.engine.engine import STORE
from xenhost.agent.engine.startup import HOST_ID

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells this host, and this run of it, from all others."""

    host_id: str
    boot_id: str

    @classmethod
    def read(cls, state_dir: Path) -> Self:
        """From this machine. Blocks."""
        return cls(_host_id(state_dir / STORE), BOOT_ID.read_text().strip())


def _host_id(store: Path) -> str:
    """The UUID in the engine's store, or a new one for the engine to keep there.

    A store that cannot be read is the engine's to report: it does not start with it.
    """
    try:
        db = sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True, timeout=10)
        try:
            row = db.execute("SELECT value FROM meta WHERE key = ?", (HOST_ID,)).fetchone()
        finally:
            db.close()
        return str(UUID(row[0]))
    except (sqlite3.Error, TypeError, ValueError):
        return str(uuid4())
