"""Networks, PIFs, bonds, VLANs, tunnels, networks of virtual functions: as they are, on the wire."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from xenhost.agent.rpc.convert.addresses import ADDRESS_FAMILY, ipv4_to_proto, ipv6_to_proto, state_to_proto
from xenhost.agent.rpc.convert.choice import Choice
from xenhost.agent.rpc.convert.pvs import site_to_proto
from xenhost.agent.rpc.convert.times import timestamp
from xenhost.api.host.v1 import network_pb2
from xenhost.core.network import BondMode, LockingMode, Nic, SriovMode, SwitchKind, TunnelProtocol
from xenhost.core.network_records import ControllerProtocol, PifKind, Vlan
from xenhost.core.network_views import (
    BondView,
    ControllerView,
    HostNetwork,
    ManagementView,
    NetworkView,
    PifView,
    SriovView,
    TunnelView,
    VifOnNetwork,
)

LOCKING: Final = Choice(LockingMode, network_pb2.EffectiveLockingMode.Value, "EFFECTIVE_LOCKING_MODE")
PIF_KIND: Final = Choice(PifKind, network_pb2.PifKind.Value, "PIF_KIND")
BOND_MODE: Final = Choice(BondMode, network_pb2.BondMode.Value, "BOND_MODE")
TUNNEL_PROTOCOL: Final = Choice(TunnelProtocol, network_pb2.TunnelProtocol.Value, "TUNNEL_PROTOCOL")
SRIOV_MODE: Final = Choice(SriovMode, network_pb2.SriovMode.Value, "SRIOV_MODE")
SDN_PROTOCOL: Final = Choice(ControllerProtocol, network_pb2.SdnProtocol.Value, "SDN_PROTOCOL")
SWITCH: Final = Choice(SwitchKind, network_pb2.SwitchKind.Value, "SWITCH_KIND")
PART: Final = 500
"""Objects of one kind in one message, so that its size is bounded."""
MAX_PORTS: Final = 4096
"""Names of ports in one network."""


def network_to_proto(view: NetworkView) -> network_pb2.Network:
    """A network whole."""
    network = view.network
    return network_pb2.Network(
        id=network.id,
        name=network.name,
        description=network.description,
        bridge=network.bridge,
        mtu=network.mtu,
        default_locking_mode=LOCKING.to_wire(network.default_locking),
        other_config=network.other_config,
        status=network_pb2.NetworkStatus(
            up=view.up,
            pif_ids=view.pifs,
            vifs=[_vif_to_proto(vif, view.network.default_locking) for vif in view.vifs],
            ports=view.ports[:MAX_PORTS],
            problem=view.problem,
            revision=view.revision,
        ),
    )


def pif_name(view: PifView) -> str:
    """What a PIF is called: `eth0`, `bond0`, `eth0.5`."""
    return f"{view.pif.device}.{view.vlan}" if view.pif.kind is PifKind.VLAN else view.pif.device


def pif_to_proto(view: PifView) -> network_pb2.Pif:
    """A PIF whole, with its metrics."""
    pif, status = view.pif, state_to_proto(view.ip)
    status.MergeFrom(
        network_pb2.PifStatus(
            currently_attached=view.attached,
            bridge=view.bridge,
            vlan=view.vlan,
            bond_slave_of=view.bond_member_of,
            metrics=None if view.nic is None else _metrics_to_proto(view.nic, view.last_updated),
            problem=view.problem,
            revision=view.revision,
        )
    )
    return network_pb2.Pif(
        id=pif.id,
        kind=PIF_KIND.to_wire(pif.kind),
        name=pif_name(view),
        device=pif.device,
        network_id=pif.network,
        mac=pif.mac,
        mtu=pif.mtu,
        managed=pif.managed,
        plugged=pif.plugged,
        management=pif.management,
        disallow_unplug=pif.disallow_unplug,
        ipv4=ipv4_to_proto(pif.ipv4),
        ipv6=ipv6_to_proto(pif.ipv6),
        primary_address_type=ADDRESS_FAMILY.to_wire(pif.primary),
        properties=pif.properties,
        other_config=pif.other_config,
        status=status,
    )


def bond_to_proto(view: BondView, device: str) -> network_pb2.Bond:
    """A bond whole; `device` is that of its master."""
    bond = view.bond
    members = [
        network_pb2.BondMember(device=member.device, up=member.up, active=member.active) for member in view.members
    ]
    return network_pb2.Bond(
        id=bond.id,
        master_pif_id=bond.master,
        member_pif_ids=bond.members,
        mode=BOND_MODE.to_wire(bond.mode),
        properties=bond.properties,
        other_config=bond.other_config,
        auto_update_mac=view.auto_update_mac,
        device=device,
        status=network_pb2.BondStatus(links_up=max(0, view.links_up), members=members),
    )


def vlan_to_proto(vlan: Vlan) -> network_pb2.Vlan:
    """A VLAN whole."""
    return network_pb2.Vlan(
        id=vlan.untagged,
        untagged_pif_id=vlan.untagged,
        tagged_pif_id=vlan.tagged,
        tag=vlan.tag,
        other_config=vlan.other_config,
    )


def tunnel_to_proto(view: TunnelView) -> network_pb2.Tunnel:
    """A tunnel whole."""
    tunnel = view.tunnel
    return network_pb2.Tunnel(
        id=tunnel.id,
        access_pif_id=tunnel.access,
        transport_pif_id=tunnel.transport,
        protocol=TUNNEL_PROTOCOL.to_wire(tunnel.protocol),
        remotes=map(str, tunnel.remotes),
        key=tunnel.key,
        other_config=tunnel.other_config,
        status=network_pb2.TunnelStatus(active=view.active, key=view.key),
    )


def sriov_to_proto(view: SriovView) -> network_pb2.NetworkSriov:
    """A network of virtual functions whole."""
    sriov = view.sriov
    return network_pb2.NetworkSriov(
        id=sriov.id,
        physical_pif_id=sriov.physical,
        logical_pif_id=sriov.logical,
        configuration_mode=SRIOV_MODE.to_wire(sriov.mode),
        requires_reboot=sriov.requires_reboot,
        status=network_pb2.NetworkSriovStatus(capacity=max(0, view.capacity), remaining=max(0, view.remaining)),
    )


def controller_to_proto(view: ControllerView) -> network_pb2.SdnController:
    """An SDN controller whole."""
    controller = view.controller
    return network_pb2.SdnController(
        id=controller.id,
        protocol=SDN_PROTOCOL.to_wire(controller.protocol),
        address="" if controller.address is None else str(controller.address),
        port=controller.port,
        status=network_pb2.SdnControllerStatus(connected=view.connected, problem=view.problem),
    )


def management_to_proto(view: ManagementView) -> network_pb2.ManagementInterface:
    """The management interface."""
    return network_pb2.ManagementInterface(pif_id=view.pif or "", unconfirmed_until=_moment(view.unconfirmed_until))


def host_network_to_proto(host: HostNetwork) -> Iterator[network_pb2.HostNetwork]:
    """Everything, in at least one part."""
    devices = {view.pif.id: view.pif.device for view in host.pifs}
    first = network_pb2.HostNetwork(
        switch=SWITCH.to_wire(SwitchKind(host.switch)),
        management=management_to_proto(host.management),
        foreign_bridges=host.foreign_bridges,
        sdn_controllers=map(controller_to_proto, host.controllers),
        pvs_sites=map(site_to_proto, host.pvs_sites),
        igmp_snooping=host.igmp_snooping,
    )
    lists = (host.networks, host.pifs, host.bonds, host.vlans, host.tunnels, host.sriovs)
    for start in range(0, max(1, *map(len, lists)), PART):
        part = slice(start, start + PART)
        message = network_pb2.HostNetwork(
            networks=map(network_to_proto, host.networks[part]),
            pifs=map(pif_to_proto, host.pifs[part]),
            bonds=[bond_to_proto(view, devices.get(view.bond.master, "")) for view in host.bonds[part]],
            vlans=map(vlan_to_proto, host.vlans[part]),
            tunnels=map(tunnel_to_proto, host.tunnels[part]),
            sriovs=map(sriov_to_proto, host.sriovs[part]),
        )
        if start == 0:
            message.MergeFrom(first)
        yield message


def _vif_to_proto(vif: VifOnNetwork, default: LockingMode) -> network_pb2.NetworkVif:
    return network_pb2.NetworkVif(
        vm_id=vif.vm,
        index=vif.devid,
        interface=vif.interface,
        mac=vif.mac,
        locking_mode=LOCKING.to_wire(vif.locking or default),
    )


def _metrics_to_proto(nic: Nic, updated: datetime) -> network_pb2.PifMetrics:
    return network_pb2.PifMetrics(
        carrier=nic.carrier,
        speed_mbits=max(0, nic.speed),
        full_duplex=nic.full_duplex,
        pci_bus_path=nic.pci_bus_path,
        vendor_id=nic.vendor_id,
        vendor_name=nic.vendor_name,
        device_id=nic.device_id,
        device_name=nic.device_name,
        driver=nic.driver,
        sriov_total=nic.sriov_total,
        sriov_enabled=nic.sriov_enabled,
        last_updated=_moment(updated),
    )


def _moment(when: datetime | None) -> Timestamp | None:
    return None if when is None else timestamp(when.timestamp())
