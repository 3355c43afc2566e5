"""Interfaces made, changed and removed over rtnetlink. Everything blocks: for the thread of the switch alone."""

import errno
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from xenhost.drivers.network.linux.links import DOOMED_GROUP, HUB_PRIORITY, OWN_GROUP, UPLINK_PRIORITY, Link
from xenhost.drivers.network.linux.plan import (
    Action,
    Attach,
    Change,
    Create,
    Delete,
    Detach,
    Enslave,
    Primary,
    Remode,
    Remotes,
)
from xenhost.drivers.network.linux.reader import LinkReader

NO_IPV6: Final = {"attrs": [["AF_INET6", {"attrs": [["IFLA_INET6_ADDR_GEN_MODE", 1]]}]]}
"""Dom0 gets no address of its own on it."""
_NO_FAMILY: Final = (errno.EAFNOSUPPORT, errno.EOPNOTSUPP, errno.EINVAL)
_GONE: Final = (errno.ENODEV, errno.ENOENT)
_DEFAULT_MAC: Final = "00:00:00:00:00:00"
_NORMAL_PRIORITY: Final = 32
_AGEING: Final = 30000
"""Of a bridge, in hundredths of a second; a bridge with 0 learns nothing and sends every frame everywhere."""
_NOARP: Final = 0x80


class Kernel:
    """The links of one network namespace: that of the thread that opens it. Raises OSError."""

    def __init__(self) -> None:
        self.reader: Final = LinkReader()
        self._route: Any = None

    def open(self) -> None:
        """Connect."""
        self._route = IPRoute()
        self.reader.open()

    def close(self) -> None:
        """Disconnect."""
        self.reader.close()
        if self._route is not None:
            self._route.close()
            self._route = None

    # --- topology

    def do(self, action: Action) -> None:
        """One action. That something to be removed is gone already is fine."""
        match action:
            case Delete():
                self._delete(action.devices)
            case Detach():
                self._unless_gone(lambda: self._detach(action))
            case Create():
                self._create(action)
            case Change():
                self._change(action.device, action.kind, action.attributes)
            case Remode():
                self._remode(action)
            case Enslave():
                self._enslave(action.device, self.index(action.bond))
            case Primary():
                self._call(
                    "link",
                    "set",
                    index=self.index(action.device),
                    kind="bond",
                    bond_primary=self.index(action.member),
                )
            case Remotes():
                self._remotes(action)
            case Attach():
                self._attach(action)
            case _:
                raise OSError(errno.EINVAL, f"unknown action {action}")

    def index(self, name: str) -> int:
        """Of an interface. Raises OSError ENODEV."""
        try:
            return socket.if_nametoindex(name)  # a tenth of the time that reading the link takes
        except OSError as error:  # it has no reason with it
            raise OSError(errno.ENODEV, f"there is no interface {name}") from error

    def _delete(self, devices: Sequence[str]) -> None:
        """As one group: alone, each would wait until no processor uses it any more."""
        for device in devices:
            self._unless_gone(partial(self._doom, device))
        self._unless_gone(lambda: self._call("link", "del", group=DOOMED_GROUP))

    def _doom(self, device: str) -> None:
        self.set_link(self.index(device), group=DOOMED_GROUP)

    def _detach(self, action: Detach) -> None:
        index = self.index(action.device)
        self._call("link", "set", index=index, master=0)
        if action.down:
            self._call("link", "set", index=index, state="down")

    def _create(self, action: Create) -> None:
        attributes = dict(action.attributes)
        if action.parent:
            attributes["link"] = self.index(action.parent)
        mtu = attributes.pop("mtu")  # some kinds take it only once they are there
        self._call("link", "add", ifname=action.device, kind=action.kind, group=OWN_GROUP, **attributes)
        index = self.index(action.device)
        if action.kind == "bridge":
            self.set_link(index, ifalias=action.alias, mtu=mtu, state="up")
            return
        self.set_link(index, ifalias=action.alias, mtu=mtu)
        self._quiet(index)
        self.set_link(index, state="up")

    def _change(self, device: str, kind: str, attributes: Mapping[str, int | str]) -> None:
        index = self.index(device)
        own = {key: value for key, value in attributes.items() if kind and key.startswith((f"{kind}_", "br_"))}
        rest = {key: value for key, value in attributes.items() if key not in own}
        if own:
            self._call("link", "set", index=index, kind=kind, **own)
        if rest:
            self._call("link", "set", index=index, **rest)

    def _remode(self, action: Remode) -> None:
        index = self.index(action.device)
        self._call("link", "set", index=index, state="down")
        for link in self.reader.dump():
            if link.master == index:
                self._call("link", "set", index=link.index, master=0)
        self._change(action.device, "bond", {"bond_mode": action.attributes["bond_mode"]})  # others depend on it
        self._change(action.device, "bond", action.attributes)
        for member in action.members:
            self._enslave(member, index)
        self._call("link", "set", index=index, state="up")

    def _enslave(self, member: str, bond: int) -> None:
        index = self.index(member)
        self._call("link", "set", index=index, state="down")  # bonding takes them only so
        self._call("link", "set", index=index, master=bond)
        self._call("link", "set", index=index, state="up")

    def _remotes(self, action: Remotes) -> None:
        index = self.index(action.device)
        entries = self.reader.neighbours(index)
        found = {each.remote for each in entries if each.mac == _DEFAULT_MAC and each.remote}
        for each in entries:
            if each.remote and each.remote not in action.remotes:  # what was learned of it goes as well
                self._unless_gone(partial(self._fdb, "del", index, each.mac, each.remote))
        for remote in sorted(action.remotes - found):
            self._fdb("append", index, _DEFAULT_MAC, remote)

    def _fdb(self, command: str, index: int, mac: str, remote: str) -> None:
        self._call("fdb", command, ifindex=index, lladdr=mac, dst=remote)

    def _attach(self, action: Attach) -> None:
        index = self.index(action.device)
        self._call("link", "set", index=index, master=self.index(action.bridge), state="up")
        self.set_port(index, priority=UPLINK_PRIORITY, isolated=int(action.isolated))

    # --- parts

    def set_link(self, index: int, **attributes: object) -> None:
        """Attributes as pyroute2 calls them, in one message."""
        self._call("link", "set", index=index, **attributes)

    def set_port(self, index: int, **options: int) -> None:
        """Options of a bridge port."""
        self._call("brport", "set", index=index, **options)

    def set_rate(self, index: int, rate: int, mtu: int) -> None:
        """Send no more bytes a second out of it; 0: no limit."""
        if not rate:
            self._unless_gone(lambda: self._call("tc", "del", index=index, root=True))
            return
        # what may come at once: a fiftieth of a second, but some full frames at least
        burst = max(rate // 50, 10 * (mtu + 14), 16384)
        self._call("tc", "replace", "tbf", index, 0x10000, rate=rate, burst=burst, limit=burst + max(rate // 10, burst))

    def set_hub(self, bridge: Link) -> None:
        """Make the bridge send everything everywhere as long as a port of it shall see all, as vif-bridge does."""
        ports = [each for each in self.reader.dump() if each.master == bridge.index]
        ageing = 0 if any(each.port.get("priority") == HUB_PRIORITY for each in ports) else _AGEING
        if bridge.options.get("br_ageing_time") != ageing:
            self._call("link", "set", index=bridge.index, kind="bridge", br_ageing_time=ageing)

    def set_promiscuous(self, port: Link, on: bool) -> None:
        """Mark a bridge port, or unmark it."""
        self.set_port(port.index, priority=HUB_PRIORITY if on else _NORMAL_PRIORITY)

    def quiet(self, index: int) -> None:
        """No IPv6 address comes up on it, and it answers no ARP."""
        self._quiet(index)
        self._call("link", "set", index=index, flags=_NOARP, change=_NOARP)

    def _quiet(self, index: int) -> None:
        try:
            self._call("link", "set", index=index, IFLA_AF_SPEC=NO_IPV6)
        except OSError as error:
            if error.errno not in _NO_FAMILY:  # a host without IPv6
                raise

    def _unless_gone(self, call: Callable[[], None]) -> None:
        try:
            call()
        except OSError as error:
            if error.errno not in _GONE:
                raise

    def _call(self, method: str, *arguments: object, **named: object) -> None:
        assert self._route is not None, "not open"
        try:
            getattr(self._route, method)(*arguments, **named)
        except NetlinkError as error:
            raise OSError(error.code, os.strerror(error.code)) from error
