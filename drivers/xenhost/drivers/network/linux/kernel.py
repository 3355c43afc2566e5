"""Interfaces made, changed and removed over rtnetlink. Everything blocks: for the thread of the switch alone."""

import errno
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from xenhost.drivers.network.linux import requests
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
from xenhost.drivers.network.linux.requests import Value
from xenhost.system.netlink_client import APPEND, CREATE, EXCLUSIVE, REPLACE, NetlinkClient

_NO_FAMILY: Final = (errno.EAFNOSUPPORT, errno.EOPNOTSUPP, errno.EINVAL)
_GONE: Final = (errno.ENODEV, errno.ENOENT)
_DEFAULT_MAC: Final = "00:00:00:00:00:00"
_NORMAL_PRIORITY: Final = 32
_AGEING: Final = 30000
"""Of a bridge, in hundredths of a second; a bridge with 0 learns nothing and sends every frame everywhere."""


class Kernel:
    """The links of one network namespace: that of the thread that opens it. Raises OSError."""

    def __init__(self) -> None:
        self._open: tuple[NetlinkClient, LinkReader] | None = None

    def open(self) -> None:
        """Connect."""
        netlink = NetlinkClient()
        self._open = netlink, LinkReader(netlink)

    def close(self) -> None:
        """Disconnect."""
        if self._open is not None:
            self._open[0].close()
            self._open = None

    @property
    def reader(self) -> LinkReader:
        """What there is."""
        assert self._open is not None, "not open"
        return self._open[1]

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
                self.set_link(self.index(action.device), action.attributes, kind=action.kind)
            case Remode():
                self._remode(action)
            case Enslave():
                self._enslave(action.device, self.index(action.bond))
            case Primary():
                primary = {"bond_primary": self.index(action.member)}
                self.set_link(self.index(action.device), primary, kind="bond")
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
        self._unless_gone(lambda: self._ask(requests.DROP_LINK, requests.group(DOOMED_GROUP)))

    def _doom(self, device: str) -> None:
        self.set_link(self.index(device), {"group": DOOMED_GROUP})

    def _detach(self, action: Detach) -> None:
        index = self.index(action.device)
        self.set_link(index, {"master": 0})
        if action.down:
            self.set_link(index, {"state": "down"})

    def _create(self, action: Create) -> None:
        attributes = {**action.attributes, "ifname": action.device, "group": OWN_GROUP}
        if action.parent:
            attributes["link"] = self.index(action.parent)
        mtu = attributes.pop("mtu")  # some kinds take it only once they are there
        self._ask(requests.NEW_LINK, requests.link(attributes, kind=action.kind), CREATE | EXCLUSIVE)
        index = self.index(action.device)
        rest: Mapping[str, Value] = {"ifalias": action.alias, "mtu": mtu}
        if action.kind == "bridge":
            self.set_link(index, {**rest, "state": "up"})
        else:
            self.set_link(index, rest, quiet=True)
            if action.kind == "bond":
                self.set_link(index, {"state": "up"})  # others as they are put on their bridge

    def _remode(self, action: Remode) -> None:
        index = self.index(action.device)
        self.set_link(index, {"state": "down"})
        for link in self.reader.dump():
            if link.master == index:
                self.set_link(link.index, {"master": 0})
        self.set_link(index, {"bond_mode": action.attributes["bond_mode"]}, kind="bond")  # others depend on it
        self.set_link(index, action.attributes, kind="bond")
        for member in action.members:
            self._enslave(member, index)
        self.set_link(index, {"state": "up"})

    def _enslave(self, member: str, bond: int) -> None:
        index = self.index(member)
        self.set_link(index, {"state": "down"})  # bonding takes them only so
        self.set_link(index, {"master": bond})
        self.set_link(index, {"state": "up"})

    def _remotes(self, action: Remotes) -> None:
        index = self.index(action.device)
        entries = self.reader.neighbours(index)
        found = {each.remote for each in entries if each.mac == _DEFAULT_MAC and each.remote}
        for each in entries:
            if each.remote and each.remote not in action.remotes:  # what was learned of it goes as well
                body = requests.neighbour(index, each.mac, each.remote)
                self._unless_gone(partial(self._ask, requests.DROP_NEIGHBOUR, body))
        for remote in sorted(action.remotes - found):
            body = requests.neighbour(index, _DEFAULT_MAC, remote)
            self._ask(requests.NEW_NEIGHBOUR, body, CREATE | APPEND)

    def _attach(self, action: Attach) -> None:
        index = self.index(action.device)
        self.set_link(index, {"master": self.index(action.bridge), "state": "up"})
        self.set_port(index, priority=UPLINK_PRIORITY, isolated=int(action.isolated))

    # --- parts

    def set_link(self, index: int, attributes: Mapping[str, Value], *, kind: str = "", quiet: bool = False) -> None:
        """Attributes as `requests` calls them, in one message. `quiet`: no IPv6 address comes up on it."""
        try:
            self._ask(requests.NEW_LINK, requests.link(attributes, index=index, kind=kind, quiet=quiet))
        except OSError as error:
            if not quiet or error.errno not in _NO_FAMILY:  # a host without IPv6
                raise
            self._ask(requests.NEW_LINK, requests.link(attributes, index=index, kind=kind))

    def set_port(self, index: int, **options: int) -> None:
        """Options of a bridge port."""
        self._ask(requests.NEW_LINK, requests.port(options, index))

    def set_rate(self, index: int, rate: int, mtu: int) -> None:
        """Send no more bytes a second out of it; 0: no limit."""
        if not rate:
            self._unless_gone(lambda: self._ask(requests.DROP_QUEUE, requests.no_queue(index)))
            return
        # what may come at once: a fiftieth of a second, but some full frames at least
        burst = max(rate // 50, 10 * (mtu + 14), 16384)
        body = requests.queue(index, rate, burst, burst + max(rate // 10, burst))
        self._ask(requests.NEW_QUEUE, body, CREATE | REPLACE)

    def set_hub(self, bridge: Link) -> None:
        """Make the bridge send everything everywhere as long as a port of it shall see all, as vif-bridge does."""
        ports = [each for each in self.reader.dump() if each.master == bridge.index]
        ageing = 0 if any(each.port.get("priority") == HUB_PRIORITY for each in ports) else _AGEING
        if bridge.options.get("br_ageing_time") != ageing:
            self.set_link(bridge.index, {"br_ageing_time": ageing}, kind="bridge")

    def set_promiscuous(self, port: Link, on: bool) -> None:
        """Mark a bridge port, or unmark it."""
        self.set_port(port.index, priority=HUB_PRIORITY if on else _NORMAL_PRIORITY)

    def _unless_gone(self, call: Callable[[], None]) -> None:
        try:
            call()
        except OSError as error:
            if error.errno not in _GONE:
                raise

    def _ask(self, request: int, body: bytes, flags: int = 0) -> None:
        assert self._open is not None, "not open"
        self._open[0].change(request, body, flags)
