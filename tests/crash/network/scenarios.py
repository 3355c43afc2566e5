"""What is interrupted: a request for a network, what is there before it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from ipaddress import IPv4Address, IPv4Interface
from typing import Any, Final

from kit.network import SEED, net_id
from xenhost.core.network import AddressFamily, BondMode, Ipv4Mode, LockingMode, SwitchKind, TunnelProtocol
from xenhost.core.network_records import (
    BondId,
    ControllerId,
    ControllerProtocol,
    Ipv4Config,
    NetworkId,
    PifId,
    SriovId,
    TunnelId,
)
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
from xenhost.core.pvs import PvsProxyId, PvsServerId, PvsSiteId

NET, VLAN_NET, TUNNEL_NET, SRIOV_NET = (NetworkId(net_id(number)) for number in (1, 2, 3, 4))
MASTER, UNTAGGED, ACCESS, LOGICAL = (PifId(net_id(number)) for number in (11, 12, 13, 14))
BOND, TUNNEL, SRIOV = BondId(net_id(21)), TunnelId(net_id(22)), SriovId(net_id(23))
CONTROLLER = ControllerId(net_id(24))
SITE, SERVER, PROXY = PvsSiteId(net_id(25)), PvsServerId(net_id(26)), PvsProxyId(net_id(27))
STATIC: Final = Ipv4Config(Ipv4Mode.STATIC, IPv4Interface("192.0.2.5/24"), IPv4Address("192.0.2.1"))
OTHER: Final = Ipv4Config(Ipv4Mode.STATIC, IPv4Interface("198.51.100.5/24"))
DHCP: Final = Ipv4Config(Ipv4Mode.DHCP)
DEVICE: Final = "device:"
"""Before the name of a device: the PIF whose id is not known before the host was scanned."""


def pif(device: str) -> PifId:
    """Of a card."""
    return PifId(DEVICE + device)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One operation to interrupt."""

    name: str
    request: NetworkRequest
    prepare: Sequence[NetworkRequest] = ()
    new_card: bool = False
    """A card came after the host was scanned."""
    lost_card: str = ""
    """A card that went after the host was scanned."""


NETWORK: Final = CreateNetwork(NET, name="net")
VLAN: Final = (CreateNetwork(VLAN_NET, name="vlan"), CreateVlan(pif("eth1"), 5, VLAN_NET, UNTAGGED), PlugPif(UNTAGGED))
BONDED: Final = (
    NETWORK,
    CreateBond(NET, (pif("eth1"), pif("eth2")), BOND, MASTER, mode=BondMode.ACTIVE_BACKUP),
    PlugPif(MASTER),
)
TRANSPORT: Final = (ReconfigureIp(pif("eth1"), OTHER), PlugPif(pif("eth1")), CreateNetwork(TUNNEL_NET, name="tunnel"))
TUNNELLED: Final = (
    *TRANSPORT,
    CreateTunnel(pif("eth1"), TUNNEL_NET, TunnelProtocol.VXLAN, (IPv4Address("198.51.100.6"),), 7, TUNNEL, ACCESS),
    PlugPif(ACCESS),
)
VIRTUAL: Final = (CreateNetwork(SRIOV_NET, name="sriov"), CreateSriov(pif("eth3"), SRIOV_NET, SRIOV, LOGICAL))

SDN: Final = IntroduceController(ControllerProtocol.SSL, IPv4Address("192.0.2.9"), id=CONTROLLER)
PROXIED: Final = (
    PlugPif(pif("eth1")),
    IntroducePvsSite("site", id=SITE),
    IntroducePvsServer(SITE, (IPv4Address("10.7.0.9"),), 6910, 6930, SERVER),
    CreatePvsProxy(SITE, "vm", 0, "52:54:00:00:00:01", "xenbr1", PROXY),
)

SCENARIOS: Final = {
    scenario.name: scenario
    for scenario in (
        Scenario("network-create", NETWORK),
        Scenario("network-update", UpdateNetwork(VLAN_NET, mtu=1400, default_locking=LockingMode.DISABLED), VLAN),
        Scenario("network-destroy", DestroyNetwork(NET), (NETWORK,)),
        Scenario("network-set-id", SetNetworkId(VLAN_NET, NetworkId(net_id(28))), VLAN),
        Scenario("pif-scan", ScanPifs(SEED), new_card=True),
        Scenario("pif-introduce", IntroducePif(PifId(net_id(15)), device="eth7"), new_card=True),
        Scenario("pif-forget", ForgetPif(pif("eth3")), lost_card="eth3"),
        Scenario("pif-plug", PlugPif(pif("eth1")), (ReconfigureIp(pif("eth1"), DHCP),)),
        Scenario("pif-unplug", UnplugPif(pif("eth1")), (PlugPif(pif("eth1")),)),
        Scenario("pif-reconfigure", ReconfigureIp(pif("eth1"), OTHER), (PlugPif(pif("eth1")),)),
        Scenario(
            "pif-primary",
            ReconfigureIp(pif("eth1"), OTHER, primary=AddressFamily.IPV4),
            (ReconfigureIp(pif("eth1"), DHCP), PlugPif(pif("eth1"))),
        ),
        Scenario("pif-update", UpdatePif(pif("eth1"), {"ethtool-gso": "off"}), (PlugPif(pif("eth1")),)),
        Scenario("bond-create", BONDED[1], (NETWORK, PlugPif(pif("eth1")), *VLAN)),
        Scenario("bond-of-management", CreateBond(NET, (pif("eth0"), pif("eth1")), BOND, MASTER), (NETWORK,)),
        Scenario("bond-update", UpdateBond(BOND, mode=BondMode.LACP, members=(pif("eth1"), pif("eth3"))), BONDED),
        Scenario("bond-destroy", DestroyBond(BOND), BONDED),
        Scenario("vlan-create", VLAN[1], VLAN[:1]),
        Scenario("vlan-plug", VLAN[2], (*VLAN[:2], UnplugPif(UNTAGGED))),
        Scenario("vlan-destroy", DestroyVlan(UNTAGGED), VLAN),
        Scenario("tunnel-create", TUNNELLED[3], TRANSPORT),
        Scenario("tunnel-plug", TUNNELLED[4], (*TUNNELLED[:4], UnplugPif(ACCESS))),
        Scenario("tunnel-update", UpdateTunnel(TUNNEL, (IPv4Address("198.51.100.7"),)), TUNNELLED),
        Scenario("tunnel-destroy", DestroyTunnel(TUNNEL), TUNNELLED),
        Scenario("sriov-create", VIRTUAL[1], VIRTUAL[:1]),
        Scenario("sriov-plug", PlugPif(LOGICAL), (*VIRTUAL, UnplugPif(LOGICAL))),
        Scenario("sriov-destroy", DestroySriov(SRIOV), VIRTUAL),
        Scenario("sdn-introduce", SDN),
        Scenario("sdn-forget", ForgetController(CONTROLLER), (SDN,)),
        Scenario("pvs-site", PROXIED[1]),
        Scenario("pvs-site-forget", ForgetPvsSite(SITE), PROXIED[:2]),
        Scenario("pvs-server", PROXIED[2], PROXIED[:2]),
        Scenario("pvs-server-forget", ForgetPvsServer(SERVER), PROXIED),
        Scenario("pvs-proxy", PROXIED[3], PROXIED[:3]),
        Scenario("pvs-proxy-destroy", DestroyPvsProxy(PROXY), PROXIED),
        Scenario("management", ReconfigureManagement(pif("eth1"), ipv4=OTHER, confirm_seconds=0)),
        Scenario("management-unconfirmed", ReconfigureManagement(pif("eth1"), ipv4=OTHER, confirm_seconds=30)),
        Scenario("management-vlan", ReconfigureManagement(UNTAGGED, ipv4=DHCP, confirm_seconds=0), VLAN),
        Scenario("reset", ResetNetworking("eth2", OTHER, seed=SEED), (*BONDED, *VIRTUAL, SDN)),
        Scenario("igmp-snooping", SetIgmpSnooping(True), (PlugPif(pif("eth1")),)),
    )
}
SWITCH: Final = Scenario("switch", SetSwitch(SwitchKind.OPENVSWITCH))
"""On a host without management: nothing may be plugged."""
ALL: Final = {**SCENARIOS, SWITCH.name: SWITCH}


def resolved(request: NetworkRequest, ids: dict[str, PifId]) -> NetworkRequest:
    """With the ids of cards."""

    def known(value: object) -> object:
        if isinstance(value, tuple):
            return tuple(known(each) for each in value)
        return ids[value.removeprefix(DEVICE)] if isinstance(value, str) and value.startswith(DEVICE) else value

    filled: dict[str, Any] = {each.name: known(getattr(request, each.name)) for each in fields(request)}
    return replace(request, **filled)
