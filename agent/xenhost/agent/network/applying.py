"""Making it so: what is wanted goes to the switch, the addresses and the cards, in this order, one at a time."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from xenhost.agent.engine.actor import contained
from xenhost.agent.network.calls import Calls
from xenhost.agent.network.config import NetworkConfig
from xenhost.agent.network.current import CurrentSwitch
from xenhost.agent.network.known import Known
from xenhost.agent.network.places import EVERYWHERE, NO_IP
from xenhost.agent.network.virtual import VirtualFunctions
from xenhost.agent.network.wishes.wish import wish
from xenhost.core.errors import XenhostError
from xenhost.core.network import CONTROLLERS, Problem, Topology
from xenhost.core.network_records import Intent
from xenhost.core.ports.network import Addresses, Nics
from xenhost.core.pvs import PVS

Log = structlog.typing.FilteringBoundLogger
Made = Coroutine[Any, Any, Sequence[Problem]]


@dataclass(slots=True)
class _Opened:
    addresses: bool = False
    nics: bool = False


class Applier:
    """The one place that gives wishes to the ports. Nothing of it raises but what says so: trouble is a Problem."""

    def __init__(
        self,
        known: Known,
        switch: CurrentSwitch,
        addresses: Addresses,
        nics: Nics,
        calls: Calls,
        config: NetworkConfig,
        log: Log,
    ) -> None:
        self._known: Final = known
        self._switch: Final = switch
        self._addresses: Final = addresses
        self._nics: Final = nics
        self._calls: Final = calls
        self._config: Final = config
        self._log: Final = log
        self._virtual: Final = VirtualFunctions(known, nics, calls, config)
        self._lock: Final = asyncio.Lock()
        self._opened: Final = _Opened()
        self.on_looked: Callable[[], None] = lambda: None
        """What is known has changed."""

    async def open(self) -> list[Problem]:
        """Open what is not open, and look at cards and bridges."""
        problems: list[Problem] = []
        if not self._opened.nics:
            self._opened.nics = await self._tried("listening to cards", self._nics.open(), "cards", problems)
        if not self._switch.opened:
            await self._tried("connecting to the switch", self._switch.open(), "switch", problems)
        if not self._opened.addresses:
            self._opened.addresses = await self._tried("addresses", self._addresses.open(), "addresses", problems)
        await self._scan(problems)
        return problems

    async def close(self) -> None:
        """Let go of everything; what is there stays."""
        problems: list[Problem] = []
        await self._tried("leaving the addresses", self._addresses.close(), "addresses", problems)
        await self._tried("leaving the switch", self._switch.close(), "switch", problems)
        await self._tried("leaving the cards", self._nics.close(), "cards", problems)

    async def apply(self, unless: Callable[[], bool] = lambda: False) -> None:
        """Make what is in effect so, and note what went wrong. `unless`: asked when it is our turn.

        Cancelled: some of it is done.
        """
        async with self._lock:
            if unless() or self._known.unreadable:
                return
            problems: list[Problem] = []
            fault = await contained(self._apply(problems), self._log)
            self._note([Problem(EVERYWHERE, fault), *problems] if fault else problems)
            self.on_looked()

    async def leave(self, other: Intent) -> None:
        """An interrupted change had begun to use another switch: what it made there goes."""
        if other.switch is self._known.intent.switch:
            return
        problems: list[Problem] = []
        async with self._lock:
            await self._change_switch(other, problems)

    async def look(self) -> None:
        """See what is there now."""
        problems: list[Problem] = []
        await self._look(problems)
        self.on_looked()

    async def look_at(self, interface: str) -> None:
        """See what addresses an interface has now."""
        config = self._known.wish.addresses.interfaces.get(interface, NO_IP)
        if config == NO_IP:
            return
        try:
            work = self._addresses.state(interface)
            state = await self._calls.verb("looking at addresses", work, self._config.look_deadline)
        except XenhostError as error:
            self._log.info("addresses cannot be seen", interface=interface, error=str(error))
            return
        self._known.addresses[interface] = state
        self.on_looked()

    async def vif_ports(self) -> frozenset[str] | None:
        """Interfaces of VIFs on the switch; None: it does not say."""
        try:
            work = self._switch.vif_ports()
            return frozenset(await self._calls.verb("listing VIFs", work, self._config.look_deadline))
        except XenhostError as error:
            self._log.warning("VIFs cannot be listed", error=str(error))
            return None

    # Inside

    async def _apply(self, problems: list[Problem]) -> None:
        known = self._known
        problems += await self.open()
        if any(problem.place == EVERYWHERE for problem in problems):
            return  # a card that is not seen would be taken from its bridge
        await self._change_switch(known.effective, problems)
        problems += await self._virtual.settle(known.effective)
        wanted = wish(known.effective, known.facts())
        known.wish = wanted
        problems += wanted.problems
        early = {device: settings for device, settings in wanted.nics.items() if self._nics.get(device) is not None}
        late = {device: settings for device, settings in wanted.nics.items() if device not in early}
        await self._make("cards", self._nics.configure(early), sorted(early), problems)
        names = [bridge.name for bridge in wanted.topology.bridges]
        names += [PVS] if wanted.topology.proxies or known.proxies else []
        names += [CONTROLLERS] if wanted.topology.controllers or known.controllers else []
        if self._switch.opened:
            await self._make("bridges", self._switch.apply(wanted.topology), names, problems)
        else:
            problems += [Problem(name, "the switch cannot be reached") for name in names]
        plan = wanted.addresses
        if self._opened.addresses:
            await self._make("addresses", self._addresses.apply(plan), sorted(plan.interfaces), problems)
        else:
            problems += [Problem(name, "addresses cannot be set") for name in sorted(plan.interfaces)]
        if late:
            await self._make("links", self._nics.configure(late), sorted(late), problems)
        await self._look(problems)

    async def _change_switch(self, intent: Intent, problems: list[Problem]) -> None:
        if intent.switch is self._switch.kind:
            return
        if self._switch.opened:
            work = self._switch.apply(Topology())
            await self._make("leaving the switch", work, [self._switch.kind.value], problems)
        await self._tried("leaving the switch", self._switch.use(intent.switch), "switch", problems)
        await self._tried("connecting to the switch", self._switch.open(), "switch", problems)

    async def _scan(self, problems: list[Problem]) -> None:
        try:
            cards = await self._calls.verb("looking at cards", self._nics.scan(), self._config.look_deadline)
            self._known.cards = tuple(card.device for card in cards)
        except XenhostError as error:
            problems.append(Problem(EVERYWHERE, f"cards cannot be seen: {error}"))
        await self._list(problems)

    async def _list(self, problems: list[Problem]) -> None:
        if not self._switch.opened:
            return
        try:
            bridges = await self._calls.verb("listing bridges", self._switch.bridges(), self._config.look_deadline)
            self._known.bridges = {bridge.name: bridge for bridge in bridges}
            if self._known.effective.controllers or self._known.controllers:
                work = self._switch.controllers()
                found = await self._calls.verb("looking at controllers", work, self._config.look_deadline)
                self._known.controllers = {each.target: each for each in found}
            if self._known.effective.pvs_proxies or self._known.proxies:
                work_of_proxies = self._switch.proxies()
                self._known.proxies = await self._calls.verb(
                    "looking at proxies", work_of_proxies, self._config.look_deadline
                )
        except XenhostError as error:
            problems.append(Problem("switch", str(error)))

    async def _look(self, problems: list[Problem]) -> None:
        await self._list(problems)
        wanted = {name for name, ip in self._known.wish.addresses.interfaces.items() if ip != NO_IP}
        for gone in self._known.addresses.keys() - wanted:
            del self._known.addresses[gone]
        for interface in sorted(wanted):
            try:
                work = self._addresses.state(interface)
                state = await self._calls.verb("looking at addresses", work, self._config.look_deadline)
                self._known.addresses[interface] = state
            except XenhostError as error:
                problems.append(Problem(interface, str(error)))

    async def _make(self, what: str, work: Made, places: Sequence[str], problems: list[Problem]) -> None:
        """If all of it fails, it is a problem in each place."""
        try:
            problems += await self._calls.verb(what, work, self._config.verb_deadline)
        except XenhostError as error:
            problems += [Problem(place, str(error)) for place in places] or [Problem(what, str(error))]

    async def _tried(self, what: str, work: Coroutine[Any, Any, None], place: str, problems: list[Problem]) -> bool:
        try:
            await self._calls.verb(what, work, self._config.open_deadline)
        except XenhostError as error:
            problems.append(Problem(place, str(error)))
            return False
        return True

    def _note(self, problems: Sequence[Problem]) -> None:
        unique = tuple(dict.fromkeys(problems))
        for problem in unique:
            if problem not in self._known.problems:
                self._log.warning("a network cannot be made", place=problem.place, problem=problem.message)
        for problem in self._known.problems:
            if problem not in unique:
                self._log.info("a problem of a network is over", place=problem.place, problem=problem.message)
        self._known.problems = unique
