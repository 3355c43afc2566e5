"""What deciding about networks needs to know of this host, beside what is wanted."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from xenhost.core.network import Nic, SwitchFeature, SwitchKind
from xenhost.core.network_views import VifOnNetwork


@dataclass(frozen=True, slots=True)
class Facts:
    """This host, as of one moment."""

    nics: Mapping[str, Nic] = field(default_factory=dict)
    """By device; virtual functions may be among them and are never PIFs."""
    kind: SwitchKind = SwitchKind.BRIDGE
    """The switch in use."""
    features: frozenset[SwitchFeature] = frozenset()
    """Of it."""
    foreign_bridges: frozenset[str] = frozenset()
    """Bridges, and other interfaces that are neither cards nor ours: names that are taken."""
    vifs: Mapping[str, tuple[VifOnNetwork, ...]] = field(default_factory=dict)
    """Plugged VIFs by bridge."""
    positions: Mapping[str, int] = field(default_factory=dict)
    """Of cards by device, for those that know none themselves: the N of `xenbrN`. Without: `br` and the device."""
    needed: frozenset[str] = frozenset()
    """Bridges that were asked for (`Networks.ready`) and have no VIF yet; those of `vifs` need not be in it."""
