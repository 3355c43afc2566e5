from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

ADDRESS_FAMILY_IPV4: AddressFamily
ADDRESS_FAMILY_IPV6: AddressFamily
ADDRESS_FAMILY_UNSPECIFIED: AddressFamily
BOND_MODE_ACTIVE_BACKUP: BondMode
BOND_MODE_BALANCE_SLB: BondMode
BOND_MODE_LACP: BondMode
BOND_MODE_UNSPECIFIED: BondMode
DESCRIPTOR: _descriptor.FileDescriptor
EFFECTIVE_LOCKING_MODE_DISABLED: EffectiveLockingMode
EFFECTIVE_LOCKING_MODE_LOCKED: EffectiveLockingMode
EFFECTIVE_LOCKING_MODE_UNLOCKED: EffectiveLockingMode
EFFECTIVE_LOCKING_MODE_UNSPECIFIED: EffectiveLockingMode
IPV4_MODE_DHCP: Ipv4Mode
IPV4_MODE_NONE: Ipv4Mode
IPV4_MODE_STATIC: Ipv4Mode
IPV4_MODE_UNSPECIFIED: Ipv4Mode
IPV6_MODE_AUTOCONF: Ipv6Mode
IPV6_MODE_DHCP: Ipv6Mode
IPV6_MODE_NONE: Ipv6Mode
IPV6_MODE_STATIC: Ipv6Mode
IPV6_MODE_UNSPECIFIED: Ipv6Mode
PIF_KIND_BOND: PifKind
PIF_KIND_PHYSICAL: PifKind
PIF_KIND_SRIOV: PifKind
PIF_KIND_TUNNEL: PifKind
PIF_KIND_UNSPECIFIED: PifKind
PIF_KIND_VLAN: PifKind
PVS_PROXY_STATE_INITIALISED: PvsProxyState
PVS_PROXY_STATE_STOPPED: PvsProxyState
PVS_PROXY_STATE_UNSPECIFIED: PvsProxyState
SDN_PROTOCOL_PSSL: SdnProtocol
SDN_PROTOCOL_SSL: SdnProtocol
SDN_PROTOCOL_UNSPECIFIED: SdnProtocol
SRIOV_MODE_MANUAL: SriovMode
SRIOV_MODE_MODPROBE: SriovMode
SRIOV_MODE_SYSFS: SriovMode
SRIOV_MODE_UNKNOWN: SriovMode
SRIOV_MODE_UNSPECIFIED: SriovMode
SWITCH_KIND_BRIDGE: SwitchKind
SWITCH_KIND_OPENVSWITCH: SwitchKind
SWITCH_KIND_SIM: SwitchKind
SWITCH_KIND_UNSPECIFIED: SwitchKind
TUNNEL_PROTOCOL_GRE: TunnelProtocol
TUNNEL_PROTOCOL_UNSPECIFIED: TunnelProtocol
TUNNEL_PROTOCOL_VXLAN: TunnelProtocol

class Bond(_message.Message):
    __slots__ = ["auto_update_mac", "device", "id", "master_pif_id", "member_pif_ids", "mode", "other_config", "properties", "status"]
    class OtherConfigEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class PropertiesEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    AUTO_UPDATE_MAC_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    MASTER_PIF_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_PIF_IDS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    OTHER_CONFIG_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    auto_update_mac: bool
    device: str
    id: str
    master_pif_id: str
    member_pif_ids: _containers.RepeatedScalarFieldContainer[str]
    mode: BondMode
    other_config: _containers.ScalarMap[str, str]
    properties: _containers.ScalarMap[str, str]
    status: BondStatus
    def __init__(self, id: _Optional[str] = ..., master_pif_id: _Optional[str] = ..., member_pif_ids: _Optional[_Iterable[str]] = ..., mode: _Optional[_Union[BondMode, str]] = ..., properties: _Optional[_Mapping[str, str]] = ..., other_config: _Optional[_Mapping[str, str]] = ..., auto_update_mac: bool = ..., device: _Optional[str] = ..., status: _Optional[_Union[BondStatus, _Mapping]] = ...) -> None: ...

class BondMember(_message.Message):
    __slots__ = ["active", "device", "up"]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    UP_FIELD_NUMBER: _ClassVar[int]
    active: bool
    device: str
    up: bool
    def __init__(self, device: _Optional[str] = ..., up: bool = ..., active: bool = ...) -> None: ...

class BondStatus(_message.Message):
    __slots__ = ["links_up", "members"]
    LINKS_UP_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    links_up: int
    members: _containers.RepeatedCompositeFieldContainer[BondMember]
    def __init__(self, links_up: _Optional[int] = ..., members: _Optional[_Iterable[_Union[BondMember, _Mapping]]] = ...) -> None: ...

class HostNetwork(_message.Message):
    __slots__ = ["bonds", "foreign_bridges", "igmp_snooping", "management", "networks", "pifs", "pvs_sites", "sdn_controllers", "sriovs", "switch", "tunnels", "vlans"]
    BONDS_FIELD_NUMBER: _ClassVar[int]
    FOREIGN_BRIDGES_FIELD_NUMBER: _ClassVar[int]
    IGMP_SNOOPING_FIELD_NUMBER: _ClassVar[int]
    MANAGEMENT_FIELD_NUMBER: _ClassVar[int]
    NETWORKS_FIELD_NUMBER: _ClassVar[int]
    PIFS_FIELD_NUMBER: _ClassVar[int]
    PVS_SITES_FIELD_NUMBER: _ClassVar[int]
    SDN_CONTROLLERS_FIELD_NUMBER: _ClassVar[int]
    SRIOVS_FIELD_NUMBER: _ClassVar[int]
    SWITCH_FIELD_NUMBER: _ClassVar[int]
    TUNNELS_FIELD_NUMBER: _ClassVar[int]
    VLANS_FIELD_NUMBER: _ClassVar[int]
    bonds: _containers.RepeatedCompositeFieldContainer[Bond]
    foreign_bridges: _containers.RepeatedScalarFieldContainer[str]
    igmp_snooping: bool
    management: ManagementInterface
    networks: _containers.RepeatedCompositeFieldContainer[Network]
    pifs: _containers.RepeatedCompositeFieldContainer[Pif]
    pvs_sites: _containers.RepeatedCompositeFieldContainer[PvsSite]
    sdn_controllers: _containers.RepeatedCompositeFieldContainer[SdnController]
    sriovs: _containers.RepeatedCompositeFieldContainer[NetworkSriov]
    switch: SwitchKind
    tunnels: _containers.RepeatedCompositeFieldContainer[Tunnel]
    vlans: _containers.RepeatedCompositeFieldContainer[Vlan]
    def __init__(self, switch: _Optional[_Union[SwitchKind, str]] = ..., management: _Optional[_Union[ManagementInterface, _Mapping]] = ..., networks: _Optional[_Iterable[_Union[Network, _Mapping]]] = ..., pifs: _Optional[_Iterable[_Union[Pif, _Mapping]]] = ..., bonds: _Optional[_Iterable[_Union[Bond, _Mapping]]] = ..., vlans: _Optional[_Iterable[_Union[Vlan, _Mapping]]] = ..., tunnels: _Optional[_Iterable[_Union[Tunnel, _Mapping]]] = ..., sriovs: _Optional[_Iterable[_Union[NetworkSriov, _Mapping]]] = ..., foreign_bridges: _Optional[_Iterable[str]] = ..., sdn_controllers: _Optional[_Iterable[_Union[SdnController, _Mapping]]] = ..., pvs_sites: _Optional[_Iterable[_Union[PvsSite, _Mapping]]] = ..., igmp_snooping: bool = ...) -> None: ...

class Ipv4Config(_message.Message):
    __slots__ = ["address", "dns", "gateway", "mode"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    DNS_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    address: str
    dns: _containers.RepeatedScalarFieldContainer[str]
    gateway: str
    mode: Ipv4Mode
    def __init__(self, mode: _Optional[_Union[Ipv4Mode, str]] = ..., address: _Optional[str] = ..., gateway: _Optional[str] = ..., dns: _Optional[_Iterable[str]] = ...) -> None: ...

class Ipv6Config(_message.Message):
    __slots__ = ["addresses", "gateway", "mode"]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    addresses: _containers.RepeatedScalarFieldContainer[str]
    gateway: str
    mode: Ipv6Mode
    def __init__(self, mode: _Optional[_Union[Ipv6Mode, str]] = ..., addresses: _Optional[_Iterable[str]] = ..., gateway: _Optional[str] = ...) -> None: ...

class ManagementInterface(_message.Message):
    __slots__ = ["pif_id", "unconfirmed_until"]
    PIF_ID_FIELD_NUMBER: _ClassVar[int]
    UNCONFIRMED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    pif_id: str
    unconfirmed_until: _timestamp_pb2.Timestamp
    def __init__(self, pif_id: _Optional[str] = ..., unconfirmed_until: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Network(_message.Message):
    __slots__ = ["bridge", "default_locking_mode", "description", "id", "mtu", "name", "other_config", "status"]
    class OtherConfigEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    BRIDGE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_LOCKING_MODE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    MTU_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OTHER_CONFIG_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    bridge: str
    default_locking_mode: EffectiveLockingMode
    description: str
    id: str
    mtu: int
    name: str
    other_config: _containers.ScalarMap[str, str]
    status: NetworkStatus
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., bridge: _Optional[str] = ..., mtu: _Optional[int] = ..., default_locking_mode: _Optional[_Union[EffectiveLockingMode, str]] = ..., other_config: _Optional[_Mapping[str, str]] = ..., status: _Optional[_Union[NetworkStatus, _Mapping]] = ...) -> None: ...

class NetworkSriov(_message.Message):
    __slots__ = ["configuration_mode", "id", "logical_pif_id", "physical_pif_id", "requires_reboot", "status"]
    CONFIGURATION_MODE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    LOGICAL_PIF_ID_FIELD_NUMBER: _ClassVar[int]
    PHYSICAL_PIF_ID_FIELD_NUMBER: _ClassVar[int]
    REQUIRES_REBOOT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    configuration_mode: SriovMode
    id: str
    logical_pif_id: str
    physical_pif_id: str
    requires_reboot: bool
    status: NetworkSriovStatus
    def __init__(self, id: _Optional[str] = ..., physical_pif_id: _Optional[str] = ..., logical_pif_id: _Optional[str] = ..., configuration_mode: _Optional[_Union[SriovMode, str]] = ..., requires_reboot: bool = ..., status: _Optional[_Union[NetworkSriovStatus, _Mapping]] = ...) -> None: ...

class NetworkSriovStatus(_message.Message):
    __slots__ = ["capacity", "remaining"]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    capacity: int
    remaining: int
    def __init__(self, capacity: _Optional[int] = ..., remaining: _Optional[int] = ...) -> None: ...

class NetworkStatus(_message.Message):
    __slots__ = ["pif_ids", "ports", "problem", "revision", "up", "vifs"]
    PIF_IDS_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    UP_FIELD_NUMBER: _ClassVar[int]
    VIFS_FIELD_NUMBER: _ClassVar[int]
    pif_ids: _containers.RepeatedScalarFieldContainer[str]
    ports: _containers.RepeatedScalarFieldContainer[str]
    problem: str
    revision: int
    up: bool
    vifs: _containers.RepeatedCompositeFieldContainer[NetworkVif]
    def __init__(self, up: bool = ..., pif_ids: _Optional[_Iterable[str]] = ..., vifs: _Optional[_Iterable[_Union[NetworkVif, _Mapping]]] = ..., ports: _Optional[_Iterable[str]] = ..., problem: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class NetworkVif(_message.Message):
    __slots__ = ["index", "interface", "locking_mode", "mac", "vm_id"]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    INTERFACE_FIELD_NUMBER: _ClassVar[int]
    LOCKING_MODE_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    VM_ID_FIELD_NUMBER: _ClassVar[int]
    index: int
    interface: str
    locking_mode: EffectiveLockingMode
    mac: str
    vm_id: str
    def __init__(self, vm_id: _Optional[str] = ..., index: _Optional[int] = ..., interface: _Optional[str] = ..., mac: _Optional[str] = ..., locking_mode: _Optional[_Union[EffectiveLockingMode, str]] = ...) -> None: ...

class Pif(_message.Message):
    __slots__ = ["device", "disallow_unplug", "id", "ipv4", "ipv6", "kind", "mac", "managed", "management", "mtu", "name", "network_id", "other_config", "plugged", "primary_address_type", "properties", "status"]
    class OtherConfigEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class PropertiesEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    DISALLOW_UNPLUG_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    IPV4_FIELD_NUMBER: _ClassVar[int]
    IPV6_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    MANAGED_FIELD_NUMBER: _ClassVar[int]
    MANAGEMENT_FIELD_NUMBER: _ClassVar[int]
    MTU_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NETWORK_ID_FIELD_NUMBER: _ClassVar[int]
    OTHER_CONFIG_FIELD_NUMBER: _ClassVar[int]
    PLUGGED_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_ADDRESS_TYPE_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    device: str
    disallow_unplug: bool
    id: str
    ipv4: Ipv4Config
    ipv6: Ipv6Config
    kind: PifKind
    mac: str
    managed: bool
    management: bool
    mtu: int
    name: str
    network_id: str
    other_config: _containers.ScalarMap[str, str]
    plugged: bool
    primary_address_type: AddressFamily
    properties: _containers.ScalarMap[str, str]
    status: PifStatus
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[_Union[PifKind, str]] = ..., name: _Optional[str] = ..., device: _Optional[str] = ..., network_id: _Optional[str] = ..., mac: _Optional[str] = ..., mtu: _Optional[int] = ..., managed: bool = ..., plugged: bool = ..., management: bool = ..., disallow_unplug: bool = ..., ipv4: _Optional[_Union[Ipv4Config, _Mapping]] = ..., ipv6: _Optional[_Union[Ipv6Config, _Mapping]] = ..., primary_address_type: _Optional[_Union[AddressFamily, str]] = ..., properties: _Optional[_Mapping[str, str]] = ..., other_config: _Optional[_Mapping[str, str]] = ..., status: _Optional[_Union[PifStatus, _Mapping]] = ...) -> None: ...

class PifMetrics(_message.Message):
    __slots__ = ["carrier", "device_id", "device_name", "driver", "full_duplex", "last_updated", "pci_bus_path", "speed_mbits", "sriov_enabled", "sriov_total", "vendor_id", "vendor_name"]
    CARRIER_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_NAME_FIELD_NUMBER: _ClassVar[int]
    DRIVER_FIELD_NUMBER: _ClassVar[int]
    FULL_DUPLEX_FIELD_NUMBER: _ClassVar[int]
    LAST_UPDATED_FIELD_NUMBER: _ClassVar[int]
    PCI_BUS_PATH_FIELD_NUMBER: _ClassVar[int]
    SPEED_MBITS_FIELD_NUMBER: _ClassVar[int]
    SRIOV_ENABLED_FIELD_NUMBER: _ClassVar[int]
    SRIOV_TOTAL_FIELD_NUMBER: _ClassVar[int]
    VENDOR_ID_FIELD_NUMBER: _ClassVar[int]
    VENDOR_NAME_FIELD_NUMBER: _ClassVar[int]
    carrier: bool
    device_id: str
    device_name: str
    driver: str
    full_duplex: bool
    last_updated: _timestamp_pb2.Timestamp
    pci_bus_path: str
    speed_mbits: int
    sriov_enabled: int
    sriov_total: int
    vendor_id: str
    vendor_name: str
    def __init__(self, carrier: bool = ..., speed_mbits: _Optional[int] = ..., full_duplex: bool = ..., pci_bus_path: _Optional[str] = ..., vendor_id: _Optional[str] = ..., vendor_name: _Optional[str] = ..., device_id: _Optional[str] = ..., device_name: _Optional[str] = ..., driver: _Optional[str] = ..., sriov_total: _Optional[int] = ..., sriov_enabled: _Optional[int] = ..., last_updated: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PifStatus(_message.Message):
    __slots__ = ["bond_slave_of", "bridge", "currently_attached", "dns", "ipv4_addresses", "ipv4_gateway", "ipv6_addresses", "ipv6_gateway", "metrics", "problem", "revision", "vlan"]
    BOND_SLAVE_OF_FIELD_NUMBER: _ClassVar[int]
    BRIDGE_FIELD_NUMBER: _ClassVar[int]
    CURRENTLY_ATTACHED_FIELD_NUMBER: _ClassVar[int]
    DNS_FIELD_NUMBER: _ClassVar[int]
    IPV4_ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    IPV4_GATEWAY_FIELD_NUMBER: _ClassVar[int]
    IPV6_ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    IPV6_GATEWAY_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    VLAN_FIELD_NUMBER: _ClassVar[int]
    bond_slave_of: str
    bridge: str
    currently_attached: bool
    dns: _containers.RepeatedScalarFieldContainer[str]
    ipv4_addresses: _containers.RepeatedScalarFieldContainer[str]
    ipv4_gateway: str
    ipv6_addresses: _containers.RepeatedScalarFieldContainer[str]
    ipv6_gateway: str
    metrics: PifMetrics
    problem: str
    revision: int
    vlan: int
    def __init__(self, currently_attached: bool = ..., bridge: _Optional[str] = ..., vlan: _Optional[int] = ..., ipv4_addresses: _Optional[_Iterable[str]] = ..., ipv4_gateway: _Optional[str] = ..., ipv6_addresses: _Optional[_Iterable[str]] = ..., ipv6_gateway: _Optional[str] = ..., dns: _Optional[_Iterable[str]] = ..., bond_slave_of: _Optional[str] = ..., metrics: _Optional[_Union[PifMetrics, _Mapping]] = ..., problem: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class PvsProxy(_message.Message):
    __slots__ = ["bridge", "id", "mac", "site_id", "status", "vif_index", "vm_id"]
    BRIDGE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    SITE_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    VIF_INDEX_FIELD_NUMBER: _ClassVar[int]
    VM_ID_FIELD_NUMBER: _ClassVar[int]
    bridge: str
    id: str
    mac: str
    site_id: str
    status: PvsProxyStatus
    vif_index: int
    vm_id: str
    def __init__(self, id: _Optional[str] = ..., site_id: _Optional[str] = ..., vm_id: _Optional[str] = ..., vif_index: _Optional[int] = ..., mac: _Optional[str] = ..., bridge: _Optional[str] = ..., status: _Optional[_Union[PvsProxyStatus, _Mapping]] = ...) -> None: ...

class PvsProxyStatus(_message.Message):
    __slots__ = ["attached", "problem", "state"]
    ATTACHED_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    attached: bool
    problem: str
    state: PvsProxyState
    def __init__(self, attached: bool = ..., state: _Optional[_Union[PvsProxyState, str]] = ..., problem: _Optional[str] = ...) -> None: ...

class PvsServer(_message.Message):
    __slots__ = ["addresses", "first_port", "id", "last_port", "site_id"]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    FIRST_PORT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    LAST_PORT_FIELD_NUMBER: _ClassVar[int]
    SITE_ID_FIELD_NUMBER: _ClassVar[int]
    addresses: _containers.RepeatedScalarFieldContainer[str]
    first_port: int
    id: str
    last_port: int
    site_id: str
    def __init__(self, id: _Optional[str] = ..., site_id: _Optional[str] = ..., addresses: _Optional[_Iterable[str]] = ..., first_port: _Optional[int] = ..., last_port: _Optional[int] = ...) -> None: ...

class PvsSite(_message.Message):
    __slots__ = ["description", "id", "name", "proxies", "pvs_uuid", "servers"]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROXIES_FIELD_NUMBER: _ClassVar[int]
    PVS_UUID_FIELD_NUMBER: _ClassVar[int]
    SERVERS_FIELD_NUMBER: _ClassVar[int]
    description: str
    id: str
    name: str
    proxies: _containers.RepeatedCompositeFieldContainer[PvsProxy]
    pvs_uuid: str
    servers: _containers.RepeatedCompositeFieldContainer[PvsServer]
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., pvs_uuid: _Optional[str] = ..., servers: _Optional[_Iterable[_Union[PvsServer, _Mapping]]] = ..., proxies: _Optional[_Iterable[_Union[PvsProxy, _Mapping]]] = ...) -> None: ...

class SdnController(_message.Message):
    __slots__ = ["address", "id", "port", "protocol", "status"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    address: str
    id: str
    port: int
    protocol: SdnProtocol
    status: SdnControllerStatus
    def __init__(self, id: _Optional[str] = ..., protocol: _Optional[_Union[SdnProtocol, str]] = ..., address: _Optional[str] = ..., port: _Optional[int] = ..., status: _Optional[_Union[SdnControllerStatus, _Mapping]] = ...) -> None: ...

class SdnControllerStatus(_message.Message):
    __slots__ = ["connected", "problem"]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    connected: bool
    problem: str
    def __init__(self, connected: bool = ..., problem: _Optional[str] = ...) -> None: ...

class Tunnel(_message.Message):
    __slots__ = ["access_pif_id", "id", "key", "other_config", "protocol", "remotes", "status", "transport_pif_id"]
    class OtherConfigEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ACCESS_PIF_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    OTHER_CONFIG_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    REMOTES_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_PIF_ID_FIELD_NUMBER: _ClassVar[int]
    access_pif_id: str
    id: str
    key: int
    other_config: _containers.ScalarMap[str, str]
    protocol: TunnelProtocol
    remotes: _containers.RepeatedScalarFieldContainer[str]
    status: TunnelStatus
    transport_pif_id: str
    def __init__(self, id: _Optional[str] = ..., access_pif_id: _Optional[str] = ..., transport_pif_id: _Optional[str] = ..., protocol: _Optional[_Union[TunnelProtocol, str]] = ..., remotes: _Optional[_Iterable[str]] = ..., key: _Optional[int] = ..., other_config: _Optional[_Mapping[str, str]] = ..., status: _Optional[_Union[TunnelStatus, _Mapping]] = ...) -> None: ...

class TunnelStatus(_message.Message):
    __slots__ = ["active", "key"]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    active: bool
    key: int
    def __init__(self, active: bool = ..., key: _Optional[int] = ...) -> None: ...

class Vlan(_message.Message):
    __slots__ = ["id", "other_config", "tag", "tagged_pif_id", "untagged_pif_id"]
    class OtherConfigEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    OTHER_CONFIG_FIELD_NUMBER: _ClassVar[int]
    TAGGED_PIF_ID_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    UNTAGGED_PIF_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    other_config: _containers.ScalarMap[str, str]
    tag: int
    tagged_pif_id: str
    untagged_pif_id: str
    def __init__(self, id: _Optional[str] = ..., untagged_pif_id: _Optional[str] = ..., tagged_pif_id: _Optional[str] = ..., tag: _Optional[int] = ..., other_config: _Optional[_Mapping[str, str]] = ...) -> None: ...

class EffectiveLockingMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class PifKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Ipv4Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Ipv6Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class AddressFamily(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class BondMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class TunnelProtocol(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class SriovMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class SdnProtocol(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class PvsProxyState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class SwitchKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
