"""Errors of networking, each declared once."""

from xenhost.core.errors import Code, XenhostError


class SwitchUnavailable(XenhostError):
    """The switch of this host does not answer. XenAPI: PIF_CONFIGURATION_ERROR has the same meaning for one PIF."""

    reason = "SWITCH_UNAVAILABLE"
    code = Code.UNAVAILABLE
    fields = ("switch",)


class SwitchCannot(XenhostError):
    """The switch of this host cannot do it; the message says which can."""

    reason = "OPERATION_NOT_SUPPORTED_BY_SWITCH"
    code = Code.FAILED_PRECONDITION
    fields = ("switch", "feature")


class OpenvswitchNotActive(XenhostError):
    """Needs Open vSwitch."""

    reason = "OPENVSWITCH_NOT_ACTIVE"
    code = Code.FAILED_PRECONDITION


class SriovFailed(XenhostError):
    """Virtual functions could not be made, removed or set."""

    reason = "NETWORK_SRIOV_FAILED"
    code = Code.FAILED_PRECONDITION
    fields = ("device", "message")


class PifConfigurationError(XenhostError):
    """The network of a PIF could not be set up."""

    reason = "PIF_CONFIGURATION_ERROR"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF", "msg")


class BridgeNotAvailable(XenhostError):
    """There is no such bridge."""

    reason = "BRIDGE_NOT_AVAILABLE"
    code = Code.NOT_FOUND
    fields = ("bridge",)


class BridgeNameExists(XenhostError):
    """Another network, or somebody else's interface, has that name."""

    reason = "BRIDGE_NAME_EXISTS"
    code = Code.ALREADY_EXISTS
    fields = ("bridge",)


class CannotAddTunnelToBondSlave(XenhostError):
    """A tunnel goes on the bond, not on its member."""

    reason = "CANNOT_ADD_TUNNEL_TO_BOND_SLAVE"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class CannotAddVlanToBondSlave(XenhostError):
    """A VLAN goes on the bond, not on its member."""

    reason = "CANNOT_ADD_VLAN_TO_BOND_SLAVE"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class CannotDestroySystemNetwork(XenhostError):
    """The host itself needs this network."""

    reason = "CANNOT_DESTROY_SYSTEM_NETWORK"
    code = Code.FAILED_PRECONDITION
    fields = ("network",)


class CannotPlugBondSlave(XenhostError):
    """A member of a bond is plugged with the bond only."""

    reason = "CANNOT_PLUG_BOND_SLAVE"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class CannotChangePifProperties(XenhostError):
    """The properties of a bond's member are those of the bond."""

    reason = "CANNOT_CHANGE_PIF_PROPERTIES"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class CouldNotFindNetworkInterface(XenhostError):
    """The card of that name has another MAC."""

    reason = "COULD_NOT_FIND_NETWORK_INTERFACE_WITH_SPECIFIED_DEVICE_NAME_AND_MAC_ADDRESS"
    code = Code.NOT_FOUND
    fields = ("device", "mac")


class DuplicatePifDeviceName(XenhostError):
    """There is a PIF with that device."""

    reason = "DUPLICATE_PIF_DEVICE_NAME"
    code = Code.ALREADY_EXISTS
    fields = ("device",)


class HostHasNoManagementIp(XenhostError):
    """The management interface has no address."""

    reason = "HOST_HAS_NO_MANAGEMENT_IP"
    code = Code.FAILED_PRECONDITION


class IncompatiblePifProperties(XenhostError):
    """Members of a bond must have the same properties."""

    reason = "INCOMPATIBLE_PIF_PROPERTIES"
    code = Code.FAILED_PRECONDITION


class InterfaceHasNoIp(XenhostError):
    """It needs an address for this."""

    reason = "INTERFACE_HAS_NO_IP"
    code = Code.FAILED_PRECONDITION
    fields = ("interface",)


class InvalidIpAddress(XenhostError):
    """Not an IP address."""

    reason = "INVALID_IP_ADDRESS_SPECIFIED"
    code = Code.INVALID_ARGUMENT
    fields = ("parameter",)


class IsTunnelAccessPif(XenhostError):
    """Not possible for the access PIF of a tunnel."""

    reason = "IS_TUNNEL_ACCESS_PIF"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class MacDoesNotExist(XenhostError):
    """No card of this host has that MAC."""

    reason = "MAC_DOES_NOT_EXIST"
    code = Code.NOT_FOUND
    fields = ("MAC",)


class MacStillExists(XenhostError):
    """The card is still there, so its PIF cannot be forgotten."""

    reason = "MAC_STILL_EXISTS"
    code = Code.FAILED_PRECONDITION
    fields = ("MAC",)


class NetworkAlreadyConnected(XenhostError):
    """This host is connected to the network by another PIF."""

    reason = "NETWORK_ALREADY_CONNECTED"
    code = Code.FAILED_PRECONDITION
    fields = ("network", "connected_PIF")


class NetworkContainsPif(XenhostError):
    """PIFs are on the network; remove them first."""

    reason = "NETWORK_CONTAINS_PIF"
    code = Code.FAILED_PRECONDITION
    fields = ("pifs",)


class NetworkContainsVif(XenhostError):
    """VIFs are on the network; remove them first."""

    reason = "NETWORK_CONTAINS_VIF"
    code = Code.FAILED_PRECONDITION
    fields = ("vifs",)


class PifAlreadyBonded(XenhostError):
    """It is in a bond."""

    reason = "PIF_ALREADY_BONDED"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class PifBondNeedsMoreMembers(XenhostError):
    """A bond has two members or more."""

    reason = "PIF_BOND_NEEDS_MORE_MEMBERS"
    code = Code.INVALID_ARGUMENT


class PifBondMoreThanOneIp(XenhostError):
    """Only one member of a bond may have addresses."""

    reason = "PIF_BOND_MORE_THAN_ONE_IP"
    code = Code.FAILED_PRECONDITION


class PifDeviceNotFound(XenhostError):
    """No card of this host has that name."""

    reason = "PIF_DEVICE_NOT_FOUND"
    code = Code.NOT_FOUND


class PifDoesNotAllowUnplug(XenhostError):
    """It is marked as never to be unplugged (disallow_unplug)."""

    reason = "PIF_DOES_NOT_ALLOW_UNPLUG"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class PifHasNoNetworkConfiguration(XenhostError):
    """It has no IPv4 configuration; set one first."""

    reason = "PIF_HAS_NO_NETWORK_CONFIGURATION"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class PifHasNoV6NetworkConfiguration(XenhostError):
    """It has no IPv6 configuration; set one first."""

    reason = "PIF_HAS_NO_V6_NETWORK_CONFIGURATION"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class PifIncompatiblePrimaryAddressType(XenhostError):
    """It has no addresses of the primary family."""

    reason = "PIF_INCOMPATIBLE_PRIMARY_ADDRESS_TYPE"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class PifIsManagementInterface(XenhostError):
    """The host is managed through it."""

    reason = "PIF_IS_MANAGEMENT_INTERFACE"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class PifIsPhysical(XenhostError):
    """Not possible for a physical PIF."""

    reason = "PIF_IS_PHYSICAL"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class PifIsNotPhysical(XenhostError):
    """Only possible for a physical PIF."""

    reason = "PIF_IS_NOT_PHYSICAL"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class PifIsVlan(XenhostError):
    """Not possible for the PIF of a VLAN."""

    reason = "PIF_IS_VLAN"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class PifIsSriovLogical(XenhostError):
    """Not possible for the logical PIF of an SR-IOV network."""

    reason = "PIF_IS_SRIOV_LOGICAL"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class PifIsNotSriovCapable(XenhostError):
    """Its card has no virtual functions."""

    reason = "PIF_IS_NOT_SRIOV_CAPABLE"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class PifSriovStillExists(XenhostError):
    """A network of its virtual functions exists; destroy that first."""

    reason = "PIF_SRIOV_STILL_EXISTS"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class NetworkSriovAlreadyEnabled(XenhostError):
    """Virtual functions of this PIF are in use as a network already."""

    reason = "NETWORK_SRIOV_ALREADY_ENABLED"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class NetworkSriovInsufficientCapacity(XenhostError):
    """Every virtual function is taken."""

    reason = "NETWORK_SRIOV_INSUFFICIENT_CAPACITY"
    code = Code.FAILED_PRECONDITION
    fields = ("network",)


class PifTunnelStillExists(XenhostError):
    """A tunnel uses it; destroy that first."""

    reason = "PIF_TUNNEL_STILL_EXISTS"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class PifUnmanaged(XenhostError):
    """It is marked as not managed by us."""

    reason = "PIF_UNMANAGED"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class PifVlanExists(XenhostError):
    """It has a VLAN with that tag."""

    reason = "PIF_VLAN_EXISTS"
    code = Code.ALREADY_EXISTS
    fields = ("PIF",)


class PifVlanStillExists(XenhostError):
    """VLANs are on it; destroy them first."""

    reason = "PIF_VLAN_STILL_EXISTS"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class TransportPifNotConfigured(XenhostError):
    """The transport PIF of a tunnel needs an address."""

    reason = "TRANSPORT_PIF_NOT_CONFIGURED"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF",)


class VifInUse(XenhostError):
    """A VIF uses the network."""

    reason = "VIF_IN_USE"
    code = Code.FAILED_PRECONDITION
    fields = ("network", "VIF")


class VlanTagInvalid(XenhostError):
    """A tag is 0 to 4094."""

    reason = "VLAN_TAG_INVALID"
    code = Code.INVALID_ARGUMENT
    fields = ("VLAN",)


class VlanInUse(XenhostError):
    """Somebody else uses that tag on the device."""

    reason = "VLAN_IN_USE"
    code = Code.FAILED_PRECONDITION
    fields = ("device", "vlan")


class PvsSiteContainsServers(XenhostError):
    """Servers are in the site; forget them first."""

    reason = "PVS_SITE_CONTAINS_SERVERS"
    code = Code.FAILED_PRECONDITION
    fields = ("servers",)


class PvsSiteContainsRunningProxies(XenhostError):
    """Proxies are in the site; destroy them first."""

    reason = "PVS_SITE_CONTAINS_RUNNING_PROXIES"
    code = Code.FAILED_PRECONDITION
    fields = ("proxies",)


class PvsServerAddressInUse(XenhostError):
    """Another server has that address."""

    reason = "PVS_SERVER_ADDRESS_IN_USE"
    code = Code.FAILED_PRECONDITION
    fields = ("address",)


class PvsProxyAlreadyPresent(XenhostError):
    """The VIF has a proxy."""

    reason = "PVS_PROXY_ALREADY_PRESENT"
    code = Code.FAILED_PRECONDITION
    fields = ("proxies",)
