"""A host for the promises in a network namespace of this kernel; the other ends are in a second one.

A kind of switch derives its ground from `KernelGround`. Needs root. Cards and VIFs are pairs of veth; while a promise
runs, the main thread is in the host's namespace, and so is every thread that it starts.
"""

import ctypes
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any, Final

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from contract.switch_ground import Cable, Guest, LacpSeen, Partner, SwitchGround

_CLONE_NEWNET: Final = 0x40000000
_SOL_PACKET, _PACKET_AUXDATA, _PACKET_IGNORE_OUTGOING = 263, 8, 23
_AUX: Final = struct.Struct("=IIIHHHH")
_STATUS_VLAN_VALID: Final = 1 << 4
_ALL: Final = 3
_NODAD: Final = 2
BOND: Final = "bond9"
"""Of the partner."""
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """A network namespace that is gone when it is closed."""

    def __init__(self) -> None:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _checked(_LIBC.unshare(_CLONE_NEWNET))
            self._fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            self.route: Any = IPRoute()
            self.route.link("set", index=1, state="up")
        finally:
            _checked(_LIBC.setns(home, _CLONE_NEWNET))
            os.close(home)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread is in it; sockets that are made there stay there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _checked(_LIBC.setns(self._fd, _CLONE_NEWNET))
            yield
        finally:
            _checked(_LIBC.setns(home, _CLONE_NEWNET))
            os.close(home)

    @property
    def fd(self) -> int:
        """For moving interfaces there."""
        return self._fd

    def link(self, name: str) -> dict[str, Any] | None:
        """Attributes of an interface."""
        try:
            found = self.route.link("get", ifname=name)[0]
        except NetlinkError:
            return None
        return {**dict(found["attrs"]), "index": found["index"], "flags": found["flags"]}

    def close(self) -> None:
        """Everything in it goes."""
        self.route.close()
        os.close(self._fd)


class PacketWire:
    """An interface of the outer namespace, by a packet socket (packet(7))."""

    def __init__(self, outside: Namespace, device: str) -> None:
        with outside.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        with suppress(OSError):
            self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE
        self._socket.bind((device, _ALL))

    def send(self, frame: bytes) -> None:
        """See Wire."""
        with suppress(BlockingIOError):
            self._socket.send(frame)

    def take(self) -> list[bytes]:
        """See Wire. The kernel has taken VLAN tags off; they are put back."""
        frames: list[bytes] = []
        while True:
            try:
                data, extra, _, _ = self._socket.recvmsg(65536, 64)
            except BlockingIOError:
                return frames
            except OSError:  # the link went down
                continue
            for level, kind, value in extra:
                if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA):
                    status, _, _, _, _, tag, protocol = _AUX.unpack_from(value)
                    if status & _STATUS_VLAN_VALID:
                        data = data[:12] + struct.pack("!HH", protocol or 0x8100, tag) + data[12:]
            tag = 4 if data[12:14] == b"\x81\0" else 0
            frames.append(data.ljust(60 + tag, b"\0"))  # as a real wire would; the kernel trims IP packets

    def close(self) -> None:
        """No more frames."""
        self._socket.close()


class KernelPartner(Partner):
    """An address in the outer namespace."""

    def __init__(
        self, outside: Namespace, address: IPv4Address | IPv6Address, sockets: list[socket.socket], far: tuple[str, ...]
    ) -> None:
        self._outside, self._address, self._sockets, self._far = outside, address, sockets, far

    async def lacp(self) -> LacpSeen:
        """See Partner."""
        found = self._outside.link(BOND)
        assert found is not None
        data = dict(dict(found["IFLA_LINKINFO"]["attrs"])["IFLA_INFO_DATA"]["attrs"])
        seen = dict(data["IFLA_BOND_AD_INFO"]["attrs"])
        return LacpSeen(int(seen["IFLA_BOND_AD_INFO_NUM_PORTS"]), int(seen["IFLA_BOND_AD_INFO_PARTNER_KEY"]))

    async def leave(self) -> None:
        """See Partner."""
        self._outside.route.link("del", ifname=BOND)
        for each in self._far:
            self._outside.route.link("set", ifname=each, state="up")

    def udp(self, port: int) -> "KernelDatagrams":
        """See Partner."""
        return self._datagrams(socket.SOCK_DGRAM, 0, port)

    def ip(self, protocol: int) -> "KernelDatagrams":
        """See Partner."""
        return self._datagrams(socket.SOCK_RAW, protocol, 0)

    def _datagrams(self, kind: int, protocol: int, port: int) -> "KernelDatagrams":
        with self._outside.entered():
            family = socket.AF_INET if self._address.version == 4 else socket.AF_INET6
            made = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
        self._sockets.append(made)
        made.bind((str(self._address), port))
        return KernelDatagrams(made)


class KernelDatagrams:
    """A socket."""

    def __init__(self, made: socket.socket) -> None:
        self._socket = made

    def send(self, payload: bytes, to: IPv4Address | IPv6Address, port: int = 0) -> None:
        """See Datagrams."""
        with suppress(OSError):  # the host is not up yet
            self._socket.sendto(payload, (str(to), port))

    def take(self) -> list[bytes]:
        """See Datagrams."""
        got: list[bytes] = []
        while True:
            try:
                got.append(self._socket.recv(65536))
            except BlockingIOError:
                return got
            except OSError:
                continue


class KernelGround(SwitchGround):
    """What all switches of a real kernel have in common."""

    def __init__(self) -> None:
        self.host: Final = Namespace()
        self.outside: Final = Namespace()
        self._wires: list[PacketWire] = []
        self._sockets: list[socket.socket] = []
        self._count = 0

    def close(self) -> None:
        """The host is no more."""
        for each in self._wires:
            each.close()
        for one in self._sockets:
            one.close()
        self.outside.close()
        self.host.close()

    async def nic(self) -> Cable:
        """See SwitchGround."""
        number = self._count
        wire = self._pair(f"nic{number}", f"far{number}")
        self.host.route.link("set", ifname=f"nic{number}", state="up")
        return Cable(f"nic{number}", wire)

    async def vif(self) -> Guest:
        """See SwitchGround."""
        number = self._count
        return Guest(f"vif{number + 1}.0", self._pair(f"vif{number + 1}.0", f"guest{number}"))

    async def set_link(self, cable: Cable, up: bool) -> None:
        """See SwitchGround."""
        self.outside.route.link("set", ifname=cable.device.replace("nic", "far"), state="up" if up else "down")

    async def remove(self, device: str) -> None:
        """See SwitchGround."""
        self.host.route.link("del", ifname=device)

    async def foreign_bridge(self, name: str, *ports: str) -> None:
        """See SwitchGround."""
        self.host.route.link("add", ifname=name, kind="bridge")
        index = self._found(name)["index"]
        for port in ports:
            self.host.route.link("set", ifname=port, master=index)
        self.host.route.link("set", ifname=name, state="up")

    async def exists(self, device: str) -> bool:
        """See SwitchGround."""
        return self.host.link(device) is not None

    async def identity(self, device: str) -> object:
        """See SwitchGround."""
        return self._found(device)["index"]

    async def mtu(self, device: str) -> int:
        """See SwitchGround."""
        return int(self._found(device)["IFLA_MTU"])

    async def mac(self, device: str) -> str:
        """See SwitchGround."""
        return str(self._found(device)["IFLA_ADDRESS"])

    async def is_up(self, device: str) -> bool:
        """See SwitchGround."""
        return bool(self._found(device)["flags"] & 1)

    async def give_address(self, device: str, address: IPv4Interface | IPv6Interface) -> None:
        """See SwitchGround."""
        index = self._found(device)["index"]
        _give(self.host, index, address)

    async def partner(self, cables: tuple[Cable, ...], address: IPv4Interface | IPv6Interface) -> Partner:
        """See SwitchGround."""
        route = self.outside.route
        far = [each.device.replace("nic", "far") for each in cables]
        if len(far) > 1 and self.outside.link(BOND) is None:
            route.link("add", ifname=BOND, kind="bond", bond_mode=4, bond_miimon=100, bond_ad_lacp_rate=1)
            master = self.outside.link(BOND)
            assert master is not None
            for each in far:
                route.link("set", ifname=each, state="down")
                route.link("set", ifname=each, master=master["index"])
            route.link("set", ifname=BOND, state="up")
        device = self.outside.link(far[0] if len(far) == 1 else BOND)
        assert device is not None
        _give(self.outside, device["index"], address)
        return KernelPartner(self.outside, address.ip, self._sockets, tuple(far))

    def _pair(self, here: str, there: str) -> PacketWire:
        """Two joined interfaces; the one outside is up and has no IPv6 that would speak on its own."""
        self._count += 1
        self.host.route.link("add", ifname=here, kind="veth", peer={"ifname": there, "net_ns_fd": self.outside.fd})
        silent = {"attrs": [["AF_INET6", {"attrs": [["IFLA_INET6_ADDR_GEN_MODE", 1]]}]]}
        self.outside.route.link("set", ifname=there, IFLA_AF_SPEC=silent)
        self.outside.route.link("set", ifname=there, state="up")
        wire = PacketWire(self.outside, there)
        self._wires.append(wire)
        return wire

    def _found(self, device: str) -> dict[str, Any]:
        found = self.host.link(device)
        assert found is not None, f"there is no {device}"
        return found


def _give(place: Namespace, index: int, address: IPv4Interface | IPv6Interface) -> None:
    """At once: IPv6 does not look first whether somebody has it."""
    length = address.network.prefixlen
    if address.version == 4:
        place.route.addr("replace", index=index, address=str(address.ip), prefixlen=length)
    else:
        place.route.addr("replace", index=index, address=str(address.ip), prefixlen=length, flags=_NODAD)


def _checked(result: int) -> None:
    if result:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
