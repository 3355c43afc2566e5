"""Watches bonds: the database tells that something changed, ovs-vswitchd what it is now.

That is asked over its control socket, as `ovs-appctl bond/show` does; the database has no word for "this card may
carry traffic", which depends on delays and on LACP.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from xenhost.core.network import MemberState
from xenhost.drivers.network.ovs.database import Table
from xenhost.drivers.network.ovs.ovsdb import Ovsdb, Touched
from xenhost.drivers.network.ovs.states import bond_from_columns, bond_ports, parse_bond
from xenhost.drivers.network.ovs.values import Uuid
from xenhost.drivers.network.ovs.vswitchd import Unanswered, ask

_SOON: Final = (0.05, 1.0)
"""Seconds after a change of a link at which a bond has drawn its consequences; its delay to use a card comes on top."""


class Bonds:
    """For one event loop."""

    def __init__(self, db: Ovsdb, rundir: Path) -> None:
        self._db: Final = db
        self._rundir: Final = rundir
        self._watchers: Final[list[Callable[[], None]]] = []
        self._timers: Final[set[asyncio.TimerHandle]] = set()
        self._seen: dict[str, tuple[object, ...]] = {}
        self._rows: frozenset[Uuid] = frozenset()

    def open(self) -> None:
        """Begin to watch."""
        self._seen = self._look()
        self._db.listen(self._on_change)

    def close(self) -> None:
        """Stop."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._watchers.clear()

    def watch(self, on_change: Callable[[], None]) -> None:
        """Call it when a card of a bond may have come, gone or taken over."""
        self._watchers.append(on_change)

    async def states(self) -> dict[str, tuple[MemberState, ...]]:
        """Of every bond, by its port."""
        ports = bond_ports(self._db.data)
        if not ports:
            return {}
        states = {port.name: bond_from_columns(self._db.data, port) for port in ports}
        try:
            answers = await ask(self._rundir, *(("bond/show", name) for name in states))
        except Unanswered:
            return states  # what the database says must do
        return {name: parse_bond(answer) or states[name] for name, answer in zip(states, answers, strict=True)}

    def _is_bond(self, table: Table, uuid: Uuid) -> bool:
        row = self._db.data.row(table, uuid) if table is Table.PORT else None
        return row is not None and len(row.rows("interfaces")) > 1

    def _look(self) -> dict[str, tuple[object, ...]]:
        data = self._db.data
        ports = bond_ports(data)
        self._rows = frozenset({port.uuid for port in ports}.union(*(port.rows("interfaces") for port in ports)))
        return {
            port.name: (
                port.text("bond_active_slave"),
                *((each.name, each.text("link_state"), each.flag("lacp_current")) for each in data.interfaces(port)),
            )
            for port in ports
        }

    def _on_change(self, touched: Touched) -> None:
        if not any(uuid in self._rows or self._is_bond(table, uuid) for table, uuid in touched):
            return
        seen = self._look()
        if seen == self._seen:
            return
        changed = [name for name in seen if seen[name] != self._seen.get(name)]
        self._seen = seen
        delays = [self._db.data.named(Table.PORT, name) for name in changed]
        longest = max([port.number("bond_updelay") or 0 for port in delays if port is not None], default=0) / 1000
        for seconds in {*_SOON, *(longest + each for each in _SOON)}:
            self._tell_in(seconds)

    def _tell_in(self, seconds: float) -> None:
        def tell() -> None:
            self._timers.discard(timer)
            for watcher in self._watchers:
                watcher()

        timer = asyncio.get_running_loop().call_later(seconds, tell)
        self._timers.add(timer)
