"""PIF: A network interface of a host: a card, a bond, a VLAN, a tunnel."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

PIF: Final[Class] = declare(
    "PIF",
    "A network interface of a host: a card, a bond, a VLAN, a tunnel.",
    writer="pool-operator",
    fields="""
    run uuid string: Its UUID.
    ins device string: Its name on the host.
    ins network ref network <> network.PIFs: The network it is in.
    ins host ref host <> host.PIFs: The host.
    ins MAC string: Its MAC address.
    ins MTU int: The largest frame, in bytes.
    ins VLAN int: Its VLAN; -1 if it is none.
    ins device_name string = "" hidden: Its name in the kernel.
    run metrics ref PIF_metrics: What is measured of it.
    run physical bool @4.1: It is a card.
    run currently_attached bool = true @4.1: It is up.
    run ip_configuration_mode ip_configuration_mode @4.1: Whether it has an IPv4 address, and from where.
    run IP string @4.1: Its IPv4 address.
    run netmask string @4.1: Its netmask.
    run gateway string @4.1: Its gateway.
    run DNS string @4.1: Name servers.
    run bond_slave_of ref Bond <> Bond.slaves @4.1: The bond that it is in.
    run bond_master_of set ref Bond <> Bond.master @4.1: The bond that it stands for.
    run VLAN_master_of ref VLAN @4.1: The VLAN that it stands for.
    run VLAN_slave_of set ref VLAN <> VLAN.tagged_PIF @4.1: VLANs on it.
    run management bool @4.1: Management uses it.
    rw  other_config map string string = {} @4.1: Keys of clients and of features that have no field.
    run disallow_unplug bool @5.0: It must not be taken down.
    run tunnel_access_PIF_of set ref tunnel <> tunnel.access_PIF @5.6fp1: The tunnel that it stands for.
    run tunnel_transport_PIF_of set ref tunnel <> tunnel.transport_PIF @5.6fp1: Tunnels on it.
    run ipv6_configuration_mode ipv6_configuration_mode @6.1: Whether it has IPv6 addresses, and from where.
    run IPv6 set string @6.1: Its IPv6 addresses.
    run ipv6_gateway string @6.1: Its IPv6 gateway.
    run primary_address_type primary_address_type = IPv4 @6.1: Which kind of address others use.
    ins managed bool = true @6.2sp1: xenhost sets it up.
    run properties map string string @6.5: Settings of the card.
    run capabilities set string @7.0: What the card can do.
    run igmp_snooping_status pif_igmp_status = unknown @7.3: Whether its bridge follows IGMP.
    run sriov_physical_PIF_of set ref network_sriov <> network_sriov.physical_PIF @7.5: The network of virtual
            functions on it.
    run sriov_logical_PIF_of set ref network_sriov <> network_sriov.logical_PIF @7.5: The network of virtual
            functions that it stands for.
    run PCI ref PCI @7.5: The card's PCI device.
    """,
    messages="""
    create_VLAN(device string, network ref network, host ref host, VLAN int) -> ref PIF
        host pool-operator deprecated: Make a VLAN on a device, in the form of old releases.
        ! VLAN_TAG_INVALID
    destroy(self ref PIF)
        host pool-operator deprecated: Remove a VLAN, in the form of old releases.
        ! PIF_IS_PHYSICAL
    reconfigure_ip(self ref PIF, mode ip_configuration_mode, IP string, netmask string, gateway string, DNS
        string)
        host pool-operator @4.1: Give it another IPv4 configuration.
        ! CLUSTERING_ENABLED
    reconfigure_ipv6(self ref PIF, mode ipv6_configuration_mode, IPv6 string, gateway string, DNS string)
        host pool-operator @6.1: Give it another IPv6 configuration.
        ! CLUSTERING_ENABLED
    set_primary_address_type(self ref PIF, primary_address_type primary_address_type)
        host pool-operator @6.1: Say which kind of address others use.
    scan(host ref host)
        host pool-operator @4.1: Look for new cards.
    introduce(host ref host, MAC string, device string, managed? bool = true) -> ref PIF
        host pool-operator @4.1: Make a record of a card.
    forget(self ref PIF)
        host pool-operator @4.1: Remove the record of a card.
        ! PIF_TUNNEL_STILL_EXISTS CLUSTERING_ENABLED
    unplug(self ref PIF)
        host pool-operator @4.1: Take it down.
        ! HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN VIF_IN_USE PIF_DOES_NOT_ALLOW_UNPLUG PIF_HAS_FCOE_SR_IN_USE
    plug(self ref PIF)
        host pool-operator @4.1: Bring it up.
        ! TRANSPORT_PIF_NOT_CONFIGURED
    db_introduce(device string, network ref network, host ref host, MAC string, MTU int, VLAN int, physical
        bool, ip_configuration_mode ip_configuration_mode, IP string, netmask string, gateway string, DNS
        string, bond_slave_of ref Bond, VLAN_master_of ref VLAN, management bool, other_config map string
        string, disallow_unplug? bool, ipv6_configuration_mode? ipv6_configuration_mode = None, IPv6? set
        string, ipv6_gateway? string, primary_address_type? primary_address_type = IPv4, managed? bool = true,
        properties? map string string) -> ref PIF
        db pool-operator @5.0: Make a record only; nothing happens on the host.
    db_forget(self ref PIF)
        db pool-operator @5.0: Remove the record only.
    set_property(self ref PIF, name string, value string)
        host pool-operator @6.5: Change a setting of the card.
    set_disallow_unplug(self ref PIF, value bool)
        db pool-operator @5.0 sync: Set disallow_unplug.
        ! OTHER_OPERATION_IN_PROGRESS CLUSTERING_ENABLED
    """,
)
