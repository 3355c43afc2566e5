"""A VIF as its switch sees it."""

from ipaddress import IPv4Network, IPv6Network

from xenhost.core.devices import Vif, VifLocking
from xenhost.core.errors import DeviceAttachFailed, DomainBuildFailed, InvalidValue
from xenhost.core.network import LockingMode, VifPort
from xenhost.core.vm import VmSpec, VmType

_LOCKING = {
    VifLocking.NETWORK_DEFAULT: LockingMode.UNLOCKED,  # of a bridge that is not ours
    VifLocking.UNLOCKED: LockingMode.UNLOCKED,
    VifLocking.LOCKED: LockingMode.LOCKED,
    VifLocking.DISABLED: LockingMode.DISABLED,
}


def vif_port(interface: str, vif: Vif, vm: str = "") -> VifPort:
    """What the switch is asked for; the VIF's settings are those in effect."""
    return VifPort(
        interface=interface,
        bridge=vif.bridge,
        mac=vif.mac,
        mtu=vif.mtu,
        locking=_LOCKING[vif.locking],
        ipv4_allowed=frozenset(map(IPv4Network, vif.ipv4_allowed)),
        ipv6_allowed=frozenset(map(IPv6Network, vif.ipv6_allowed)),
        promiscuous=vif.promiscuous,
        trunks=frozenset(vif.trunks),
        receive_bytes_per_second=vif.receive_kbps * 1024,
        carrier=vif.carrier,
        vm=vm,
        network=vif.network,
    )


def check_same_mac(mac: str, vif: Vif) -> None:
    """Raises InvalidValue: a guest knows its card by the MAC."""
    if vif.mac != mac:
        raise InvalidValue(
            f"VIF {vif.devid} has MAC {mac}; a plugged card keeps it: unplug it, and plug another one",
            field="vif.mac",
            value=vif.mac,
        )


def check_can_have_function(vif: Vif, guest: VmType) -> None:
    """Raises DeviceAttachFailed if a guest of that kind cannot be given PCI devices."""
    if guest is VmType.PVH:
        problem = "its network is SR-IOV, and Xen gives no PCI device to a PVH guest; use a PV or HVM guest"
        raise DeviceAttachFailed(
            f"VIF {vif.devid} cannot be attached: {problem}, or a network with a bridge",
            device=str(vif.devid),
            msg=problem,
        )


def check_memory_for_functions(vm: VmSpec) -> None:
    """Raises DomainBuildFailed if functions could reach memory that the guest has not got yet.

    An HVM guest that starts ballooned is given pages when it touches them (populate on demand), a function cannot wait.
    """
    if vm.type is VmType.HVM and vm.memory.dynamic_max < vm.memory.static_max:
        problem = "an HVM guest with a PCI device has all its memory from the start: set dynamic-max to static-max"
        raise DomainBuildFailed(
            f"VM {vm.id} cannot start with VIFs on SR-IOV networks: {problem}",
            vm=vm.id,
            function="create_domain",
            msg=problem,
        )
