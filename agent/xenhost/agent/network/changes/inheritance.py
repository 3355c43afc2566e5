"""What goes from one PIF to another when a bond is made, changed or dissolved."""

from dataclasses import replace

from xenhost.agent.network import keys
from xenhost.agent.network.changes.draft import Draft
from xenhost.core.network_errors import PifBondMoreThanOneIp
from xenhost.core.network_records import Ipv4Config, Ipv6Config, PifId, Vlan


def move_all(draft: Draft, source: PifId, target: PifId) -> None:
    """Management, addresses, VLANs and tunnels. Raises PifBondMoreThanOneIp if both have addresses."""
    move_addresses(draft, source, target)
    move_vlans(draft, source, target)
    move_tunnels(draft, source, target)


def move_addresses(draft: Draft, source: PifId, target: PifId) -> None:
    """Addresses with the keys that belong to them, the management flag, and the mark of `disallow_unplug`."""
    old, new = draft.pif(source), draft.pif(target)
    if old.has_ip and new.has_ip:
        raise PifBondMoreThanOneIp(
            f"PIFs {draft.name(old)} and {draft.name(new)} both have addresses; only one of those that become one may"
        )
    new = replace(
        new,
        management=old.management or new.management,
        disallow_unplug=old.disallow_unplug or new.disallow_unplug,
    )
    if old.has_ip:
        with_them = {key: old.other_config[key] for key in keys.WITH_ADDRESSES if key in old.other_config}
        new = replace(
            new,
            ipv4=old.ipv4,
            ipv6=old.ipv6,
            primary=old.primary,
            other_config={**new.other_config, **with_them},
        )
        rest = {key: value for key, value in old.other_config.items() if key not in keys.WITH_ADDRESSES}
        old = replace(old, other_config=rest)
    draft.pifs[target] = new
    draft.pifs[source] = replace(old, ipv4=Ipv4Config(), ipv6=Ipv6Config(), management=False, disallow_unplug=False)


def move_vlans(draft: Draft, source: PifId, target: PifId) -> None:
    """VLANs keep their PIFs; one whose tag the target has already is merged into that."""
    device = draft.pif(target).device
    there = {vlan.tag: vlan for vlan in draft.vlans_on(target)}
    for vlan in draft.vlans_on(source):
        if (survivor := there.get(vlan.tag)) is not None:
            _merge_vlan(draft, vlan, survivor)
        else:
            draft.vlans[vlan.untagged] = replace(vlan, tagged=target)
            draft.pifs[vlan.untagged] = replace(draft.pif(vlan.untagged), device=device)


def move_tunnels(draft: Draft, source: PifId, target: PifId) -> None:
    """They go over the target now."""
    for tunnel in draft.tunnels_over(source):
        draft.tunnels[tunnel.id] = replace(tunnel, transport=target)


def _merge_vlan(draft: Draft, gone: Vlan, survivor: Vlan) -> None:
    move_addresses(draft, gone.untagged, survivor.untagged)
    move_tunnels(draft, gone.untagged, survivor.untagged)
    if draft.pif(gone.untagged).plugged:
        draft.pifs[survivor.untagged] = replace(draft.pif(survivor.untagged), plugged=True)
    del draft.vlans[gone.untagged]
    del draft.pifs[gone.untagged]
