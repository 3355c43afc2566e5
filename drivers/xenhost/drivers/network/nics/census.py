"""Knows all network cards, bonds of cards and virtual functions of this host. Calls block, and come from one thread.

What else there is (VIFs, by the hundreds) is known by index and name alone, so that its events cost next to nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import structlog

from xenhost.core.network import Nic
from xenhost.drivers.network.nics import ethtool, links, order_file
from xenhost.drivers.network.nics.cards import Card, card, speed_and_duplex
from xenhost.drivers.network.nics.links import Link, LinkEvent
from xenhost.drivers.network.nics.modprobe_file import vf_total
from xenhost.drivers.network.nics.names import CardNames
from xenhost.drivers.network.nics.order import DuplicateAddress, Placed, arrange
from xenhost.drivers.network.nics.order_file import OrderUnreadable
from xenhost.drivers.network.nics.places import Places

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All there was at one time."""

    nics: Mapping[str, Nic]
    """Cards, bonds and virtual functions by device."""
    cards: frozenset[str]
    """Those of them that are cards."""
    others: Mapping[int, str]
    """Names of links that are none of these, by index. One that is renamed is looked at again: udev may just do so."""


@dataclass(frozen=True, slots=True)
class _Entry:
    link: Link
    card: Card | None
    """None: a bond."""
    nic: Nic


class Census:
    """What cards there are, kept up to date by whoever hears of changes."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._names = CardNames(places.pci_ids, places.real)
        self._entries: dict[int, _Entry] = {}
        self._others: dict[int, str] = {}
        self._order: list[Placed] | None = None
        self._complaint = ""

    def take(self) -> Snapshot:
        """Look at everything. Raises OSError."""
        found = links.every()
        self._entries = {link.index: entry for link in found if (entry := self._look(link)) is not None}
        self._others = {link.index: link.name for link in found if link.index not in self._entries}
        return self._snapshot()

    def update(self, changed: Iterable[LinkEvent]) -> Snapshot:
        """Look again at what events were about, at least once for each link. Raises OSError."""
        bonds: set[int] = set()
        for event in changed:
            index = event.link.index
            before = self._entries.pop(index, None)
            self._others.pop(index, None)
            # an event may be old news: only that a card is meant is taken from it, the rest is asked
            link = None if event.gone else links.find(event.link.name)
            if link is not None and link.index == index:
                if (entry := self._look(link)) is None:
                    self._others[index] = link.name
                else:
                    self._entries[index] = entry
                    bonds.add(link.master)
            if before is not None:
                bonds.add(before.link.master)
        for index in bonds & self._entries.keys():  # the speed of a bond is that of its members
            if (link := links.find(self._entries[index].link.name)) and (entry := self._look(link)):
                self._entries[link.index] = entry
        return self._snapshot()

    def _look(self, link: Link) -> _Entry | None:
        if not link.ethernet:
            return None
        found = card(self._places.sysfs, link.name)
        if found is None and link.kind != "bond":
            return None
        speed, full = self._speed(link)
        nic = Nic(
            device=link.name,
            mac=link.mac,
            mtu=link.mtu,
            up=link.up,
            carrier=link.carrier,
            speed=speed,
            full_duplex=full,
        )
        return _Entry(link, found, nic if found is None else self._with_card(nic, found))

    def _speed(self, link: Link) -> tuple[int, bool]:
        if not link.carrier:
            return 0, False
        try:
            modes = ethtool.link_modes(link.name)
        except OSError:  # a kernel without this part of ethtool, or the driver does not tell
            return speed_and_duplex(self._places.sysfs, link.name)
        return modes.speed, modes.duplex == "full"

    def _with_card(self, nic: Nic, found: Card) -> Nic:
        vendor, model = self._names.of(found)
        return replace(
            nic,
            pci_bus_path=found.pci or "N/A",
            vendor_id=found.vendor_id,
            vendor_name=vendor,
            device_id=found.device_id,
            device_name=model,
            driver=found.driver,
            sriov_total=vf_total(self._places.modprobe, found.driver, found.vf_total),
            sriov_enabled=found.vf_enabled,
            virtual_function_of=found.physical_function,
        )

    def _snapshot(self) -> Snapshot:
        positions = self._positions()
        nics = {}
        for entry in self._entries.values():
            key = (entry.link.mac, entry.link.name)
            nics[entry.link.name] = replace(entry.nic, position=positions.get(key, -1))
        cards = frozenset(entry.link.name for entry in self._cards())
        return Snapshot(nics, cards, dict(self._others))

    def _cards(self) -> Iterable[_Entry]:
        return (each for each in self._entries.values() if each.card and not each.card.physical_function)

    def _positions(self) -> Mapping[tuple[str, str], int]:
        """By address and device, so that of two cards with one address at most one has a position."""
        if self._order is None:
            self._order = self._saved()
        found = [entry.card.found(entry.link.mac) for entry in self._cards() if entry.card]
        try:
            order = list(arrange(self._order, found))
            if order != self._order:
                order_file.save(self._places.state, order)
                self._order = order
        except DuplicateAddress as error:
            self._complain(f"{error}; the order of network cards stays as it was")
        except OSError as error:
            self._complain(f"the order of network cards cannot be saved: {error}")
            self._order = order
        else:
            self._complaint = ""
        return {(placed.mac, placed.device): placed.position for placed in self._order if placed.present}

    def _saved(self) -> list[Placed]:
        try:
            return list(order_file.load(self._places.state))
        except OrderUnreadable as error:
            aside = order_file.set_aside(self._places.state)
            _log.error("the order of network cards is lost, they are numbered anew", why=str(error), kept=str(aside))
            return []

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            _log.warning(complaint)
            self._complaint = complaint
