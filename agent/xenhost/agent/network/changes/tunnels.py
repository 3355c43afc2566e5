"""Changes of tunnels, and their keys."""

import hashlib
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from xenhost.agent.network import abilities, names
from xenhost.agent.network.changes import plugging
from xenhost.agent.network.changes.draft import Draft
from xenhost.core.errors import InvalidValue
from xenhost.core.network import SwitchFeature, SwitchKind
from xenhost.core.network_errors import (
    CannotAddTunnelToBondSlave,
    IsTunnelAccessPif,
    OpenvswitchNotActive,
    PifIsSriovLogical,
)
from xenhost.core.network_records import NetworkId, Pif, PifKind, Tunnel
from xenhost.core.network_requests import CreateTunnel, DestroyTunnel, UpdateTunnel

_KEYS: Final = 2**24 - 1
"""VXLAN network identifiers but 0."""


def key_of(tunnel: Tunnel, network: NetworkId) -> int:
    """The key in use: that which was given, or one from the UUID of the access PIF's network, alike on all hosts."""
    if tunnel.key:
        return tunnel.key
    digest = hashlib.sha256(network.encode()).digest()
    return int.from_bytes(digest[:8], "big") % _KEYS + 1


def create(draft: Draft, request: CreateTunnel) -> None:
    """It is plugged, its transport PIF too. Raises errors that say why there cannot be one."""
    draft.check_new("tunnel", request.id, draft.tunnels)
    draft.check_new("PIF", request.access, draft.pifs)
    network = draft.check_free(request.network)
    transport = draft.managed(request.transport)
    _check_may_carry(draft, transport)
    abilities.check_tunnel(request.protocol, draft.facts)
    if not request.remotes and not _may_be_controlled(draft):
        raise OpenvswitchNotActive(
            "a tunnel without remotes is made by a controller, which takes Open vSwitch; give the addresses of the"
            " other hosts as remotes, or change the switch of this host"
        )
    tunnel = Tunnel(
        id=request.id,
        access=request.access,
        transport=transport.id,
        protocol=request.protocol,
        remotes=_family(request.remotes),
        key=request.key,
    )
    _check_key(draft, tunnel, network.id)
    device = names.first_free("tunnel", draft.taken())
    draft.tunnels[tunnel.id] = tunnel
    draft.pifs[tunnel.access] = Pif(
        id=tunnel.access,
        kind=PifKind.TUNNEL,
        device=device,
        network=network.id,
        mac=names.local_mac(tunnel.access),
        mtu=network.mtu,
        primary=transport.primary,
        properties={},
    )
    plugging.plug(draft, tunnel.access)


def update(draft: Draft, request: UpdateTunnel) -> None:
    """Other hosts came or went; none may be left."""
    tunnel = draft.tunnel(request.tunnel)
    draft.tunnels[tunnel.id] = replace(tunnel, remotes=_family(request.remotes))


def destroy(draft: Draft, request: DestroyTunnel) -> None:
    """Raises what unplugging its access PIF raises."""
    tunnel = draft.tunnel(request.tunnel)
    plugging.unplug(draft, tunnel.access)
    del draft.tunnels[tunnel.id]
    del draft.pifs[tunnel.access]


def _may_be_controlled(draft: Draft) -> bool:
    return draft.facts.kind is SwitchKind.OPENVSWITCH or SwitchFeature.CONTROLLER in draft.facts.features


def _family(remotes: tuple[IPv4Address | IPv6Address, ...]) -> tuple[IPv4Address | IPv6Address, ...]:
    if len({remote.version for remote in remotes}) > 1:
        text = ", ".join(map(str, remotes))
        raise InvalidValue(f"remotes are {text}; use one family, IPv4 or IPv6", field="remotes", value=text[:80])
    return remotes


def _check_key(draft: Draft, tunnel: Tunnel, network: NetworkId) -> None:
    key = key_of(tunnel, network)
    for other in draft.tunnels.values():
        access = draft.pif(other.access)
        if other.protocol is tunnel.protocol and key_of(other, access.network) == key:
            raise InvalidValue(
                f"{access.device} has the key {key} already; choose another one", field="key", value=str(key)
            )


def _check_may_carry(draft: Draft, pif: Pif) -> None:
    label = draft.name(pif)
    if (bond := draft.member_of(pif.id)) is not None:
        master = draft.pif(bond.master).device
        message = f"PIF {label} is a member of {master}; make the tunnel over {master}"
        raise CannotAddTunnelToBondSlave(message, PIF=pif.id)
    if pif.kind is PifKind.TUNNEL:
        raise IsTunnelAccessPif(f"PIF {label} is the access PIF of a tunnel itself; use its transport PIF", PIF=pif.id)
    if pif.kind is PifKind.SRIOV or (pif.kind is PifKind.VLAN and draft.sriov_of(draft.vlan(pif.id).tagged)):
        message = f"PIF {label} stands for virtual functions and cannot carry a tunnel; use the card's PIF"
        raise PifIsSriovLogical(message, PIF=pif.id)
