"""Networks of a host where we manage none."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from xenhost.core.devices import Vif
from xenhost.core.network import VifNetwork
from xenhost.core.ports.network import FunctionsTaken


class ForeignBridges:
    """Bridges that others made. Implements core.ports.network.Networks."""

    async def ready(self, bridge: str) -> VifNetwork:
        """Whether it is there is found when a VIF is put on it."""
        return VifNetwork("")

    def has_functions(self, bridge: str) -> bool:
        """Bridges have none."""
        return False

    def function(self, vif: Vif, taken: FunctionsTaken) -> AbstractAsyncContextManager[Vif]:
        """Never asked for."""
        raise NotImplementedError(vif.bridge)

    async def give_back(self, function: str, taken: FunctionsTaken) -> None:
        """None was given."""

    def find(self, untrusted_network: str) -> str:
        """A bridge has no name but its own."""
        return untrusted_network

    def watch(self, on_change: Callable[[str], None]) -> None:
        """Nothing ever changes."""
