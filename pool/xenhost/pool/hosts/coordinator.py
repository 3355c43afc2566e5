"""Which host the pool master runs on."""

from xenhost.pool.call import NULL_REF, Ref
from xenhost.pool.database.database import Database


def master_host(database: Database) -> Ref:
    """That of the pool's record, once it is known."""
    pool = next(iter(database.rows("pool").values()), None)
    if pool is not None and pool["master"] != NULL_REF:
        return pool.one("master")
    return next(iter(database.rows("host")), NULL_REF)
