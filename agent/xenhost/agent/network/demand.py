"""Networks that are up only while VIFs need them: internal ones, VLANs and tunnels that have no address."""

from collections.abc import Callable
from typing import Final

from xenhost.agent.network.applying import Applier
from xenhost.agent.network.changes.sriovs import functions_of
from xenhost.agent.network.config import NetworkConfig
from xenhost.agent.network.finding import find_bridge
from xenhost.agent.network.known import Known
from xenhost.agent.network.places import of_bridge
from xenhost.agent.network.views import carrier_of
from xenhost.core.clock import Clock
from xenhost.core.errors import DeviceAttachFailed, TooBusy
from xenhost.core.network import VifNetwork


class Demand:
    """Implements core.ports.network.Networks."""

    def __init__(self, known: Known, applier: Applier, clock: Clock, config: NetworkConfig) -> None:
        self._known: Final = known
        self._applier: Final = applier
        self._clock: Final = clock
        self._config: Final = config
        self._watchers: Final[list[Callable[[str], None]]] = []
        self._told: dict[str, VifNetwork] = {}

    async def ready(self, bridge: str) -> VifNetwork:
        """See Networks."""
        known = self._known
        if not self._is_ours(bridge):
            if bridge not in known.bridges:
                await self._applier.look()
            if bridge not in known.bridges:
                away = known.unreadable or known.problem_at(frozenset({"switch"}))
                raise _failed(bridge, away or "there is no such bridge, and no network on it")
            return VifNetwork("")
        self._check_has_bridge(bridge)
        if bridge not in known.needed and len(known.needed) >= self._config.most_needed:
            raise TooBusy("too many networks are in use; release some first")
        known.needed[bridge] = self._clock.monotonic()
        if not self._is_up(bridge):
            await self._applier.apply(unless=lambda: self._is_up(bridge))
        if not self._is_up(bridge):
            raise _failed(bridge, self._why(bridge))
        found = self._network(bridge)
        self._told[bridge] = found
        return found

    def find(self, untrusted_network: str) -> str:
        """See Networks."""
        return find_bridge(self._known, untrusted_network)

    def watch(self, on_change: Callable[[str], None]) -> None:
        """See Networks."""
        self._watchers.append(on_change)

    def look(self) -> None:
        """Tell whom it concerns what has changed."""
        for bridge, told in tuple(self._told.items()):
            if not self._is_ours(bridge):
                del self._told[bridge]
                continue
            now = self._network(bridge)
            if now != told:
                self._told[bridge] = now
                for watcher in self._watchers:
                    watcher(bridge)

    async def adopt(self) -> None:
        """VIFs are on bridges that an earlier agent made for them; who they are is known later."""
        known, now = self._known, self._clock.monotonic()
        vifs = await self._applier.vif_ports()
        for bridge in known.bridges.values():
            if bridge.network and (vifs is None or not vifs.isdisjoint(bridge.ports)):
                known.needed.setdefault(bridge.name, now)

    async def release(self) -> None:
        """Take down what nobody has needed for some time."""
        known, now = self._known, self._clock.monotonic()
        used, released = known.vifs(), False
        for bridge, last in tuple(known.needed.items()):
            if used.get(bridge):
                known.needed[bridge] = now
            elif now - last > self._config.release_after:
                del known.needed[bridge]
                self._told.pop(bridge, None)
                released = True
        if released:
            await self._applier.apply()

    # Inside

    def _is_ours(self, bridge: str) -> bool:
        return self._known.network_on(bridge) is not None

    def _check_has_bridge(self, bridge: str) -> None:
        """A network of virtual functions has none: its VIFs are PCI devices. Raises DeviceAttachFailed."""
        intent = self._known.effective
        network = next(each for each in intent.networks.values() if each.bridge == bridge)
        if functions_of(intent, network.id) is not None:
            raise _failed(bridge, "its VIFs are virtual functions (SR-IOV), which have no bridge")

    def _is_up(self, bridge: str) -> bool:
        found = self._known.bridges.get(bridge)
        return found is not None and bool(found.network) and self._known.wished(bridge) is not None

    def _why(self, bridge: str) -> str:
        known = self._known
        if known.unreadable:
            return known.unreadable
        wished = known.wished(bridge)
        places = frozenset({bridge}) if wished is None else of_bridge(wished)
        return known.problem_at(places | {"switch", "cards"}) or "its network cannot be brought up here"

    def _network(self, bridge: str) -> VifNetwork:
        known = self._known
        network = known.network_on(bridge)
        assert network is not None, bridge
        wished = known.wished(bridge)
        return VifNetwork(
            network.id,
            network.mtu if wished is None else wished.mtu,
            network.default_locking,
            not known.effective.pass_through_carrier or carrier_of(known, bridge),
        )


def _failed(bridge: str, message: str) -> DeviceAttachFailed:
    return DeviceAttachFailed(f"bridge {bridge[:40]}: {message}", device=bridge[:40], msg=message)
