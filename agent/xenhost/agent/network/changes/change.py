"""From what is wanted and what is asked to what is wanted then. Nothing here acts."""

from typing import assert_never

from xenhost.agent.network.changes import (
    bonds,
    controllers,
    management,
    networks,
    pifs,
    plugging,
    pvs,
    sriovs,
    switching,
    tunnels,
    vlans,
)
from xenhost.agent.network.changes.draft import Draft
from xenhost.agent.network.facts import Facts
from xenhost.core.network_records import Intent
from xenhost.core.network_requests import (
    CreateBond,
    CreateNetwork,
    CreatePvsProxy,
    CreateSriov,
    CreateTunnel,
    CreateVlan,
    DestroyBond,
    DestroyNetwork,
    DestroyPvsProxy,
    DestroySriov,
    DestroyTunnel,
    DestroyVlan,
    ForgetController,
    ForgetPif,
    ForgetPvsServer,
    ForgetPvsSite,
    IntroduceController,
    IntroducePif,
    IntroducePvsServer,
    IntroducePvsSite,
    NetworkRequest,
    PlugPif,
    ReconfigureIp,
    ReconfigureManagement,
    ResetNetworking,
    ScanPifs,
    SetIgmpSnooping,
    SetNetworkId,
    SetSwitch,
    UnplugPif,
    UpdateBond,
    UpdateNetwork,
    UpdatePif,
    UpdateTunnel,
)


def changed(intent: Intent, request: NetworkRequest, facts: Facts) -> Intent:
    """What is wanted once the request is fulfilled. The request is normal. Raises the errors of networking.

    With the same arguments the result is the same, and neither argument is changed.
    """
    draft = Draft(intent, facts)
    _apply(draft, request)
    return draft.intent()


def _apply(draft: Draft, request: NetworkRequest) -> None:
    match request:
        case CreateNetwork():
            networks.create(draft, request)
        case UpdateNetwork():
            networks.update(draft, request)
        case DestroyNetwork():
            networks.destroy(draft, request)
        case SetNetworkId():
            networks.set_id(draft, request)
        case ScanPifs():
            pifs.scan(draft, request)
        case IntroducePif():
            pifs.introduce(draft, request)
        case ForgetPif():
            pifs.forget(draft, request)
        case PlugPif():
            plugging.plug(draft, request.pif)
        case UnplugPif():
            plugging.unplug(draft, request.pif)
        case ReconfigureIp():
            pifs.reconfigure_ip(draft, request)
        case UpdatePif():
            pifs.update(draft, request)
        case CreateBond():
            bonds.create(draft, request)
        case UpdateBond():
            bonds.update(draft, request)
        case DestroyBond():
            bonds.destroy(draft, request)
        case CreateVlan():
            vlans.create(draft, request)
        case DestroyVlan():
            vlans.destroy(draft, request)
        case CreateTunnel():
            tunnels.create(draft, request)
        case UpdateTunnel():
            tunnels.update(draft, request)
        case DestroyTunnel():
            tunnels.destroy(draft, request)
        case CreateSriov():
            sriovs.create(draft, request)
        case DestroySriov():
            sriovs.destroy(draft, request)
        case IntroduceController():
            controllers.introduce(draft, request)
        case ForgetController():
            controllers.forget(draft, request)
        case IntroducePvsSite():
            pvs.introduce_site(draft, request)
        case ForgetPvsSite():
            pvs.forget_site(draft, request)
        case IntroducePvsServer():
            pvs.introduce_server(draft, request)
        case ForgetPvsServer():
            pvs.forget_server(draft, request)
        case CreatePvsProxy():
            pvs.create_proxy(draft, request)
        case DestroyPvsProxy():
            pvs.destroy_proxy(draft, request)
        case ReconfigureManagement():
            management.reconfigure(draft, request)
        case ResetNetworking():
            management.reset(draft, request)
        case SetSwitch():
            switching.set_switch(draft, request)
        case SetIgmpSnooping():
            switching.set_igmp_snooping(draft, request)
        case _:
            assert_never(request)
