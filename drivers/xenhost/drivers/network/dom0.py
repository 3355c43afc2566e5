"""The network drivers of dom0. A switch is imported when it is wanted: a host has one of the two."""

from importlib import import_module
from typing import Final

from xenhost.core.errors import InvalidValue
from xenhost.core.network import SslFiles, SwitchKind
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
    keys = settings.controller_keys
    return NetworkDrivers(lambda kind: make_switch(kind, keys), addresses, HostNics(Places(settings.state_dir)))


def make_switch(kind: SwitchKind, keys: SslFiles | None = None) -> Switch:
    """Unopened; `keys` are for SDN controllers. Raises InvalidValue: a simulated switch is none for dom0."""
    entry = SWITCHES.get(kind)
    if entry is None:
        raise InvalidValue(f"dom0 has no switch {kind.value!r}", field="switch", value=kind.value)
    module, name = entry
    make = getattr(import_module(module), name)
    switch: Switch = make(ssl=keys) if kind is SwitchKind.OPENVSWITCH else make()
    return switch
