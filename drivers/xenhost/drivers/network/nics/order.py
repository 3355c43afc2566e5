"""The order of network cards: each has a position that it keeps, whatever is plugged in, taken out or renamed.

A card is known by its address. One with a new address in a PCI slot whose card is gone has replaced it, and takes its
position; several functions of a slot are matched in the order of their addresses. Others follow after the last
position ever given. A card that is gone keeps its position for when it comes back.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

_NO_INDEX: Final = 1 << 32


class DuplicateAddress(ValueError):
    """Two cards have the same address: which is which cannot be told."""


@dataclass(frozen=True, slots=True)
class Found:
    """A card that is there."""

    device: str
    mac: str
    pci: str = ""
    """`0000:03:00.0`; empty: it is in no PCI slot."""
    onboard: int | None = None
    """Its number on the mainboard, from the firmware."""
    port: int = 0
    """Which of the ports of one PCI function."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A card with its position."""

    position: int
    device: str
    mac: str
    pci: str = ""
    present: bool = True


def arrange(last: Sequence[Placed], found: Sequence[Found]) -> Sequence[Placed]:
    """The order of those found, and of those that are gone, by position. Raises DuplicateAddress."""
    counts = Counter(card.mac for card in found)
    if doubles := sorted(mac for mac, count in counts.items() if count > 1):
        devices = ", ".join(card.device for card in found if card.mac == doubles[0])
        raise DuplicateAddress(f"{devices} have the same address {doubles[0]}")
    known = {card.mac: card.position for card in last}
    places = {card.mac: known[card.mac] for card in found if card.mac in known}
    places |= _replaced([card for card in last if card.mac not in places], found, places)
    free = max((card.position for card in last), default=-1) + 1
    fresh = sorted((card for card in found if card.mac not in places), key=_first_order)
    places |= {card.mac: position for position, card in enumerate(fresh, free)}
    present = [Placed(places[card.mac], card.device, card.mac, card.pci) for card in found]
    taken = set(places.values())
    gone = [replace(card, present=False) for card in last if card.position not in taken]
    return sorted([*present, *gone], key=lambda card: card.position)


def _replaced(gone: Iterable[Placed], found: Iterable[Found], placed: dict[str, int]) -> dict[str, int]:
    """Positions of cards that are in the slot of one that is gone."""
    slots: defaultdict[str, list[Placed]] = defaultdict(list)
    for card in sorted(gone, key=lambda card: card.mac):
        slots[card.pci].append(card)
    slots.pop("", None)
    places = {}
    for new in sorted(found, key=lambda card: card.mac):
        if new.mac not in placed and slots.get(new.pci):
            places[new.mac] = slots[new.pci].pop(0).position
    return places


def _first_order(card: Found) -> tuple[int, bool, str, int, tuple[tuple[int, str], ...]]:
    """As the cards are numbered on a host that has no order yet: mainboard, PCI slots, then others by name."""
    onboard = _NO_INDEX if card.onboard is None else card.onboard
    return onboard, not card.pci, card.pci, card.port, _natural(card.device)


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """`eth10` after `eth9`."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name, re.ASCII)
    return tuple((int(part), "") if part.isdigit() and part.isascii() else (-1, part) for part in parts)
