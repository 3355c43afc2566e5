"""VIFs on bridges: interface and rules. Everything blocks: for one thread."""

import errno
import re
from typing import Final

from xenhost.core.errors import DeviceAttachFailed
from xenhost.core.network import BACKEND_MAC, LockingMode, VifPort
from xenhost.drivers.network.linux import vif_rules
from xenhost.drivers.network.linux.kernel import Kernel
from xenhost.drivers.network.linux.links import HUB_PRIORITY, Link
from xenhost.drivers.network.linux.nft import Command, Nft, NftError
from xenhost.drivers.network.linux.requests import Value

_MADE_BY_NETBACK: Final = re.compile(r"(vif|tap)\d+\.\d+")


class Vifs:
    """Connects and disconnects them."""

    def __init__(self, kernel: Kernel, nft: Nft) -> None:
        self._kernel: Final = kernel
        self._nft: Final = nft
        self._locked: set[str] = set()
        self._known: set[str] = set()
        """What is in the maps of the same names, to tell what must be removed."""
        self._ports: dict[str, VifPort] = {}
        """As this agent has connected them."""

    def open(self) -> None:
        """Make the table, read what is in it. Raises NftError."""
        self._nft.run(vif_rules.base())
        self._read()

    def restore(self) -> None:
        """Somebody may have removed our table: give every VIF its rules again, as far as we know them."""
        self._read()
        for interface, port in list(self._ports.items()):
            if interface not in self._known:
                self._transaction(interface, port)

    def names(self) -> list[str]:
        """Every VIF that is connected or has rules."""
        self._read()
        return sorted(self._known | self._locked)

    def connect(self, port: VifPort) -> None:
        """See Switch.connect_vif. Raises DeviceAttachFailed, OSError, NftError."""
        if not vif_rules.is_name(port.interface):
            raise _failure(port, f"{port.interface!r} cannot be the name of an interface")
        bridge, link = self._kernel.reader.get(port.bridge), self._kernel.reader.get(port.interface)
        if bridge is None:
            raise _failure(port, f"there is no bridge {port.bridge} in dom0")
        if bridge.kind != "bridge":
            raise _failure(port, f"{port.bridge} is no Linux bridge")
        if link is None:
            raise _failure(port, f"there is no interface {port.interface} in dom0")
        self._transaction(port.interface, port)
        try:
            self._set_up(port, bridge, link)
        except OSError as error:
            if error.errno == errno.ENODEV:
                raise _failure(port, f"{port.interface} or {port.bridge} has gone") from error
            raise

    def disconnect(self, interface: str) -> None:
        """See Switch.disconnect_vif. Raises OSError, NftError."""
        known = interface in self._known | self._locked
        if not known and not _MADE_BY_NETBACK.fullmatch(interface):
            return
        link = self._kernel.reader.get(interface)
        if link is not None:
            try:
                self._cut_off(link)
            except OSError as error:
                if error.errno != errno.ENODEV:  # it has gone meanwhile
                    raise
        if known:
            self._transaction(interface, None)

    def _set_up(self, port: VifPort, bridge: Link, link: Link) -> None:
        """The rules are in force: the interface, with as few messages as it needs."""
        if port.locking is LockingMode.DISABLED:
            self._cut_off(link)
            return
        before: dict[str, Value] = {}
        if link.mac != BACKEND_MAC:
            if link.up:  # netback's interfaces take an address only while they are down
                self._kernel.set_link(link.index, {"state": "down"})
            before["address"] = BACKEND_MAC
        if link.mtu != port.mtu:
            before["mtu"] = port.mtu
        if link.master != bridge.index:
            before["master"] = bridge.index
        fresh = link.port_of != "bridge"
        if fresh:
            before["noarp"] = 1
        if before:
            self._kernel.set_link(link.index, before, quiet=fresh)
        if port.receive_bytes_per_second or link.qdisc == "tbf":
            self._kernel.set_rate(link.index, port.receive_bytes_per_second, port.mtu)
        now_up = link.up and "address" not in before
        if now_up != port.carrier:
            self._kernel.set_link(link.index, {"state": "up" if port.carrier else "down"})
        was_promiscuous = link.port.get("priority") == HUB_PRIORITY and link.master == bridge.index
        if port.promiscuous != was_promiscuous:
            self._kernel.set_promiscuous(link, port.promiscuous)
        if port.promiscuous or link.port.get("priority") == HUB_PRIORITY:
            self._kernel.set_hub(bridge)
            self._former(link, bridge)

    def _cut_off(self, link: Link) -> None:
        if link.up:
            self._kernel.set_link(link.index, {"state": "down"})
        if link.master:
            self._kernel.set_link(link.index, {"master": 0})
        if link.qdisc == "tbf":
            self._kernel.set_rate(link.index, 0, link.mtu)
        if link.port.get("priority") == HUB_PRIORITY:
            self._former(link, None)

    def _former(self, link: Link, bridge: Link | None) -> None:
        """The bridge that it was on may learn again."""
        if link.master and (bridge is None or link.master != bridge.index):
            for each in self._kernel.reader.dump():
                if each.index == link.master and each.kind == "bridge":
                    self._kernel.set_hub(each)

    # --- rules

    def _transaction(self, interface: str, port: VifPort | None) -> None:
        """Give it these rules, or none. If somebody has removed our table, or parts of it, it is made again."""
        try:
            self._nft.run(self._commands(interface, port) or [])
        except NftError:
            self._nft.run(vif_rules.base())
            self._read()
            commands = self._commands(interface, port)
            if commands:
                self._nft.run(commands)
        self._known.discard(interface)
        self._locked.discard(interface)
        self._ports.pop(interface, None)
        if port is not None:
            self._ports[interface] = port
            self._known.add(interface)
            if port.locking is LockingMode.LOCKED:
                self._locked.add(interface)

    def _commands(self, interface: str, port: VifPort | None) -> list[Command]:
        known, locked = interface in self._known, interface in self._locked
        if port is None:
            return vif_rules.disconnect(interface, known=known, locked=locked)
        return vif_rules.connect(port, known=known, locked=locked)

    def _read(self) -> None:
        try:
            maps = [self._nft.ask(each) for each in vif_rules.listings()]
        except NftError:  # somebody has removed it
            self._nft.run(vif_rules.base())
            maps = [self._nft.ask(each) for each in vif_rules.listings()]
        locked, known = vif_rules.parse_listing([each for shown in maps for each in shown])
        self._locked, self._known = set(locked), set(known)


def _failure(port: VifPort, why: str) -> DeviceAttachFailed:
    return DeviceAttachFailed(f"{port.interface} cannot be connected: {why}", device=port.interface, msg=why)
