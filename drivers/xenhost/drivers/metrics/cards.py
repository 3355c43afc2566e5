"""Which network devices of dom0 are cards, and which are bonds of them."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

_LOOK: Final = 12
"""Readings after which it looks again, though the devices are the same: members of a bond change."""
_NAME: Final = re.compile(r"[A-Za-z0-9_.@+-]{1,15}")


@dataclass(frozen=True, slots=True)
class SeenCards:
    """At one look."""

    cards: tuple[str, ...] = ()
    """Physical cards, without virtual functions."""
    bonds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Bonds of the kernel, and their members."""


class CardLook(Protocol):
    """Who knows which devices are cards."""

    def among(self, names: Sequence[str]) -> SeenCards:
        """The cards and bonds among these devices."""
        ...


class Cards:
    """Looks into sysfs when the devices are others than before."""

    def __init__(self, sysfs: Path = Path("/sys")) -> None:
        self._net: Final = sysfs / "class/net"
        self._names: Sequence[str] = ()
        self._seen = SeenCards()
        self._age = 0

    def among(self, names: Sequence[str]) -> SeenCards:
        """The cards and bonds among these devices."""
        self._age += 1
        if names != self._names or self._age >= _LOOK:
            self._names, self._age = names, 0
            usable = sorted(name for name in names if _NAME.fullmatch(name))
            self._seen = SeenCards(
                tuple(name for name in usable if self._is_card(name)),
                {name: members for name in usable if (members := self._members(name)) is not None},
            )
        return self._seen

    def _is_card(self, name: str) -> bool:
        device = self._net / name / "device"
        if not os.path.exists(device) or os.path.exists(device / "physfn"):
            return False
        try:
            return os.path.basename(os.readlink(device / "subsystem")) != "xen-backend"
        except OSError:
            return True

    def _members(self, name: str) -> tuple[str, ...] | None:
        try:
            return tuple(sorted((self._net / name / "bonding/slaves").read_text().split()))
        except OSError:
            return None
