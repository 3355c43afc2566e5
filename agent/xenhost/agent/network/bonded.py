"""Which cards are in which bond, by device. Pure."""

from collections.abc import Iterable, Mapping

from xenhost.core.network_views import BondView, PifView


def bonded(pifs: Iterable[PifView], bonds: Iterable[BondView]) -> Mapping[str, tuple[str, ...]]:
    """Devices of bonds (`bond0`), and of the members of each. A bond whose PIFs are not all there is left out."""
    devices = {each.pif.id: each.pif.device for each in pifs}
    return {
        devices[each.bond.master]: tuple(devices[member] for member in each.bond.members)
        for each in bonds
        if devices.keys() >= {each.bond.master, *each.bond.members}
    }
