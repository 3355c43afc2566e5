"""What an agent refuses, as the API says it: agents name objects by UUID, the API by reference."""

from collections.abc import Mapping
from typing import Final

from xenhost.core.errors import XenhostError
from xenhost.pool.call import ApiError
from xenhost.pool.database.database import Database

_CLASSES: Final[Mapping[str, str]] = {"sr": "SR", "vdi": "VDI", "vm": "VM", "PIF": "PIF", "network": "network"}
"""By the name of a field of errors."""
_NAMED: Final = frozenset({"handle", "object", "ref"})
"""Fields that name an object of the class that the field before them names."""


def refusal(database: Database, error: XenhostError) -> ApiError:
    """With references of the objects that the pool knows; what it does not know stays as the agent named it."""
    params: list[str] = []
    for field, value in error.values.items():
        cls = params[-1] if field in _NAMED and params else _CLASSES.get(field, "")
        params.append(_ref(database, cls, value))
    return ApiError(error.reason, *params)


def _ref(database: Database, cls: str, uuid: str) -> str:
    if cls not in database.model.stored:
        return uuid
    try:
        return database.by_uuid(cls, uuid)
    except ApiError:
        return uuid
