"""What the promises of the switch port stand on: a host with cards, cables and guests, on whatever switch it is.

Promises look at a switch from outside: frames that go in at the far end of a cable or VIF, and where they come out.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Protocol

from xenhost.core.ports.network import Switch

DEADLINE = 20.0
"""Seconds to wait for what must happen; generous, for nothing is said of speed."""
OVERTAKEN = 0.5
"""Seconds after which nothing comes any more that a later frame overtook: Open vSwitch's kernel module asks a process
about the first frame of each kind, and lets known ones pass meanwhile."""


class Wire(Protocol):
    """The far end of a cable, or a guest's end of a VIF."""

    def send(self, frame: bytes) -> None:
        """Put an Ethernet frame on it, without its checksum; a VLAN tag stands in the frame."""
        ...

    def take(self) -> list[bytes]:
        """Frames that came since the last call, oldest first, with their VLAN tags. Empty if there are none."""
        ...


@dataclass(frozen=True, slots=True)
class Cable:
    """A network card of the host, and the other end of its cable."""

    device: str
    wire: Wire


@dataclass(frozen=True, slots=True)
class Guest:
    """Dom0's interface of a VIF, and the guest's end."""

    interface: str
    wire: Wire


class SwitchGround(ABC):
    """One host for one promise."""

    switch: Switch
    """Open."""

    @property
    def deviations(self) -> Mapping[str, str]:
        """Promises that cannot be tried here, and why."""
        return {}

    @abstractmethod
    async def restart(self) -> None:
        """As if the agent was killed and started again: another `switch` on the same host, open."""

    @abstractmethod
    async def nic(self) -> Cable:
        """One more network card, with link, on nothing."""

    @abstractmethod
    async def set_link(self, cable: Cable, up: bool) -> None:
        """Pull the cable at its other end, or put it back."""

    @abstractmethod
    async def vif(self) -> Guest:
        """One more interface as netback makes them: down, on nothing."""

    @abstractmethod
    async def remove(self, device: str) -> None:
        """The interface is gone: the guest has died, the card was pulled."""

    @abstractmethod
    async def foreign_bridge(self, name: str, *ports: str) -> None:
        """A bridge that somebody else made, up, with those ports."""

    @abstractmethod
    async def exists(self, device: str) -> bool:
        """Is there such a bridge or interface?"""

    @abstractmethod
    async def identity(self, device: str) -> object:
        """Equal for as long as the bridge or interface has not been made anew."""

    @abstractmethod
    async def mtu(self, device: str) -> int:
        """Of a bridge or interface."""

    @abstractmethod
    async def mac(self, device: str) -> str:
        """Of a bridge or interface."""

    @abstractmethod
    async def is_up(self, device: str) -> bool:
        """Is it administratively up?"""

    @abstractmethod
    async def partner(self, cables: tuple[Cable, ...], address: IPv4Interface | IPv6Interface) -> "Partner":
        """Another host with that address at the other end of a cable (with several: an LACP bond of its own)."""

    @abstractmethod
    async def give_address(self, device: str, address: IPv4Interface | IPv6Interface) -> None:
        """To a bridge of the host under test."""


@dataclass(frozen=True, slots=True)
class LacpSeen:
    """What the LACP partner knows."""

    members: int
    """Cables in its active aggregator."""
    partner_key: int
    """Ours, as it heard it."""


class Partner(ABC):
    """Another host on the wire, with an IP stack."""

    @abstractmethod
    async def lacp(self) -> LacpSeen:
        """Of its bond."""

    @abstractmethod
    async def leave(self) -> None:
        """Its bond goes; the cables stay, with link."""

    @abstractmethod
    def udp(self, port: int) -> "Datagrams":
        """A UDP socket."""

    @abstractmethod
    def ip(self, protocol: int) -> "Datagrams":
        """A raw socket of IPv4 or IPv6, as its address is."""


class Datagrams(Protocol):
    """A socket of the other host."""

    def send(self, payload: bytes, to: IPv4Address | IPv6Address, port: int = 0) -> None:
        """Send one."""
        ...

    def take(self) -> list[bytes]:
        """Payloads that came since the last call (of a raw socket with the header of IPv4)."""
        ...


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for it, or fail."""
    try:
        async with asyncio.timeout(DEADLINE):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"did not happen: {what}") from None


async def comes_to_mtu(ground: SwitchGround, device: str, mtu: int) -> None:
    """Open vSwitch sets it some time after it has said that all is done."""
    deadline = asyncio.get_running_loop().time() + DEADLINE
    while (found := await ground.mtu(device)) != mtu:
        assert asyncio.get_running_loop().time() < deadline, f"the MTU of {device} is {found}, not {mtu}"
        await asyncio.sleep(0.05)


async def arrives(sender: Wire, frame: bytes, receiver: Wire) -> list[bytes]:
    """Send it until it comes out there: a port forwards a moment after it is up. What came out before it."""
    return await arrives_as(sender, frame, receiver, frame)


async def arrives_as(sender: Wire, frame: bytes, receiver: Wire, shape: bytes) -> list[bytes]:
    """The same for a frame that looks otherwise when it comes out: its VLAN tag is gone, or new."""
    seen: list[bytes] = []
    async with asyncio.timeout(DEADLINE):
        while True:
            sender.send(frame)
            for _ in range(10):
                await asyncio.sleep(0.02)
                came = receiver.take()
                if shape in came:
                    return seen + came[: came.index(shape)]
                seen += came


async def is_dropped(sender: Wire, frame: bytes, sentinel: bytes, receiver: Wire) -> bool:
    """Whether a frame does not come out there. `sentinel` is one that does, by the same way."""
    await arrives(sender, sentinel, receiver)
    receiver.take()
    sender.send(frame)
    seen = await arrives(sender, sentinel, receiver)
    await asyncio.sleep(OVERTAKEN)
    return frame not in (*seen, *receiver.take())
