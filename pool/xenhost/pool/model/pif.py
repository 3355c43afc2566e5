"""PIF: pif."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

PIF: Final[Class] = declare(
    "PIF",
    "Pif.",
    writer="pool-operator",
    fields="""
    run uuid string: Its UUID.
    ins device string: Device.
    ins network ref network <> network.PIFs: Network.
    ins host ref host <> host.PIFs: Host.
    ins MAC string: Mac.
    ins MTU int: Mtu.
    ins VLAN int: Vlan.
    ins device_name string = "" hidden: Device name.
    run metrics ref PIF_metrics: Metrics.
    run physical bool @4.1: Physical.
    run currently_attached bool = true @4.1: Currently attached.
    run ip_configuration_mode ip_configuration_mode @4.1: Ip configuration mode.
    run IP string @4.1: Ip.
    run netmask string @4.1: Netmask.
    run gateway string @4.1: Gateway.
    run DNS string @4.1: Dns.
    run bond_slave_of ref Bond <> Bond.slaves @4.1: Bond slave of.
    run bond_master_of set ref Bond <> Bond.master @4.1: Bond master of.
    run VLAN_master_of ref VLAN @4.1: Vlan master of.
    run VLAN_slave_of set ref VLAN <> VLAN.tagged_PIF @4.1: Vlan slave of.
    run management bool @4.1: Management.
    rw  other_config map string string = {} @4.1: Keys of clients and of features that have no field.
    run disallow_unplug bool @5.0: Disallow unplug.
    run tunnel_access_PIF_of set ref tunnel <> tunnel.access_PIF @5.6fp1: Tunnel access pif of.
    run tunnel_transport_PIF_of set ref tunnel <> tunnel.transport_PIF @5.6fp1: Tunnel transport pif of.
    run ipv6_configuration_mode ipv6_configuration_mode @6.1: Ipv6 configuration mode.
    run IPv6 set string @6.1: Ipv6.
    run ipv6_gateway string @6.1: Ipv6 gateway.
    run primary_address_type primary_address_type = IPv4 @6.1: Primary address type.
    ins managed bool = true @6.2sp1: Managed.
    run properties map string string @6.5: Properties.
    run capabilities set string @7.0: Capabilities.
    run igmp_snooping_status pif_igmp_status = unknown @7.3: Igmp snooping status.
    run sriov_physical_PIF_of set ref network_sriov <> network_sriov.physical_PIF @7.5: Sriov physical pif of.
    run sriov_logical_PIF_of set ref network_sriov <> network_sriov.logical_PIF @7.5: Sriov logical pif of.
    run PCI ref PCI @7.5: Pci.
    """,
    messages="""
    create_VLAN(device string, network ref network, host ref host, VLAN int) -> ref PIF
        host pool-operator deprecated: Create vlan.
        ! VLAN_TAG_INVALID
    destroy(self ref PIF)
        host pool-operator deprecated: Destroy.
        ! PIF_IS_PHYSICAL
    reconfigure_ip(self ref PIF, mode ip_configuration_mode, IP string, netmask string, gateway string, DNS
        string)
        host pool-operator @4.1: Reconfigure ip.
        ! CLUSTERING_ENABLED
    reconfigure_ipv6(self ref PIF, mode ipv6_configuration_mode, IPv6 string, gateway string, DNS string)
        host pool-operator @6.1: Reconfigure ipv6.
        ! CLUSTERING_ENABLED
    set_primary_address_type(self ref PIF, primary_address_type primary_address_type)
        host pool-operator @6.1: Set primary address type.
    scan(host ref host)
        host pool-operator @4.1: Scan.
    introduce(host ref host, MAC string, device string, managed? bool) -> ref PIF
        host pool-operator @4.1: Introduce.
    forget(self ref PIF)
        host pool-operator @4.1: Forget.
        ! PIF_TUNNEL_STILL_EXISTS CLUSTERING_ENABLED
    unplug(self ref PIF)
        host pool-operator @4.1: Unplug.
        ! HA_OPERATION_WOULD_BREAK_FAILOVER_PLAN VIF_IN_USE PIF_DOES_NOT_ALLOW_UNPLUG PIF_HAS_FCOE_SR_IN_USE
    plug(self ref PIF)
        host pool-operator @4.1: Plug.
        ! TRANSPORT_PIF_NOT_CONFIGURED
    db_introduce(device string, network ref network, host ref host, MAC string, MTU int, VLAN int, physical
        bool, ip_configuration_mode ip_configuration_mode, IP string, netmask string, gateway string, DNS
        string, bond_slave_of ref Bond, VLAN_master_of ref VLAN, management bool, other_config map string
        string, disallow_unplug? bool, ipv6_configuration_mode? ipv6_configuration_mode = None, IPv6? set
        string, ipv6_gateway? string, primary_address_type? primary_address_type = IPv4, managed? bool,
        properties? map string string) -> ref PIF
        db pool-operator @5.0: Db introduce.
    db_forget(self ref PIF)
        db pool-operator @5.0: Db forget.
    set_property(self ref PIF, name string, value string)
        host pool-operator @6.5: Set property.
    set_disallow_unplug(self ref PIF, value bool)
        db pool-operator @5.0 sync: Set disallow unplug.
        ! OTHER_OPERATION_IN_PROGRESS CLUSTERING_ENABLED
    """,
)
