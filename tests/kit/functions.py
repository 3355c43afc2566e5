"""Networks as the VM engine sees them, one of them of virtual functions: what these are set to outlives the agents."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from xenhost.agent.network.foreign import ForeignBridges
from xenhost.core.devices import Vif
from xenhost.core.network_errors import NetworkSriovInsufficientCapacity
from xenhost.core.ports.network import FunctionsTaken

FAST: Final = "fast"
"""Bridge of the network of virtual functions."""


@dataclass(slots=True)
class Card:
    """It has three functions."""

    addresses: dict[str, str] = field(default_factory=lambda: {f"0000:03:10.{number}": "" for number in range(3)})
    """MAC that each is set to, by PCI address."""


class OneCard(ForeignBridges):
    """The port, for one life of the agent."""

    def __init__(self, card: Card) -> None:
        self._card: Final = card
        self._promised: Final[set[str]] = set()

    def has_functions(self, bridge: str) -> bool:
        """That one."""
        return bridge == FAST

    @asynccontextmanager
    async def function(self, vif: Vif, taken: FunctionsTaken) -> AsyncIterator[Vif]:
        """The first that is free."""
        busy = {*await taken(), *self._promised}
        found = next((function for function in self._card.addresses if function not in busy), None)
        if found is None:
            raise NetworkSriovInsufficientCapacity("none is free", network=FAST)
        self._promised.add(found)
        self._card.addresses[found] = vif.mac
        try:
            yield replace(vif, function=found)
        finally:
            self._promised.discard(found)

    async def give_back(self, function: str, taken: FunctionsTaken) -> None:
        """See Networks."""
        if function not in await taken():
            self._card.addresses[function] = ""
