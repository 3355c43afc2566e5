"""Bytes and errors of cards and VIFs.

/proc/net/dev is read: unlike a dump over netlink it needs no lock of the kernel's that a slow card may hold, and it is
taken apart faster (docs/benchmarks.md).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from xenhost.core.metrics import HOST, Owner, Reading, Source
from xenhost.core.ports.metrics import MeteredVm
from xenhost.drivers.metrics import catalog
from xenhost.drivers.metrics.cards import CardLook
from xenhost.drivers.metrics.counters import Growth
from xenhost.drivers.metrics.shapes import Shapes

_UNKNOWN: Final = (float("nan"),) * 4
_OF_GUEST: Final = re.compile(rb"(?:vif|tap)\d+\.\d+")


class Link(NamedTuple):
    """Counters of a device, as dom0 sees it."""

    rx: int
    tx: int
    rx_errors: int
    tx_errors: int


class LinkMeter:
    """pif_* of the host, vif_* of VMs. Of a bond that only the switch knows, `bonds` tells the members."""

    name: Final = "links"

    def __init__(
        self,
        devices: Callable[[], bytes],
        cards: CardLook,
        bonds: Callable[[], Mapping[str, Sequence[str]]] = dict,
    ) -> None:
        self._devices: Final = devices
        self._cards: Final = cards
        self._bonds: Final = bonds
        self._shapes: Final = Shapes()
        self._received: Final = Growth()
        self._sent: Final = Growth()

    def read(self, now: float, vms: Sequence[MeteredVm]) -> Sequence[Reading]:
        """One file, however many devices there are. Counters of a VIF that has no device (yet) are NaN."""
        lines = device_lines(self._devices())
        self._shapes.keep({vm.uuid for vm in vms})
        return [self._host(now, lines), *(self._vm(now, vm, lines) for vm in vms if vm.vifs)]

    def _host(self, now: float, lines: Mapping[bytes, bytes]) -> Reading:
        names = [os_name(name) for name in lines if not _OF_GUEST.match(name)]
        seen = self._cards.among(names)
        cards = {card: counters(lines[card.encode()]) for card in seen.cards}
        bonds = {**seen.bonds, **self._bonds()}
        shape = (*cards, *(bond for bond in sorted(bonds) if bond not in cards))
        values: list[float] = []
        for name in shape:
            if name in bonds:
                values += _sum([cards[member] for member in bonds[name] if member in cards])
            else:
                values += cards[name]
        values.append(self._received.add({name: card.rx for name, card in cards.items()}))
        values.append(self._sent.add({name: card.tx for name, card in cards.items()}))
        return Reading(now, self._shapes.of(HOST, shape, lambda: _host_sources(shape)), tuple(values))

    def _vm(self, now: float, vm: MeteredVm, lines: Mapping[bytes, bytes]) -> Reading:
        values: list[float] = []
        for devid in vm.vifs:
            name = b"vif%d.%d" % (vm.domid, devid)
            line, tap = lines.get(name), lines.get(name + b"-emu")
            if line is None and tap is None:
                values += _UNKNOWN
                continue
            link = counters(line) if line is not None else None
            if tap is not None:
                link = _sum([each for each in (link, counters(tap)) if each is not None])
            assert link is not None
            # what dom0 receives is what the guest sends
            values += (link.tx, link.rx, link.tx_errors, link.rx_errors)
        owner = self._shapes.vm(vm.uuid)
        return Reading(now, self._shapes.of(owner, vm.vifs, lambda: _vm_sources(owner, vm.vifs)), tuple(values))


def device_lines(text: bytes) -> dict[bytes, bytes]:
    """What follows each device's name in /proc/net/dev. A name has no colon and no space in it."""
    found = {}
    for line in text.split(b"\n")[2:]:
        name, colon, rest = line.partition(b":")
        if colon:
            found[name.strip()] = rest
    return found


def counters(line: bytes) -> Link:
    """Of one device. Raises OSError if the kernel says something else than it ever did."""
    words = line.split(None, 11)
    try:
        return Link(int(words[0]), int(words[8]), int(words[2]), int(words[10]))
    except (IndexError, ValueError) as error:
        raise OSError(f"/proc/net/dev has a line that is not understood: {line!r:.100}") from error


def os_name(name: bytes) -> str:
    """A device's name as text; one that is not ASCII is no card of ours, whatever it is."""
    return name.decode("ascii", errors="replace")


def _sum(links: Sequence[Link]) -> Link:
    return Link(
        sum(link.rx for link in links),
        sum(link.tx for link in links),
        sum(link.rx_errors for link in links),
        sum(link.tx_errors for link in links),
    )


def _host_sources(names: Sequence[str]) -> Iterator[Source]:
    for name in names:
        yield from (kind.source(HOST, name) for kind in catalog.PIF)
    yield from (kind.source() for kind in catalog.PIF_AGGREGATE)


def _vm_sources(owner: Owner, vifs: Sequence[int]) -> Iterator[Source]:
    for devid in vifs:
        yield from (kind.source(owner, devid) for kind in catalog.VIF)
