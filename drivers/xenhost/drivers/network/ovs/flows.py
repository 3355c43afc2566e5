"""Keeps the flows of bridges as the database says they shall be, also when ovs-vswitchd has forgotten them.

It forgets them when it ends, and when a bridge gets or loses its controller. The first ends the connection to the
bridge's management socket, the second changes the bridge's row; either way they are made again at once. From the start
of a new ovs-vswitchd until then nothing may pass that rules forbid: as long as there are locked VIFs, the database has
`flow-restore-wait`, with which a new ovs-vswitchd forwards nothing it did not forward before until that is taken away
(ovs-vswitchd.conf.db(5)); one that runs already does not care.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from xenhost.core.errors import XenhostError
from xenhost.core.network import FailMode
from xenhost.drivers.network.ovs import openflow
from xenhost.drivers.network.ovs.bridge_link import BridgeLink
from xenhost.drivers.network.ovs.change import Change
from xenhost.drivers.network.ovs.database import Database, Table
from xenhost.drivers.network.ovs.multicast import general_queries
from xenhost.drivers.network.ovs.openflow import Flow
from xenhost.drivers.network.ovs.ovsdb import Interrupted, Ovsdb, Touched
from xenhost.drivers.network.ovs.placement import is_ours, of_interface, vif_ports
from xenhost.drivers.network.ovs.proxies import proxy_flows
from xenhost.drivers.network.ovs.rules import (
    BRIDGE,
    COOKIE,
    ONE,
    OURS,
    Allowed,
    by_cookie,
    is_bound,
    of_secure_bridge,
    of_vif,
)
from xenhost.drivers.network.ovs.values import Row
from xenhost.drivers.network.ovs.vif_record import is_locked
from xenhost.drivers.network.ovs.vswitchd import revalidated
from xenhost.drivers.network.ovs.wishes import UPLINK_KEY

_log = structlog.get_logger()
_PAUSE: Final = 0.1
"""Seconds between tries to reach a bridge whose ovs-vswitchd is gone."""
_WAIT_KEY: Final = "flow-restore-wait"
_PROTOCOL: Final = "OpenFlow14"
_HOLD_KEY: Final = "xenhost-hold"
"""In external_ids of the root: `flow-restore-wait` is there because of us."""


class Flows:
    """`changing` is held by whoever changes VIFs, so that what is read and what is made agree."""

    def __init__(self, db: Ovsdb, rundir: Path, changing: asyncio.Lock, patience: float, hold: bool) -> None:
        self._db: Final = db
        self._rundir: Final = rundir
        self._changing: Final = changing
        self._patience: Final = patience
        self._hold: Final = hold
        self._links: Final[dict[str, BridgeLink]] = {}
        self._opening: Final = asyncio.Lock()
        self._control: Final[dict[str, tuple[object, ...]]] = {}
        self._own: Final[dict[str, list[Flow]]] = {}
        """Flows for no VIF, as they were made: they depend on what ovs-vswitchd tells later, such as port numbers."""
        self._doubtful: Final[set[str]] = set()
        self._doubt: Final = asyncio.Event()
        self._releasing = False
        self._unheld = False
        self._repairing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Make every flow there shall be, remove what an earlier agent left. Raises SwitchUnavailable."""
        self._db.listen(self._on_change)
        data = self._db.data
        for row in list(data.bridges()):
            self._control[row.name] = _control(row)
            if is_ours(row) or vif_ports(data, row):
                await self.install(row.name)
        await self._release()
        self._repairing = asyncio.create_task(self._repair(), name="openflow repair")

    async def close(self) -> None:
        """Flows stay."""
        if self._repairing is not None:
            self._repairing.cancel()
            await asyncio.gather(self._repairing, return_exceptions=True)
        for link in self._links.values():
            await link.close()
        self._links.clear()

    async def install(self, bridge: str) -> None:
        """All flows of ours on a real bridge as they shall be, at one moment. Raises SwitchUnavailable, InternalError.

        Wanted without the bridge: no-op.
        """
        row = self._db.data.named(Table.BRIDGE, bridge)
        if row is not None:
            if change := _allow_protocol(row):
                await self._db.commit(change)
            flows = wanted_flows(self._db.data, row)
            self._own[bridge] = _own_flows(self._db.data, row)
            await self._change(bridge, COOKIE, OURS, flows)

    async def set_port(self, bridge: str, number: int, allowed: Allowed | None) -> None:
        """The flows for one port; None: none. Raises as `install`."""
        cookie = COOKIE | number
        flows = [] if allowed is None else [(cookie, flow) for flow in of_vif(number, allowed)]
        await self._change(bridge, cookie, ONE, flows)

    async def enforce(self, bridge: str, number: int, allowed: Allowed) -> None:
        """As `set_port`, and when it returns no packet is treated as before: what the datapath remembers is right."""
        for _ in range(2):
            async with revalidated(self._rundir):
                await self.set_port(bridge, number, allowed)

    async def query_members(self, bridge: str) -> None:
        """Ask the guests of a real bridge which multicast groups they are in. Raises SwitchUnavailable."""
        data = self._db.data
        if (row := data.named(Table.BRIDGE, bridge)) is None:
            return
        ports = [of_interface(data, port) for port, _ in vif_ports(data, row)]
        own = data.named(Table.INTERFACE, bridge)
        mac = own.text("mac_in_use") if own is not None else ""
        if not mac or not ports:
            return
        link = await self._link(bridge)
        for number in ports:
            for packet in general_queries(mac):
                if number is not None:
                    link.send(number, packet)

    def doubt(self, bridge: str) -> None:
        """Make the flows of the bridge anew, as soon as that can be done."""
        self._doubtful.add(bridge)
        self._doubt.set()

    async def _change(self, bridge: str, cookie: int, mask: int, flows: list[tuple[int, Flow]]) -> None:
        steps: list[Callable[[int], bytes]] = [partial(openflow.delete_flows, cookie=cookie, cookie_mask=mask)]
        steps += [partial(openflow.add_flow, flow=flow, cookie=each) for each, flow in flows]
        try:
            await (await self._link(bridge)).change(steps)
        except BaseException:
            self.doubt(bridge)
            raise

    async def _link(self, bridge: str) -> BridgeLink:
        async with self._opening:
            link = self._links.get(bridge)
            if link is None or link.closed:
                link = BridgeLink(self._rundir / f"{bridge}.mgmt", self._patience, partial(self._lost, bridge))
                await link.open()
                self._links[bridge] = link
            return link

    def _lost(self, bridge: str) -> None:
        self._links.pop(bridge, None)
        self.doubt(bridge)

    def _on_change(self, touched: Touched) -> None:
        root = self._db.data.root
        held = _HOLD_KEY not in root.mapping("external_ids") or _WAIT_KEY in root.mapping("other_config")
        if not held and not self._releasing:  # somebody else let go: `ovs-ctl restart` does
            self._unheld = True
            self._doubt.set()
        for table, uuid in touched:
            if table is not Table.BRIDGE or (row := self._db.data.row(table, uuid)) is None:
                continue
            before = self._control.get(row.name)
            self._control[row.name] = _control(row)
            if before is not None and before != self._control[row.name]:
                self.doubt(row.name)
        if any(table in (Table.INTERFACE, Table.PORT) for table, _ in touched):
            for row in [each for each in self._db.data.bridges() if _is_secure(each) or self._own.get(each.name)]:
                if self._own.get(row.name, []) != _own_flows(self._db.data, row):
                    self.doubt(row.name)

    # repair

    async def _repair(self) -> None:
        while True:
            await self._doubt.wait()
            self._doubt.clear()
            repaired = False
            while self._doubtful:
                for bridge in sorted(self._doubtful):
                    repaired |= await self._try_repair(bridge)
                if self._doubtful:
                    await asyncio.sleep(_PAUSE)
            if repaired or self._unheld:
                self._unheld = False
                try:
                    await (self._release() if repaired else self.hold_if_needed())
                except (XenhostError, Interrupted) as error:
                    _log.warning("Open vSwitch does not answer; its packets may wait", error=str(error))

    async def _try_repair(self, bridge: str) -> bool:
        """At once, and again when ovs-vswitchd has done all that was asked of it: only then port numbers are sure."""
        if self._db.data.named(Table.BRIDGE, bridge) is None:
            self._doubtful.discard(bridge)
            return False
        try:
            async with self._changing:
                await self.install(bridge)
            await self._db.commit(Change())
            async with self._changing:
                await self.install(bridge)
        except (XenhostError, Interrupted) as error:
            _log.debug("flows cannot be made yet", bridge=bridge, error=str(error))
            return False
        self._doubtful.discard(bridge)
        _log.info("the flows of a bridge were made anew", bridge=bridge)
        return True

    # nothing passes before the rules are back

    def hold(self, change: Change) -> None:
        """Part of the change that connects a locked VIF: from now on a new ovs-vswitchd waits for us."""
        root = self._db.data.root
        if self._hold:
            change.keys(Table.ROOT, root, "external_ids", {_HOLD_KEY: "true"})
            change.keys(Table.ROOT, root, "other_config", {_WAIT_KEY: "true"})

    async def _release(self) -> None:
        """A new ovs-vswitchd has its flows: it may go on. The next one waits again, if there is what to wait for."""
        if _HOLD_KEY in self._db.data.root.mapping("external_ids"):
            change = Change()
            change.keys(Table.ROOT, self._db.data.root, "other_config", {_WAIT_KEY: None})
            self._releasing = True
            try:
                await self._db.commit(change)
            finally:
                self._releasing = False
        await self.hold_if_needed()

    async def hold_if_needed(self) -> None:
        """Hold as long as there is a locked VIF. Raises SwitchUnavailable."""
        root, change = self._db.data.root, Change()
        if any(is_locked(port) for port in self._db.data.all(Table.PORT)):
            self.hold(change)
        elif _HOLD_KEY in root.mapping("external_ids"):
            change.keys(Table.ROOT, root, "external_ids", {_HOLD_KEY: None})
            change.keys(Table.ROOT, root, "other_config", {_WAIT_KEY: None})
        if change:
            await self._db.transact(change)


def wanted_flows(data: Database, bridge: Row) -> list[tuple[int, Flow]]:
    """Flows of ours that a real bridge shall have, with their cookies."""
    return by_cookie(_vifs(data, bridge), _own_flows(data, bridge))


def causes(data: Database) -> dict[str, object]:
    """What the flows of ours on each real bridge come from: if it is equal, so are they."""
    return {
        bridge.name: ({k: v for k, v in _vifs(data, bridge).items() if is_bound(v)}, _own_flows(data, bridge))
        for bridge in data.bridges()
    }


def _vifs(data: Database, bridge: Row) -> dict[int, Allowed]:
    numbers = ((of_interface(data, port), record.allowed) for port, record in vif_ports(data, bridge))
    return {number: allowed for number, allowed in numbers if number is not None}


def _own_flows(data: Database, bridge: Row) -> list[Flow]:
    return [*_secure_flows(data, bridge), *proxy_flows(data, bridge)]


def _secure_flows(data: Database, bridge: Row) -> list[Flow]:
    own = data.named(Table.INTERFACE, bridge.name)
    if not (is_ours(bridge) and _is_secure(bridge)) or own is None or not own.text("mac_in_use"):
        return []
    uplinks = [port for port in data.ports(bridge) if UPLINK_KEY in port.mapping("external_ids")]
    numbers = [number for port in uplinks for each in data.interfaces(port) if (number := each.number("ofport"))]
    return of_secure_bridge(own.text("mac_in_use"), (number for number in numbers if 0 < number < BRIDGE))


def _allow_protocol(bridge: Row) -> Change:
    """Some SDN controllers narrow the versions of OpenFlow to their own, and forget those who manage the bridge."""
    versions, change = bridge.texts("protocols"), Change()
    if versions and _PROTOCOL not in versions:
        change.mutate(Table.BRIDGE, bridge.uuid, [["protocols", "insert", _PROTOCOL]])
    return change


def _control(bridge: Row) -> tuple[object, ...]:
    return bridge.rows("controller"), _is_secure(bridge)


def _is_secure(bridge: Row) -> bool:
    return bridge.text("fail_mode") == FailMode.SECURE
