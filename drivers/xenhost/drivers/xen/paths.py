"""Every xenstore path this driver uses. Pure.

Three places belong to a domain. Its home (`/local/domain/D`) is what the guest sees, and partly writes: never believed.
The backend directories lie in dom0's home, readable by the guest. Our private record (`/xenhost/domain/D`) is readable
by dom0 only and is what teardown goes by.

Protocol source: xen/docs/misc/xenstore-paths.pandoc.
"""

from enum import StrEnum
from typing import Final

from xenhost.core.devices import DeviceClass
from xenhost.core.ids import DevId, DomId, VmId


class Writable(StrEnum):
    """Nodes below a domain's home that its guest may write; the rest it may only read."""

    CONTROL_SHUTDOWN = "control/shutdown"
    CONTROL_SYSRQ = "control/sysrq"
    FEATURE_POWEROFF = "control/feature-poweroff"
    FEATURE_REBOOT = "control/feature-reboot"
    FEATURE_SUSPEND = "control/feature-suspend"
    FEATURE_S3 = "control/feature-s3"
    FEATURE_S4 = "control/feature-s4"
    FEATURE_BALLOON = "control/feature-balloon"
    FEATURE_VCPU_HOTPLUG = "control/feature-vcpu-hotplug"
    BALLOON_ACTIVE = "control/balloon-active"
    SUSPEND_CHANNEL = "device/suspend/event-channel"
    ATTR = "attr"
    DATA = "data"
    DRIVERS = "drivers"
    ERROR = "error"
    FEATURE = "feature"
    MESSAGES = "messages"


ROOT: Final = "/xenhost"
"""Everything of ours that no guest may read."""
RECORDS: Final = f"{ROOT}/domain"
LAST_DOMID: Final = f"{ROOT}/last-domid"
"""The domain id we used last: ids are taken round robin, so that one is not used again soon."""
HOMES: Final = "/local/domain"


def home(domid: DomId) -> str:
    """What the guest sees."""
    return f"{HOMES}/{domid}"


def vm(vm_id: VmId) -> str:
    """What outlives one run of a VM by the convention of all tool stacks: uuid and name."""
    return f"/vm/{vm_id}"


def libxl(domid: DomId) -> str:
    """libxl's private record. We keep the domain's type there, which `xl console` wants to know."""
    return f"/libxl/{domid}"


def device_model(domid: DomId) -> str:
    """Where QEMU says how it is."""
    return f"{HOMES}/0/device-model/{domid}"


def control_shutdown(domid: DomId) -> str:
    """The request to shut down."""
    return f"{home(domid)}/{Writable.CONTROL_SHUTDOWN}"


def console(domid: DomId) -> str:
    """The primary console, served by xenconsoled."""
    return f"{home(domid)}/console"


def vcpu_availability(domid: DomId, vcpu: int) -> str:
    """`online` or `offline`: what the guest is to do with a vCPU."""
    return f"{home(domid)}/cpu/{vcpu}/availability"


def memory_target(domid: DomId) -> str:
    """KiB that the guest's balloon driver aims at."""
    return f"{home(domid)}/memory/target"


# Our record


def record(domid: DomId) -> str:
    """Our private record of a domain; it is what makes the domain managed."""
    return f"{RECORDS}/{domid}"


def record_vm(domid: DomId) -> str:
    """UUID of the VM; equal to the handle of the domain, or the record is a left-over."""
    return f"{record(domid)}/vm"


def record_type(domid: DomId) -> str:
    """A VmType."""
    return f"{record(domid)}/type"


def record_stage(domid: DomId) -> str:
    """A `record.Stage`."""
    return f"{record(domid)}/stage"


def record_devices(domid: DomId) -> str:
    """Parent of the device records."""
    return f"{record(domid)}/device"


def record_class(domid: DomId, cls: DeviceClass) -> str:
    """Parent of the device records of one class."""
    return f"{record_devices(domid)}/{cls}"


def record_device(domid: DomId, cls: DeviceClass, devid: DevId) -> str:
    """Our private record of a device."""
    return f"{record_class(domid, cls)}/{devid}"


# Devices


def frontends(domid: DomId, kind: str) -> str:
    """Parent of the frontends of a kind."""
    return f"{home(domid)}/device/{kind}"


def frontend(domid: DomId, kind: str, devid: DevId) -> str:
    """The guest's end of a device; `kind` is the class or `console`, `vfb`, `vkbd`."""
    return f"{frontends(domid, kind)}/{devid}"


def backends(domid: DomId, kind: str) -> str:
    """Parent of all backends of a kind that serve the domain, in dom0."""
    return f"{HOMES}/0/backend/{kind}/{domid}"


def backend(domid: DomId, kind: str, devid: DevId) -> str:
    """Dom0's end of a device."""
    return f"{backends(domid, kind)}/{devid}"


def device_error(domid: DomId, kind: str, devid: DevId) -> str:
    """Where the guest says why it refuses a device (untrusted)."""
    return f"{home(domid)}/{Writable.ERROR}/device/{kind}/{devid}/error"
