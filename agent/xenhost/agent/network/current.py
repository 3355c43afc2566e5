"""The switch in use, for those who keep hold of it: the host may change it while they do."""

from collections.abc import Callable, Sequence
from typing import Final

from xenhost.core.network import BridgeState, ControllerState, Problem, SwitchFeature, SwitchKind, Topology, VifPort
from xenhost.core.ports.network import Switch


class CurrentSwitch:
    """Implements Switch by the one that is in use."""

    def __init__(self, make: Callable[[SwitchKind], Switch], kind: SwitchKind) -> None:
        """Does no I/O. `make` gives an unopened switch."""
        self._make: Final = make
        self._switch = make(kind)
        self._watchers: Final[list[Callable[[], None]]] = []
        self.opened = False

    async def use(self, kind: SwitchKind) -> None:
        """From now on another one, unopened. The old one is closed; what it had made stays."""
        if kind is self.kind:
            return
        await self.close()
        self._switch = self._make(kind)
        for watcher in self._watchers:
            self._switch.watch_bonds(watcher)

    @property
    def kind(self) -> SwitchKind:
        """See Switch."""
        return self._switch.kind

    @property
    def features(self) -> frozenset[SwitchFeature]:
        """See Switch."""
        return self._switch.features

    async def open(self) -> None:
        """See Switch."""
        await self._switch.open()
        self.opened = True

    async def close(self) -> None:
        """See Switch."""
        self.opened = False
        await self._switch.close()

    async def apply(self, wanted: Topology) -> Sequence[Problem]:
        """See Switch."""
        return await self._switch.apply(wanted)

    async def bridges(self) -> Sequence[BridgeState]:
        """See Switch."""
        return await self._switch.bridges()

    async def proxies(self) -> frozenset[str]:
        """See Switch."""
        return await self._switch.proxies()

    async def controllers(self) -> Sequence[ControllerState]:
        """See Switch."""
        return await self._switch.controllers()

    async def connect_vif(self, port: VifPort) -> None:
        """See Switch."""
        await self._switch.connect_vif(port)

    async def disconnect_vif(self, interface: str) -> None:
        """See Switch."""
        await self._switch.disconnect_vif(interface)

    async def vif_ports(self) -> Sequence[str]:
        """See Switch."""
        return await self._switch.vif_ports()

    def watch_bonds(self, on_change: Callable[[], None]) -> None:
        """See Switch. It goes on with the next one."""
        self._watchers.append(on_change)
        self._switch.watch_bonds(on_change)
