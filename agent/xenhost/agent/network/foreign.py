"""Networks of a host where we manage none."""

from collections.abc import Callable

from xenhost.core.network import VifNetwork


class ForeignBridges:
    """Bridges that others made. Implements core.ports.network.Networks."""

    async def ready(self, bridge: str) -> VifNetwork:
        """Whether it is there is found when a VIF is put on it."""
        return VifNetwork("")

    def find(self, untrusted_network: str) -> str:
        """A bridge has no name but its own."""
        return untrusted_network

    def watch(self, on_change: Callable[[str], None]) -> None:
        """Nothing ever changes."""
