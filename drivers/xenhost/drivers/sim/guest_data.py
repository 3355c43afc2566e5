"""What the agent inside a simulated guest tells of it."""

from typing import Final

from xenhost.core.devices import DeviceClass, DeviceState
from xenhost.core.guest_metrics import GuestData
from xenhost.core.units import KIB
from xenhost.drivers.sim.domain import SimDomain

_ALWAYS: Final = {
    "attr/PVAddons/Installed": "1",
    "attr/PVAddons/MajorVersion": "1",
    "attr/PVAddons/MinorVersion": "0",
    "attr/PVAddons/MicroVersion": "0",
    "control/feature-balloon": "1",
    "control/feature-poweroff": "1",
    "control/feature-reboot": "1",
    "control/feature-vcpu-hotplug": "1",
    "data/os_distro": "simos",
    "data/os_majorver": "1",
    "data/os_minorver": "0",
    "data/os_name": "SimOS 1.0",
    "data/os_uname": "1.0",
    "data/updated": "1",
    "feature/hotplug/vbd": "1",
    "feature/hotplug/vif": "1",
}


def guest_data(domain: SimDomain) -> GuestData:
    """Nothing before it runs, nor of a guest that knows nothing of Xen; then what a usual agent writes."""
    if not domain.manners.pv_drivers or domain.running_since is None:
        return GuestData()
    nodes = dict(_ALWAYS)
    nodes["data/meminfo_total"] = str(domain.memory // KIB)
    nodes["data/meminfo_free"] = str(domain.memory // KIB * 3 // 4)
    for device in domain.devices.values():
        if device.cls is DeviceClass.VIF and device.state is DeviceState.ATTACHED:
            nodes[f"attr/vif/{device.devid}/ipv4/0"] = _address(device.mac)
    nodes.update(domain.manners.tells)
    return GuestData(nodes)


def _address(mac: str) -> str:
    """One that belongs to the card: 10 and the last three bytes of its MAC."""
    return ".".join(["10", *(str(int(byte, 16)) for byte in mac.split(":")[3:])])
