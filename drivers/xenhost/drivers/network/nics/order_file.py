"""The file that keeps the order of the network cards. All functions block.

`{"version": 1, "nics": [{"position": 0, "device": "eth0", "mac": "…", "pci": "…", "present": true}]}`
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from xenhost.drivers.network.nics.order import Placed
from xenhost.system.whole_file import replace_file

NAME: Final = "nic-order.json"
_VERSION: Final = 1
_MAX_POSITION: Final = 9999


class OrderUnreadable(Exception):
    """The file is not what was written."""


def parse(untrusted_text: str) -> Sequence[Placed]:
    """Raises OrderUnreadable."""
    try:
        document = json.loads(untrusted_text)
        if document["version"] != _VERSION:
            raise OrderUnreadable(f"it has version {document['version']!r}, this agent reads {_VERSION}")
        order = [Placed(**card) for card in document["nics"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise OrderUnreadable(f"it is damaged: {error}") from error
    for card in order:
        texts = isinstance(card.device, str) and isinstance(card.mac, str) and isinstance(card.pci, str)
        if not texts or type(card.position) is not int or type(card.present) is not bool:
            raise OrderUnreadable("it is damaged: a value has the wrong type")
        if not 0 <= card.position <= _MAX_POSITION:
            raise OrderUnreadable(f"it is damaged: position {card.position}")
    if len({card.position for card in order}) < len(order) or len({card.mac for card in order}) < len(order):
        raise OrderUnreadable("it is damaged: a position or an address is there twice")
    return order


def render(order: Sequence[Placed]) -> str:
    """The text of the file."""
    return json.dumps({"version": _VERSION, "nics": [asdict(card) for card in order]}, indent=1) + "\n"


def load(folder: Path) -> Sequence[Placed]:
    """The order that was saved; empty if there is none yet. Raises OrderUnreadable, OSError."""
    try:
        return parse((folder / NAME).read_text("utf-8"))
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as error:
        raise OrderUnreadable("it is damaged: no text") from error


def set_aside(folder: Path) -> Path:
    """Keep an unreadable file for whoever wants to look. Raises OSError."""
    aside = folder / f"{NAME}.unreadable"
    (folder / NAME).replace(aside)
    return aside


def save(folder: Path, order: Sequence[Placed]) -> None:
    """All of it or nothing, and it stays after a power failure. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / NAME, render(order).encode())
