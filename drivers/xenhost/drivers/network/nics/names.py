"""Names of makers and models of network cards: from udev's database or, if it has none, from pci.ids.

Source of the file's form: its own head, https://pci-ids.ucw.cz/.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import pyudev

from xenhost.drivers.network.nics.cards import Card

_MAX_FILE: Final = 32 << 20


class CardNames:
    """Looks each kind of card up once. Calls block; not for several threads at once."""

    def __init__(self, pci_ids: Path, udev: bool) -> None:
        self._pci_ids = pci_ids
        self._udev = udev
        self._known: dict[tuple[str, str], tuple[str, str]] = {}

    def of(self, card: Card) -> tuple[str, str]:
        """Maker and model, empty if nobody knows."""
        key = (card.vendor_id, card.device_id)
        if not all(key):
            return "", ""
        if key not in self._known:
            found = self._from_udev(card.device) if self._udev else ("", "")
            if not all(found) and card.pci:
                found = self._from_file(*key)
            if not any(found):
                return "", ""  # udev may not have seen it yet
            self._known[key] = found
        return self._known[key]

    @staticmethod
    def _from_udev(device: str) -> tuple[str, str]:
        try:
            properties: Mapping[str, str] = pyudev.Devices.from_name(pyudev.Context(), "net", device).properties
            return properties.get("ID_VENDOR_FROM_DATABASE", ""), properties.get("ID_MODEL_FROM_DATABASE", "")
        except (pyudev.DeviceNotFoundError, OSError, ImportError, UnicodeError):  # ImportError: no libudev
            return "", ""

    def _from_file(self, vendor: str, model: str) -> tuple[str, str]:
        try:
            if self._pci_ids.stat().st_size > _MAX_FILE:
                return "", ""
            with self._pci_ids.open(encoding="utf-8", errors="replace") as lines:
                return look_up(lines, vendor, model)
        except OSError:
            return "", ""


def look_up(untrusted_lines: Iterable[str], vendor: str, model: str) -> tuple[str, str]:
    """Maker and model in the lines of pci.ids. Identifiers are four hexadecimal digits, in lower case."""
    maker = ""
    for line in untrusted_lines:
        if maker and line.startswith(f"\t{model}  "):
            return maker, line[len(model) + 3 :].strip()
        if line[:1] in ("\t", "#", "\n"):
            continue
        if maker:
            break
        if line.startswith(f"{vendor}  "):
            maker = line[len(vendor) + 2 :].strip()
    return maker, ""
