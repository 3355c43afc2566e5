"""The switch port on Open vSwitch. See the package's docstring."""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from xenhost.core.errors import InternalError
from xenhost.core.network import (
    CONTROLLERS,
    BridgeState,
    ControllerState,
    LockingMode,
    Problem,
    SslFiles,
    SwitchFeature,
    SwitchKind,
    Topology,
    VifPort,
)
from xenhost.core.network_errors import SwitchCannot, SwitchUnavailable
from xenhost.core.pvs import PVS
from xenhost.drivers.network import bridge as links
from xenhost.drivers.network.ovs.bonds import Bonds
from xenhost.drivers.network.ovs.control import controller_states, plan_controllers, why_not
from xenhost.drivers.network.ovs.database import Table
from xenhost.drivers.network.ovs.flows import Flows, causes
from xenhost.drivers.network.ovs.ovsdb import Interrupted, Ovsdb, Touched
from xenhost.drivers.network.ovs.proxies import SOCKET, plan_proxies, proxy_ports, silence
from xenhost.drivers.network.ovs.proxies import why_not as why_no_proxy
from xenhost.drivers.network.ovs.states import bond_ports, bridge_states
from xenhost.drivers.network.ovs.topology import TopologyPlan, cards, plan_topology
from xenhost.drivers.network.ovs.values import Row
from xenhost.drivers.network.ovs.vif_plan import (
    VifPlan,
    attach_failed,
    known_vifs,
    plan_removal,
    plan_sweep,
    plan_vif,
)
from xenhost.drivers.network.ovs.vif_record import is_locked

_T = TypeVar("_T")
RUNDIR: Final = Path("/run/openvswitch")
_FEATURES: Final = frozenset(SwitchFeature)
_OVS_DEVICE: Final = "ovs-system"
"""The kernel's master of all ports of Open vSwitch."""
_NO_CAUSE: Final[tuple[dict[int, object], list[object]]] = ({}, [])
"""Of flows, on a bridge that was not there."""


class OvsSwitch:
    """Implements core.ports.network.Switch. No command is run: see ADR 16.

    `rundir` has the sockets of the daemons. `datapath_type` is `netdev` for the switch in user space, for tests.
    `patience` is how many seconds a daemon may be silent. `hold`: while VIFs are locked, an ovs-vswitchd that was
    started anew forwards only when their rules are back. `ssl`: by which SDN controllers and Open vSwitch know each
    other; without it there are none. `pvs_socket`: where the PVS proxy daemon answers.
    """

    def __init__(
        self,
        rundir: Path = RUNDIR,
        datapath_type: str = "",
        patience: float = 20.0,
        *,
        hold: bool = True,
        ssl: SslFiles | None = None,
        pvs_socket: Path = SOCKET,
    ) -> None:
        self._datapath_type: Final = datapath_type
        self._ssl: Final = ssl
        self._pvs_socket: Final = pvs_socket
        self._controllers: tuple[str, ...] = ()
        self._connected: Sequence[ControllerState] = ()
        self._watchers: Final[list[Callable[[], None]]] = []
        self._changing: Final = asyncio.Lock()
        self._db: Final = Ovsdb(rundir / "db.sock", patience)
        self._flows: Final = Flows(self._db, rundir, self._changing, patience, hold)
        self._bonds: Final = Bonds(self._db, rundir)

    @property
    def kind(self) -> SwitchKind:
        """See the port."""
        return SwitchKind.OPENVSWITCH

    @property
    def features(self) -> frozenset[SwitchFeature]:
        """See the port."""
        return _FEATURES

    async def open(self) -> None:
        """See the port; rules that are not as they shall be are made so."""
        await self._db.open()
        try:
            await _again(lambda: self._db.commit(plan_sweep(self._db.data)))
            async with self._changing:
                await self._flows.open()
            self._bonds.open()
            self._db.listen(self._look_at_controllers)
        except Interrupted as error:
            await self.close()
            raise SwitchUnavailable("ovsdb-server went while it was asked", switch=self.kind) from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """See the port."""
        self._bonds.close()
        self._watchers.clear()
        await self._flows.close()
        await self._db.close()

    # bridges

    async def apply(self, wanted: Topology) -> Sequence[Problem]:
        """See the port."""
        return await _again(lambda: self._apply(wanted))

    async def _apply(self, wanted: Topology) -> Sequence[Problem]:
        unusable = await asyncio.to_thread(_unusable, wanted, self._names())
        refused = await asyncio.to_thread(why_not, self._ssl) if wanted.controllers else ""
        self._controllers = wanted.controllers
        idle = await asyncio.to_thread(why_no_proxy, self._pvs_socket) if wanted.proxies else ""
        async with self._changing:
            plan = plan_topology(self._db.data, wanted, unusable, self._datapath_type)
            plan_controllers(self._db.data, plan.change, wanted.controllers, None if refused else self._ssl)
            cut = [each for each in plan.moved if self._is_locked(each)]
            up = await asyncio.to_thread(_set_all, cut, False)
            before, deaf = causes(self._db.data), self._without_snooping()
            if plan.change:
                try:
                    await self._db.commit(plan.change)
                except InternalError:  # refused: all is as it was
                    await asyncio.to_thread(_set_all, up, True)
                    raise
                await asyncio.to_thread(
                    _announce, [each for port in bond_ports(self._db.data) for each in self._members(port)]
                )
            if change := plan_proxies(self._db.data, wanted.proxies if not idle else ()):
                await self._db.commit(change)
            for bridge, cause in causes(self._db.data).items():
                if cause != before.get(bridge, _NO_CAUSE):
                    await self._flows.install(bridge)
            for bridge in deaf - self._without_snooping():
                await self._flows.query_members(bridge)
            await asyncio.to_thread(_set_all, up, True)
            if sweep := plan_sweep(self._db.data):
                await self._db.transact(sweep)
        proxies = sorted(proxy_ports(self._db.data))
        for each in proxies:
            await asyncio.to_thread(silence, each)
        await asyncio.to_thread(_set_all, [*plan.devices, *proxies], True)
        without = [Problem(CONTROLLERS, refused)] if refused else []
        without += [Problem(PVS, idle)] if idle else []
        return [*plan.problems, *without, *self._failures(plan)]

    async def bridges(self) -> Sequence[BridgeState]:
        """See the port: those of Open vSwitch."""
        return bridge_states(self._db.data, await self._bonds.states())

    def watch_bonds(self, on_change: Callable[[], None]) -> None:
        """See the port."""
        self._bonds.watch(on_change)
        self._watchers.append(on_change)

    def _look_at_controllers(self, touched: Touched) -> None:
        if not any(table is Table.MANAGER for table, _ in touched):
            return
        seen = controller_states(self._db.data, self._controllers)
        if seen != self._connected:
            self._connected = seen
            for watcher in self._watchers:
                watcher()

    def _names(self) -> frozenset[str]:
        return frozenset(row.name for row in self._db.data.all(Table.INTERFACE))

    def _is_locked(self, interface: str) -> bool:
        port = self._db.data.named(Table.PORT, interface)
        return port is not None and is_locked(port)

    def _members(self, bond: Row) -> list[str]:
        return [each.name for each in self._db.data.interfaces(bond)]

    def _without_snooping(self) -> frozenset[str]:
        return frozenset(row.name for row in self._db.data.bridges() if not row.flag("mcast_snooping_enable"))

    def _failures(self, plan: TopologyPlan) -> Iterable[Problem]:
        for name in plan.interfaces:
            row = self._db.data.named(Table.INTERFACE, name)
            if row is not None and (error := row.text("error")):
                yield Problem(name, error)

    async def proxies(self) -> frozenset[str]:
        """See the port."""
        return proxy_ports(self._db.data)

    async def controllers(self) -> Sequence[ControllerState]:
        """See the port."""
        return controller_states(self._db.data, self._controllers)

    # VIFs

    async def connect_vif(self, port: VifPort) -> None:
        """See the port. The rules are there before the port is, under the number that it will get."""
        await _again(lambda: self._connect(port))

    async def _connect(self, port: VifPort) -> None:
        if port.promiscuous:
            raise SwitchCannot(
                "Open vSwitch shows a port only what is for it; mirror a bridge to one that sends nothing, or use Linux"
                " bridges",
                switch=self.kind,
                feature="promiscuous",
            )
        if port.locking is LockingMode.DISABLED:
            await self._take_off(port.interface, disable=True)
            return
        link = await asyncio.to_thread(links.find, port.interface)
        if link is None:
            raise attach_failed(port.interface, "there is no such interface in dom0")
        async with self._changing:
            plan = plan_vif(self._db.data, port)
            if port.locking is LockingMode.LOCKED:
                self._flows.hold(plan.change)
                if plan.is_new:
                    if plan.left is None and link.up:
                        await asyncio.to_thread(_set_all, [port.interface], False)
                    await self._flows.set_port(plan.bridge, plan.number, plan.allowed)
            number = await self._db.transact(plan.change) if plan.change else None
            if plan.relocks:
                await self._flows.enforce(plan.bridge, plan.number, plan.allowed)
            elif not plan.is_new and port.locking is LockingMode.LOCKED:
                await self._flows.set_port(plan.bridge, plan.number, plan.allowed)
        if number is not None:
            await self._db.done(number)
        await self._check_connected(port, plan)
        try:
            await asyncio.to_thread(links.prepare, port.interface, port.mtu, port.carrier)
        except OSError as error:
            why = os.strerror(error.errno or errno.EIO).lower()
            raise attach_failed(port.interface, why) from error

    async def _check_connected(self, port: VifPort, plan: VifPlan) -> None:
        """Has it got the number that was asked for? If another one, its rules follow before it is up."""
        row = self._db.data.named(Table.INTERFACE, port.interface)
        number = row.number("ofport") if row is not None else None
        if number is None or number <= 0:
            why = row.text("error") if row is not None else ""
            await self.disconnect_vif(port.interface)
            raise attach_failed(port.interface, why or "Open vSwitch does not take it")
        if number != plan.number:
            async with self._changing:
                await self._flows.install(plan.bridge)
        if plan.left is not None:
            await self._forget(*plan.left)

    async def disconnect_vif(self, interface: str) -> None:
        """See the port."""
        await _again(lambda: self._take_off(interface, disable=False))

    async def _take_off(self, interface: str, disable: bool) -> None:
        if disable or interface in known_vifs(self._db.data):
            await asyncio.to_thread(_set_all, [interface], False)
        async with self._changing:
            removal = plan_removal(self._db.data, interface, disable)
            if not removal.change:
                return
            number = await self._db.transact(removal.change)
        await self._db.done(number)
        await asyncio.to_thread(_set_all, [interface], False)  # the switch in user space may have put it up once more
        if removal.left is not None:
            await self._forget(*removal.left)
            async with self._changing:
                await self._flows.hold_if_needed()

    async def _forget(self, bridge: str, port: int) -> None:
        """Remove the flows for a port that has gone; if that cannot be now, later."""
        async with self._changing:
            try:
                if self._is_taken(bridge, port):
                    await self._flows.install(bridge)
                else:
                    await self._flows.set_port(bridge, port, None)
            except SwitchUnavailable:
                self._flows.doubt(bridge)

    def _is_taken(self, bridge: str, number: int) -> bool:
        row = self._db.data.named(Table.BRIDGE, bridge)
        interfaces = (
            (each for port in self._db.data.ports(row) for each in self._db.data.interfaces(port)) if row else ()
        )
        return row is None or any(
            number in (each.number("ofport"), each.number("ofport_request")) for each in interfaces
        )

    async def vif_ports(self) -> Sequence[str]:
        """See the port. A rule without a port is removed when the switch is opened."""
        return known_vifs(self._db.data)


async def _again(verb: Callable[[], Awaitable[_T]]) -> _T:
    """Do it once more if ovsdb-server went in its middle: it looks at what is there. Raises SwitchUnavailable."""
    try:
        return await verb()
    except Interrupted:
        try:
            return await verb()
        except Interrupted as error:
            raise SwitchUnavailable(
                "ovsdb-server went twice in the middle of a change", switch="openvswitch"
            ) from error


def _unusable(wanted: Topology, known: frozenset[str]) -> Mapping[str, str]:
    """Devices that the kernel has no place for, or somebody else uses, and why. Blocks."""
    found = {}
    for card in cards(wanted):
        if (link := links.find(card)) is None:
            found[card] = "there is no such interface"
        elif master := _master(link):
            found[card] = f"it is on {master}, which is not ours"
    for bridge in wanted.bridges:
        if bridge.name not in known and links.find(bridge.name) is not None:
            found[bridge.name] = f"there is an interface {bridge.name} which is not ours"
    return found


def _master(link: links.Link) -> str:
    """The bridge or bond of others that it is on. Blocks."""
    if not link.master:
        return ""
    try:
        name = socket.if_indextoname(link.master)
    except OSError:  # it went meanwhile
        return ""
    return "" if name == _OVS_DEVICE else name


def _announce(members: Iterable[str]) -> None:
    """Have ovs-vswitchd look whether the cards of bonds may be used: without LACP it asks itself only when one changes.

    Blocks.
    """
    for member in members:
        if (link := links.find(member)) is not None:
            with contextlib.suppress(OSError):  # it went meanwhile
                links.announce(link)


def _set_all(devices: Iterable[str], up: bool) -> list[str]:
    """Those that were the other way. One that is gone is left alone. Blocks."""
    changed = []
    for device in devices:
        link = links.find(device)
        if link is not None and link.up != up:
            try:
                links.set_up(device, up)
            except OSError as error:
                if error.errno != errno.ENODEV:
                    raise
            changed.append(device)
    return changed
