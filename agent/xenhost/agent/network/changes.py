"""From what is wanted and what is asked to what is wanted then. Nothing here acts."""

from collections.abc import Callable

from xenhost.agent.network.facts import Facts
from xenhost.core.network_records import Intent
from xenhost.core.network_requests import NetworkRequest


def normal(request: NetworkRequest, new_id: Callable[[], str]) -> NetworkRequest:
    """The same with all ids filled in, values checked. Raises InvalidValue, UuidInvalid and the errors of values."""
    raise NotImplementedError


def changed(intent: Intent, request: NetworkRequest, facts: Facts) -> Intent:
    """What is wanted once the request is fulfilled. The request is normal. Raises the errors of networking.

    With the same arguments the result is the same; applied to its own result it raises or changes nothing.
    """
    raise NotImplementedError
