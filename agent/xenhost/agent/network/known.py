"""What the network engine knows now: what is wanted, what was found, what is wrong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from xenhost.agent.network.facts import Facts
from xenhost.agent.network.places import EVERYWHERE
from xenhost.agent.network.wishes.wish import Wish
from xenhost.core.network import Bridge, BridgeState, ControllerState, IpState, Nic, Problem, Topology
from xenhost.core.network_records import Intent, Network
from xenhost.core.network_views import VifOnNetwork
from xenhost.core.ports.network import Nics, Switch

VifSource = Callable[[], Mapping[str, tuple[VifOnNetwork, ...]]]
"""The plugged VIFs of each bridge, as of now; called often, so cheap."""


@dataclass(slots=True, eq=False)
class Known:
    """Shared by the parts of the engine; all of it is of the event loop's thread."""

    switch: Switch
    nics: Nics
    intent: Intent = field(default_factory=Intent)
    """As it is on disk."""
    effective: Intent = field(default_factory=Intent)
    """What is made so now: that of the change under way, if there is one."""
    unreadable: str = ""
    """Why what is on disk cannot be read: then nothing is touched."""
    wish: Wish = field(default_factory=Wish)
    """As it was last applied."""
    problems: tuple[Problem, ...] = ()
    """What then went wrong."""
    bridges: Mapping[str, BridgeState] = field(default_factory=dict)
    """As last seen."""
    controllers: Mapping[str, ControllerState] = field(default_factory=dict)
    """By target."""
    proxies: frozenset[str] = frozenset()
    """Ports of PVS proxies that are in use."""
    addresses: dict[str, IpState] = field(default_factory=dict)
    """Of interfaces that shall have some."""
    cards: tuple[str, ...] = ()
    """Devices, by position."""
    needed: dict[str, float] = field(default_factory=dict)
    """Bridges that VIFs asked for, with when they were last in use (monotonic seconds)."""
    virtual: dict[str, str] = field(default_factory=dict)
    """Cards that we gave virtual functions, with the mode; empty: we tried."""
    vifs: VifSource = dict
    _networks: tuple[Intent, Mapping[str, Network]] | None = None
    _wished: tuple[Topology, Mapping[str, Bridge]] | None = None

    def network_on(self, bridge: str) -> Network | None:
        """The network whose bridge it is."""
        if self._networks is None or self._networks[0] is not self.effective:
            found: dict[str, Network] = {}
            for network in self.effective.networks.values():
                found.setdefault(network.bridge, network)
            self._networks = self.effective, found
        return self._networks[1].get(bridge)

    def wished(self, bridge: str) -> Bridge | None:
        """That bridge as it was last applied."""
        if self._wished is None or self._wished[0] is not self.wish.topology:
            self._wished = self.wish.topology, {each.name: each for each in self.wish.topology.bridges}
        return self._wished[1].get(bridge)

    def facts(self) -> Facts:
        """As deciding needs them."""
        found = {device: nic for device in self.cards if (nic := self.nics.get(device)) is not None}
        foreign = frozenset(name for name, bridge in self.bridges.items() if not bridge.network)
        return Facts(
            nics=found,
            kind=self.switch.kind,
            features=self.switch.features,
            foreign_bridges=foreign,
            vifs=self.vifs(),
            positions={device: number for number, device in enumerate(self.cards)},
            needed=frozenset(self.needed),
        )

    def nic(self, device: str) -> Nic | None:
        """A card as last seen."""
        return self.nics.get(device)

    def problem_at(self, places: frozenset[str]) -> str:
        """What is wrong there, or empty."""
        return next(
            (problem.message for problem in self.problems if problem.place in places or problem.place == EVERYWHERE), ""
        )
