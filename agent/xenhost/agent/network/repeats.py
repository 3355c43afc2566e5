"""A request that comes again with the same request_id: is it the one that was accepted?"""

from dataclasses import replace
from typing import Any, Final

from xenhost.agent.network.changes.normal import normal
from xenhost.core.errors import XenhostError
from xenhost.core.network_requests import NetworkRequest

CHOSEN: Final = ("id", "master", "untagged", "access", "logical", "network", "seed")
"""Fields that were filled in where the caller had left them empty."""


def same_wish(old: NetworkRequest, untrusted_new: NetworkRequest) -> bool:
    """`old` is normal. What the caller had left out does not count."""
    if type(old) is not type(untrusted_new):
        return False
    filled: dict[str, Any] = {name: getattr(old, name) for name in CHOSEN if getattr(untrusted_new, name, None) == ""}
    try:
        return normal(replace(untrusted_new, **filled), lambda: "") == old
    except XenhostError:
        return False
