"""How a file of an older version becomes one of today: one step for each number, in one transaction."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

Step = Callable[[sqlite3.Connection], None]
"""Takes a file from one number to the next."""


def _first(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE object(ref TEXT PRIMARY KEY, class TEXT NOT NULL, body TEXT NOT NULL)")


STEPS: Final[Sequence[Step]] = (_first,)
"""Only ever added to. What fields mean changes here; that there are more of them needs no step (see codec)."""

SCHEMA: Final = len(STEPS)


def upgrade(db: sqlite3.Connection, version: int, steps: Sequence[Step] = STEPS) -> None:
    """Do the steps that the file has not seen. It is as before if one fails. Raises sqlite3.Error."""
    if version == len(steps):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        for step in steps[version:]:
            step(db)
        db.execute(f"PRAGMA user_version = {len(steps)}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
