"""The network drivers of dom0. Imported when they are wanted: pyroute2 alone is 26 MB."""

from importlib import import_module
from typing import Final

from xenhost.core.errors import InvalidValue
from xenhost.core.network import SwitchKind
from xenhost.core.ports.network import Switch
from xenhost.drivers.network.ip.addresses import HostAddresses
from xenhost.drivers.network.nics.nics import HostNics
from xenhost.drivers.network.nics.places import Places
from xenhost.drivers.network.registry import NetworkDrivers, NetworkDriverSettings

SWITCHES: Final = {
    SwitchKind.BRIDGE: ("xenhost.drivers.network.linux.switch", "LinuxSwitch"),
    SwitchKind.OPENVSWITCH: ("xenhost.drivers.network.ovs.switch", "OvsSwitch"),
}


def make_network(settings: NetworkDriverSettings) -> NetworkDrivers:
    """Unopened."""
    addresses = HostAddresses(settings.run_dir, settings.log_dir, settings.clock, settings.resolv_conf)
    return NetworkDrivers(make_switch, addresses, HostNics(Places(settings.state_dir)))


def make_switch(kind: SwitchKind) -> Switch:
    """Unopened. Raises InvalidValue: a simulated switch is none for dom0."""
    entry = SWITCHES.get(kind)
    if entry is None:
        raise InvalidValue(f"dom0 has no switch {kind.value!r}", field="switch", value=kind.value)
    module, name = entry
    switch: Switch = getattr(import_module(module), name)()
    return switch
