"""Passwords that are in secrets of the pool: storage plugins of XenServer find them by UUID, agents are told.

And disks that have all of them: those that hold the database of a pool.
"""

from collections.abc import Mapping

from xenhost.pool.call import NULL_REF, ApiError, Context, Role, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record


def opened(database: Database, device_config: Mapping[str, Value]) -> dict[str, str]:
    """With `password` for `password_secret`, and the like. Raises ApiError UUID_INVALID if there is no such secret."""
    found: dict[str, str] = {}
    for key, value in device_config.items():
        stem = key.removesuffix("_secret")
        if stem != key and "password" in stem:
            secret = database.get("secret", database.by_uuid("secret", str(value)))
            found[stem] = str(secret["value"])
        else:
            found[key] = str(value)
    return found


def check_content(context: Context, vdi: Record) -> None:
    """May the caller read and write what is in it? Raises ApiError VDI_INCOMPATIBLE_TYPE, of a database of a pool."""
    may = context.superuser or context.session == NULL_REF or Role.POOL_ADMIN in context.roles
    if vdi["type"] == "metadata" and not may:
        raise ApiError("VDI_INCOMPATIBLE_TYPE", vdi.ref, "metadata")
