"""What goes into xenstore for a device. Pure.

The keys are those of xen/include/public/io/{blkif,netif}.h, written by libxl too. Nodes inherit the permissions of
their parent, so each directory is made and given away before it is filled.

Nothing is written that nobody reads: for every single node below a backend directory dom0's kernel wakes up and asks
xenstored about it, and so does a running guest for its frontend.
"""

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from xenhost.core.devices import DeviceClass, SourceKind, Vbd, VbdMode, VbdType, Vif
from xenhost.core.ids import DevId, DomId
from xenhost.drivers.xen import paths
from xenhost.drivers.xen.devices.records import DeviceRecord, VifRecord, encode, path_of
from xenhost.drivers.xen.devices.xenbus import XenbusState
from xenhost.native.xenstore import Access, Batch, Perm

RATE_INTERVAL_US: Final = 50_000
"""How often netback gives a VIF new credit; libxl's and XenServer's default."""

USUAL_MTU: Final = 1500

PCI: Final = "pci"
PCI_BUS: Final = DevId(0)
"""The one PCI bus that a guest can have: pcifront takes no second one."""

Keys = dict[str, str]
Mark = TypeVar("Mark")


def backend_path(record: DeviceRecord) -> str:
    """Dom0's end."""
    return paths.backend(record.domid, record.cls, record.devid)


def frontend_path(record: DeviceRecord) -> str:
    """The guest's end."""
    return paths.frontend(record.domid, record.cls, record.devid)


def backend_error(domid: DomId, kind: str, devid: DevId) -> str:
    """Where dom0's kernel says why it refuses a device."""
    return f"{paths.HOMES}/0/error/backend/{kind}/{domid}/{devid}"


def guest_error(domid: DomId, cls: DeviceClass, devid: DevId) -> str:
    """Parent of where the guest says why it refuses a device."""
    return paths.device_error(domid, cls, devid).removesuffix("/error")


def plug_batch(
    record: DeviceRecord, backend: Keys, frontend: Keys, mark: Callable[[Batch], Mark]
) -> tuple[Batch, Mark]:
    """Our record and both ends of the device, to be written in one transaction; and what `mark` made.

    In front of the mark stands what makes the kernel look at the device: that event comes first, and finds all the rest
    there.
    """
    mine, theirs = backend_path(record), frontend_path(record)
    batch = Batch().mkdir(mine).set_perms(mine, [Perm(0, Access.NONE), Perm(record.domid, Access.READ)])
    marked = mark(batch)
    batch.write(path_of(record), encode(record))
    for key, value in backend.items():
        batch.write(f"{mine}/{key}", value)
    batch.write(f"{mine}/state", _state(XenbusState.INITIALISING))
    batch.rm(guest_error(record.domid, record.cls, record.devid)).rm(theirs)
    batch.mkdir(theirs).set_perms(theirs, [Perm(record.domid, Access.NONE), Perm(0, Access.READ)])
    for key, value in frontend.items():
        batch.write(f"{theirs}/{key}", value)
    return batch, marked


def record_batch(record: DeviceRecord) -> Batch:
    """Our record alone. It inherits from its parent that nobody else may read it."""
    return Batch().write(path_of(record), encode(record))


def unplug_batch(records: Iterable[DeviceRecord]) -> Batch:
    """Take both ends of devices away, whatever the guest thinks of it; our records stay."""
    batch = Batch()
    for record in records:
        place = record.domid, record.cls, record.devid
        batch.rm(frontend_path(record)).rm(backend_path(record))
        batch.rm(backend_error(*place)).rm(guest_error(*place))
    return batch


def ask_batch(record: DeviceRecord) -> Batch:
    """Ask the guest to let the device go. An old refusal is forgotten first."""
    mine = backend_path(record)
    batch = Batch().rm(guest_error(record.domid, record.cls, record.devid))
    return batch.write(f"{mine}/online", "0").write(f"{mine}/state", _state(XenbusState.CLOSING))


def keep_batch(record: DeviceRecord) -> Batch:
    """Withdraw what `ask_batch` asked."""
    mine = backend_path(record)
    return Batch().write(f"{mine}/online", "1").write(f"{mine}/state", _state(XenbusState.CONNECTED))


def vbd_backend(domid: DomId, vbd: Vbd, number: tuple[int, int]) -> Keys:
    """Dom0's end of a VBD; `number` is the major and minor of the block device that holds its data."""
    keys = _backend(domid, DeviceClass.VBD, vbd.devid) | {
        "dev": vbd.device,  # blkback names its threads after it, and does not connect without
        "mode": "w" if vbd.mode is VbdMode.RW else "r",
        "params": vbd.source.path,
        "physical-device": f"{number[0]:x}:{number[1]:x}",
        "hotplug-status": "connected",
    }
    return keys | ({"removable": "1", "device-type": "cdrom"} if vbd.type is VbdType.CD else {})


def vbd_frontend(domid: DomId, vbd: Vbd) -> Keys:
    """The guest's end of a VBD."""
    return _frontend(domid, DeviceClass.VBD, vbd.devid) | {
        "virtual-device": str(vbd.devid),
        "device-type": "cdrom" if vbd.type is VbdType.CD else "disk",
    }


def vif_backend(domid: DomId, vif: Vif) -> Keys:
    """Dom0's end of a VIF. `hotplug-status` is written when it is on its bridge: netback waits for it."""
    keys = _backend(domid, DeviceClass.VIF, vif.devid) | {
        "script": "",  # netback refuses a device without; nobody runs it
        "mac": vif.mac,
        "bridge": vif.bridge,
        "handle": str(vif.devid),
    }
    return keys | ({"rate": rate(vif.rate_kbps)} if vif.rate_kbps else {})


def vif_frontend(domid: DomId, vif: Vif) -> Keys:
    """The guest's end of a VIF."""
    keys = {"handle": str(vif.devid), "mac": vif.mac} | ({"mtu": str(vif.mtu)} if vif.mtu != USUAL_MTU else {})
    return _frontend(domid, DeviceClass.VIF, vif.devid) | keys


def pci_batch(domid: DomId, number: int, address: str) -> Batch:
    """One more device on a domain's PCI bus, which has `number`: with the first one the bus is made."""
    mine, theirs = paths.backend(domid, PCI, PCI_BUS), paths.frontend(domid, PCI, PCI_BUS)
    batch = Batch()
    keys = {
        f"dev-{number}": address,
        f"key-{number}": address,
        f"opts-{number}": "msitranslate=0,power_mgmt=0,permissive=0",
        f"state-{number}": _state(XenbusState.INITIALISING),
        "num_devs": str(number + 1),
    }
    if not number:
        batch.rm(backend_error(domid, PCI, PCI_BUS)).rm(theirs)
        batch.mkdir(mine).set_perms(mine, [Perm(0, Access.NONE), Perm(domid, Access.READ)])
        batch.mkdir(theirs).set_perms(theirs, [Perm(domid, Access.NONE), Perm(0, Access.READ)])
        for key, value in _frontend(domid, PCI, PCI_BUS).items():
            batch.write(f"{theirs}/{key}", value)
        keys |= _backend(domid, PCI, PCI_BUS) | {"state": _state(XenbusState.INITIALISING)}
    for key, value in keys.items():
        batch.write(f"{mine}/{key}", value)
    return batch


def change_vif(batch: Batch, record: VifRecord, old: Vif) -> Batch:
    """What a plugged VIF's backend is told of a change; netback watches its rate, people look at its bridge."""
    mine, vif = backend_path(record), record.vif
    if vif.bridge != old.bridge:
        batch.write(f"{mine}/bridge", vif.bridge)
    if vif.rate_kbps != old.rate_kbps:
        if vif.rate_kbps:
            batch.write(f"{mine}/rate", rate(vif.rate_kbps))
        else:
            batch.rm(f"{mine}/rate")
    if (vif.ipv4, vif.ipv6) != (old.ipv4, old.ipv6):
        guest_addresses(batch, record.domid, vif)
    return batch


def guest_addresses(batch: Batch, domid: DomId, vif: Vif) -> Batch:
    """The addresses that a guest agent shall give the interface; it writes there how that went.

    Where XenServer's agents look (xenserver/device/vif/N/static-ip-setting), with the keys that they know.
    """
    base = f"{paths.home(domid)}/xenserver/device/vif/{vif.devid}/static-ip-setting"
    if not vif.ipv4.address and not vif.ipv6.address:
        return batch.rm(base)
    batch.mkdir(base).set_perms(base, [Perm(domid, Access.NONE), Perm(0, Access.READ)])
    batch.write(f"{base}/mac", vif.mac)
    for suffix, ip in (("", vif.ipv4), ("6", vif.ipv6)):
        batch.write(f"{base}/enabled{suffix}", "1" if ip.address else "0")
        batch.write(f"{base}/address{suffix}", ip.address)
        batch.write(f"{base}/gateway{suffix}", ip.gateway)
        batch.write(f"{base}/error-code{suffix}", "0").write(f"{base}/error-msg{suffix}", "")
    return batch


def rate(kbps: int) -> str:
    """Netback's credit, `bytes,microseconds`, for so many KiB a second."""
    return f"{max(1, kbps * 1024 * RATE_INTERVAL_US // 1_000_000)},{RATE_INTERVAL_US}"


def is_too_long(vbd: Vbd) -> bool:
    """Whether the path does not fit into a node together with the rest of the record."""
    return vbd.source.kind is not SourceKind.EMPTY and len(vbd.source.path.encode()) > 2048


def _backend(domid: DomId, kind: str, devid: DevId) -> Keys:
    return {"frontend": paths.frontend(domid, kind, devid), "frontend-id": str(domid), "online": "1"}


def _frontend(domid: DomId, kind: str, devid: DevId) -> Keys:
    return {"backend": paths.backend(domid, kind, devid), "backend-id": "0", "state": _state(XenbusState.INITIALISING)}


def _state(state: XenbusState) -> str:
    return str(int(state))
