"""Who this host is: a UUID that is made once and kept with the journal."""

import sqlite3
from pathlib import Path
from uuid import UUID, uuid4

from xenhost.agent.engine.engine import STORE
from xenhost.agent.engine.startup import HOST_ID


def host_identity(state_dir: Path) -> str:
    """The UUID in the engine's store, or a new one for the engine to keep there. Blocks.

    A store that cannot be read is the engine's to report: it does not start with it.
    """
    try:
        db = sqlite3.connect(f"file:{(state_dir / STORE).absolute()}?mode=ro", uri=True, timeout=10)
        try:
            row = db.execute("SELECT value FROM meta WHERE key = ?", (HOST_ID,)).fetchone()
        finally:
            db.close()
        return str(UUID(row[0]))
    except (sqlite3.Error, TypeError, ValueError):
        return str(uuid4())
