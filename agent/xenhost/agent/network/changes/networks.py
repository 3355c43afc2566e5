"""Changes of networks."""

from dataclasses import replace

from xenhost.agent.network import keys, names
from xenhost.agent.network.changes.draft import Draft
from xenhost.core.errors import InvalidValue
from xenhost.core.network import LockingMode
from xenhost.core.network_errors import (
    BridgeNameExists,
    CannotDestroySystemNetwork,
    NetworkContainsPif,
    NetworkContainsVif,
)
from xenhost.core.network_records import Network, NetworkId
from xenhost.core.network_requests import CreateNetwork, DestroyNetwork, SetNetworkId, UpdateNetwork


def create(draft: Draft, request: CreateNetwork) -> None:
    """Raises BridgeNameExists, InvalidValue."""
    draft.check_new("network", request.id, draft.networks)
    taken = draft.taken()
    if request.bridge:
        names.check_bridge(request.bridge)
        if request.bridge in taken:
            raise BridgeNameExists(f"there is a {request.bridge} already; choose another name", bridge=request.bridge)
    draft.networks[request.id] = Network(
        id=request.id,
        bridge=request.bridge or names.first_free("xapi", taken),
        name=request.name,
        description=request.description,
        mtu=request.mtu,
        other_config=request.other_config,
    )


def update(draft: Draft, request: UpdateNetwork) -> None:
    """Raises VifInUse (another default of locking), InvalidValue."""
    old = draft.network(request.network)
    locking = old.default_locking if request.default_locking is None else request.default_locking
    if locking is LockingMode.LOCKED:
        raise InvalidValue("a network's default is unlocked or disabled", field="default_locking_mode", value="locked")
    if locking is not old.default_locking:
        draft.check_unused(old.id)
    new = replace(
        old,
        name=old.name if request.name is None else request.name,
        description=old.description if request.description is None else request.description,
        mtu=old.mtu if request.mtu is None else request.mtu,
        default_locking=locking,
        other_config=old.other_config if request.other_config is None else request.other_config,
    )
    draft.networks[old.id] = new
    set_pif_mtu(draft, new)


def set_pif_mtu(draft: Draft, network: Network) -> None:
    """A plugged PIF has the MTU of its network at once."""
    pif = draft.pif_on(network.id)
    if pif is not None and pif.plugged:
        draft.pifs[pif.id] = replace(pif, mtu=keys.mtu(pif.other_config, network.mtu))


def destroy(draft: Draft, request: DestroyNetwork) -> None:
    """Raises NetworkContainsVif, NetworkContainsPif, CannotDestroySystemNetwork."""
    network = draft.network(request.network)
    label = network.name or network.bridge
    if vifs := draft.facts.vifs.get(network.bridge, ()):
        raise NetworkContainsVif(
            f"network {label} has {len(vifs)} plugged VIFs; unplug them, or move them to another one",
            vifs=",".join(f"{vif.vm}/{vif.devid}" for vif in vifs),
        )
    if (pif := draft.pif_on(network.id)) is not None:
        message = f"PIF {draft.name(pif)} connects network {label}; remove it first"
        raise NetworkContainsPif(message, pifs=pif.id)
    if keys.flag(network.other_config, keys.SYSTEM_NETWORK):
        raise CannotDestroySystemNetwork(f"the host itself needs network {label}", network=network.id)
    del draft.networks[network.id]


def set_id(draft: Draft, request: SetNetworkId) -> None:
    """Bridges keep their names. Raises InvalidValue, VifInUse: VIFs that are plugged name their network."""
    old = draft.network(request.network)
    if request.new == old.id:
        return
    draft.check_new("network", request.new, draft.networks)
    draft.check_unused(old.id)
    del draft.networks[old.id]
    draft.networks[request.new] = replace(old, id=request.new)
    for pif in tuple(draft.pifs.values()):
        if pif.network == old.id:
            draft.pifs[pif.id] = replace(pif, network=request.new)


def add(draft: Draft, network: NetworkId, bridge: str, name: str) -> Network:
    """A network that another change needs; `bridge` if that name is free."""
    draft.check_new("network", network, draft.networks)
    taken = draft.taken()
    if not bridge or bridge in taken:
        bridge = names.first_free("xapi", taken)
    made = Network(network, bridge, name)
    draft.networks[network] = made
    return made
