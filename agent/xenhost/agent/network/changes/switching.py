"""Changes of the switch itself."""

from xenhost.agent.network import abilities
from xenhost.agent.network.changes.draft import Draft
from xenhost.core.network import SwitchFeature, SwitchKind
from xenhost.core.network_errors import NetworkContainsPif, OpenvswitchNotActive, VifInUse
from xenhost.core.network_records import PifId
from xenhost.core.network_requests import SetIgmpSnooping, SetSwitch


def set_switch(draft: Draft, request: SetSwitch) -> None:
    """Raises VifInUse, NetworkContainsPif while the old one is in use by more than the management of this host.

    Raises OpenvswitchNotActive while it has an SDN controller.

    Management goes along: it cannot be unplugged, and all goes back if the new switch does not carry it.
    """
    if request.switch is draft.switch:
        return
    for network in draft.networks.values():
        draft.check_unused(network.id)
    for bridge, vifs in draft.facts.vifs.items():
        for vif in vifs:
            message = f"VIF {vif.devid} of VM {vif.vm} is on {bridge}; the switch can change when no VIF is plugged"
            raise VifInUse(message, network="", VIF=f"{vif.vm}/{vif.devid}")
    along = _management(draft)
    plugged = [pif for pif in draft.pifs.values() if pif.plugged and pif.id not in along]
    if plugged:
        found = ", ".join(draft.name(pif) for pif in plugged)
        message = f"PIFs are plugged: {found}; the switch can change when none is"
        raise NetworkContainsPif(message, pifs=",".join(pif.id for pif in plugged))
    if draft.controllers and request.switch is SwitchKind.BRIDGE:
        raise OpenvswitchNotActive("the host has an SDN controller, which needs Open vSwitch; forget it first")
    draft.switch = request.switch


def _management(draft: Draft) -> set[PifId]:
    """The management PIF, and the one whose VLAN it is."""
    found = {pif.id for pif in draft.pifs.values() if pif.management}
    return found | {draft.vlans[pif].tagged for pif in found if pif in draft.vlans}


def set_igmp_snooping(draft: Draft, request: SetIgmpSnooping) -> None:
    """Raises SwitchCannot."""
    if request.enabled and SwitchFeature.IGMP_SNOOPING not in draft.facts.features:
        abilities.refuse(SwitchFeature.IGMP_SNOOPING, draft.facts)
    draft.igmp_snooping = request.enabled
