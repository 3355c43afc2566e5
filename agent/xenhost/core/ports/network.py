"""The network ports: the switch of dom0, its addresses, its network cards.

Rules for every verb. It may be called again at any time, also after a crash in its middle, and then either completes
or finds nothing to do. It compares with what is there and changes only what differs: traffic that has nothing to do
with the change is not disturbed. What others made (bridges, addresses of interfaces that are not in the wish, rules,
routes of other protocols) stays as it is. It raises only XenhostErrors, in bounded time, and blocks no event loop.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from xenhost.core.devices import Vif
from xenhost.core.network import (
    BridgeState,
    ControllerState,
    IpPlan,
    IpState,
    Nic,
    NicSettings,
    Problem,
    SriovEnabled,
    SwitchFeature,
    SwitchKind,
    Topology,
    VfSettings,
    VifNetwork,
    VifPort,
    VirtualFunction,
)

FunctionsTaken = Callable[[], Awaitable[Collection[str]]]
"""Asks for the PCI addresses of the virtual functions that VIFs have: `Hypervisor.functions`."""


class VifSwitch(Protocol):
    """Where VIFs are plugged in. The caller never runs two verbs on one interface at once."""

    async def connect_vif(self, port: VifPort) -> None:
        """Put an interface on its bridge with its rules; if it is there, change what differs without a gap.

        On another bridge: moved. Before the interface is up on the bridge its rules are in force. Raises
        DeviceAttachFailed (no such bridge, or interface), SwitchCannot.
        """
        ...

    async def disconnect_vif(self, interface: str) -> None:
        """Take it off, with all its rules; also when the interface is gone already. No-op if it is not known."""
        ...

    async def vif_ports(self) -> Sequence[str]:
        """Interfaces of VIFs that are connected or have rules, also those whose interface is gone."""
        ...


class Switch(VifSwitch, Protocol):
    """Bridges and what is on them. The caller never runs two `apply` at once."""

    @property
    def kind(self) -> SwitchKind:
        """Which."""
        ...

    @property
    def features(self) -> frozenset[SwitchFeature]:
        """What it can do beyond bridges, bonds and VLANs."""
        ...

    async def open(self) -> None:
        """Connect to it. Raises SwitchUnavailable (a daemon does not answer, a kernel module is missing)."""
        ...

    async def close(self) -> None:
        """Let go of it; what is there stays."""
        ...

    async def apply(self, wanted: Topology) -> Sequence[Problem]:
        """Make bridges, bonds, VLANs and tunnels so, remove those of ours that are not wanted.

        A bridge that cannot be made is a Problem and keeps no other back. VIF ports stay on bridges that stay, even if
        their uplink changes; those of a bridge that goes are cut off. A card that is put on a bridge or into a bond is
        taken from where it was. SDN controllers that cannot be had are a Problem at CONTROLLERS; those that others have
        set stay. Without a PVS proxy daemon there are no ports for it, which is a Problem at PVS, and traffic goes as
        ever. Raises SwitchUnavailable. Cancelled: some of it done; call it again.
        """
        ...

    async def bridges(self) -> Sequence[BridgeState]:
        """All there are, those of others too."""
        ...

    async def proxies(self) -> frozenset[str]:
        """Names of ports of PVS proxies that guests' traffic is sent to."""
        ...

    async def controllers(self) -> Sequence[ControllerState]:
        """The SDN controllers of the last `apply`. None if it can have none."""
        ...

    def watch_bonds(self, on_change: Callable[[], None]) -> None:
        """Call it from the event loop when a member of a bond came up, went down or took over.

        Also when the connection to an SDN controller came or went.
        """
        ...


class Addresses(Protocol):
    """IP addresses, routes and name servers of dom0."""

    async def open(self) -> None:
        """Find what an earlier agent left, such as DHCP clients."""
        ...

    async def close(self) -> None:
        """Let go; addresses and DHCP clients stay."""
        ...

    async def apply(self, wanted: IpPlan) -> Sequence[Problem]:
        """Give every interface of the plan exactly these addresses. Returns without waiting for DHCP.

        An interface that was in the last plan and is not in this one loses its DHCP client and addresses. One whose
        address does not change is not touched. An interface that does not exist is a Problem.
        """
        ...

    async def state(self, interface: str) -> IpState:
        """What it has now; nothing if it is not there."""
        ...

    async def acquired(self, interface: str) -> IpState:
        """Wait until it has an address of its primary kind (cancel to give up). At once if its mode is none."""
        ...

    def watch(self, on_change: Callable[[str], None]) -> None:
        """Call it with the interface, from the event loop, when addresses, the gateway or name servers changed."""
        ...


class Nics(Protocol):
    """Network cards, and what they can do."""

    async def open(self) -> None:
        """Begin to listen for changes."""
        ...

    async def close(self) -> None:
        """Stop listening."""
        ...

    async def scan(self) -> Sequence[Nic]:
        """Every physical card, ordered by position; no bridges, bonds, VLANs, VIFs or virtual functions."""
        ...

    def get(self, device: str) -> Nic | None:
        """One of them as last seen, without asking the kernel."""
        ...

    async def configure(self, wanted: Mapping[str, NicSettings]) -> Sequence[Problem]:
        """MTU, link and offload settings. What a card cannot do is a Problem. Bonds and bridges may be given too."""
        ...

    def watch(self, on_change: Callable[[str], None]) -> None:
        """Call it with the device, from the event loop, when a card came, went, or changed its link."""
        ...

    # SR-IOV

    async def enable_sriov(self, device: str) -> SriovEnabled:
        """Give the card as many virtual functions as it can have. Raises SriovFailed."""
        ...

    async def disable_sriov(self, device: str, mode: str) -> None:
        """Take them away; no-op for mode manual. Raises SriovFailed (one is in use)."""
        ...

    async def virtual_functions(self, device: str) -> Sequence[VirtualFunction]:
        """Those that it has now."""
        ...

    async def configure_vf(self, device: str, number: int, settings: VfSettings) -> None:
        """Set all of it. A rate that the card cannot limit raises SriovFailed, and the rest is set."""
        ...


class Networks(Protocol):
    """What VMs need of the networks of this host: the network engine is it."""

    async def ready(self, bridge: str) -> VifNetwork:
        """Bring the network of a bridge up if it is not (VLANs, tunnels and internal networks come up when needed).

        A bridge that is not ours, but there, has an empty `VifNetwork.network`. Raises DeviceAttachFailed.
        """
        ...

    def has_functions(self, bridge: str) -> bool:
        """Are VIFs on it virtual functions of a card (SR-IOV)? Then `ready` is not for it, but `function` is."""
        ...

    def function(self, vif: Vif, taken: FunctionsTaken) -> AbstractAsyncContextManager[Vif]:
        """The VIF with a free virtual function that is set up for it, and kept from others while the block lasts.

        `taken` tells which are in use. Raises NetworkSriovInsufficientCapacity, DeviceAttachFailed.
        """
        ...

    async def give_back(self, function: str, taken: FunctionsTaken) -> None:
        """A virtual function that no VIF has any more, by PCI address, forgets what it was set to.

        No-op if it is taken again. What fails is logged: the next VIF that gets it sets all of it.
        """
        ...

    def find(self, untrusted_network: str) -> str:
        """The bridge of a network, by its UUID, its name or the bridge itself. Raises HandleInvalid."""
        ...

    def watch(self, on_change: Callable[[str], None]) -> None:
        """Call it with the bridge when `VifNetwork` of it changed."""
        ...
