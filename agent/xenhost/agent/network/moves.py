"""Where VIFs go when a change takes the uplink of their bridge elsewhere."""

from collections.abc import Mapping

from xenhost.core.network_records import Intent


def moves(before: Intent, after: Intent) -> Mapping[str, str]:
    """Bridges whose VIFs shall move, and where to: those of a new bond's members, of a destroyed bond, of merged VLANs.

    Until they have moved, `wish` keeps such a bridge, without uplink.
    """
    raise NotImplementedError
