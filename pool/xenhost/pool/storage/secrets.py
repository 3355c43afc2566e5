"""Passwords that are in secrets of the pool: storage plugins of XenServer find them by UUID, agents are told."""

from collections.abc import Mapping

from xenhost.pool.call import Value
from xenhost.pool.database.database import Database


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
