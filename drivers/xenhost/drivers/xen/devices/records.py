"""Our private record of a device: written before its nodes, removed after everything else. Pure.

Teardown goes by it alone; what stands in the guest's home is never believed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from xenhost.core.devices import DeviceClass, DeviceState, DeviceStatus, Source, SourceKind, Vbd, VbdMode, VbdType, Vif
from xenhost.core.errors import InternalError
from xenhost.core.ids import DevId, DomId
from xenhost.core.record import decode as decode_value
from xenhost.core.record import encode as encode_value
from xenhost.drivers.xen import paths
from xenhost.drivers.xen.devices.xenbus import XenbusState
from xenhost.drivers.xen.emulator.command_line import tap_name

_STATES: Final = {
    XenbusState.INIT_WAIT: DeviceState.ATTACHING,
    XenbusState.INITIALISED: DeviceState.ATTACHING,
    XenbusState.CONNECTED: DeviceState.ATTACHED,
    XenbusState.RECONFIGURING: DeviceState.ATTACHED,
    XenbusState.RECONFIGURED: DeviceState.ATTACHED,
    XenbusState.CLOSING: DeviceState.DETACHING,
    XenbusState.CLOSED: DeviceState.DETACHED,
}


@dataclass(frozen=True, slots=True)
class VbdRecord:
    """A VBD that we plugged, or were about to."""

    domid: DomId
    vbd: Vbd
    loop: str = ""
    """The loop device in between, `/dev/loopN`; empty if there is none."""
    loop_file: str = ""
    """What the kernel calls the file behind it, byte for character: while it still does, the loop device is ours."""
    backend: bool = True
    """False for a drive without backend: an empty one, or one that the emulator serves alone."""

    @property
    def cls(self) -> DeviceClass:
        """VBD."""
        return DeviceClass.VBD

    @property
    def devid(self) -> DevId:
        """Its number."""
        return self.vbd.devid

    @property
    def name(self) -> str:
        """What people call it: xvda."""
        return self.vbd.device

    @property
    def device(self) -> str:
        """The block device in dom0 that holds the data; empty if there is none."""
        return self.loop or (self.vbd.source.path if self.vbd.source.kind is SourceKind.BLOCK else "")


@dataclass(frozen=True, slots=True)
class VifRecord:
    """A VIF that we plugged, or were about to."""

    domid: DomId
    vif: Vif
    given: bool = False
    """Its guest has the virtual function that it is."""

    @property
    def cls(self) -> DeviceClass:
        """VIF."""
        return DeviceClass.VIF

    @property
    def devid(self) -> DevId:
        """Its index."""
        return self.vif.devid

    @property
    def name(self) -> str:
        """What people call it: the index."""
        return str(self.vif.devid)

    @property
    def backend(self) -> bool:
        """A VIF has one, unless it is a virtual function."""
        return not self.vif.function

    @property
    def loop(self) -> str:
        """None."""
        return ""

    @property
    def interface(self) -> str:
        """Its end in dom0, as netback names it."""
        return f"vif{self.domid}.{self.devid}"

    @property
    def tap(self) -> str:
        """Its end in dom0 while the guest uses the card that the emulator plays."""
        return tap_name(self.domid, self.devid)


DeviceRecord = VbdRecord | VifRecord


def path_of(record: DeviceRecord) -> str:
    """Where the record is kept."""
    return paths.record_device(record.domid, record.cls, record.devid)


def encode(record: DeviceRecord) -> bytes:
    """The value of the record's node."""
    match record:
        case VbdRecord(_, vbd, loop, loop_file, backend):
            fields: dict[str, object] = {
                "kind": vbd.source.kind,
                "path": vbd.source.path,
                "shared": vbd.source.shared,
                "mode": vbd.mode,
                "type": vbd.type,
                "loop": loop,
                "loop_file": loop_file,
                "backend": backend,
            }
        case VifRecord(_, vif, given):
            fields = {"vif": encode_value(vif), "given": given}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def decode(domid: DomId, cls: DeviceClass, devid: DevId, value: bytes) -> DeviceRecord:
    """Read a record back. Raises InternalError if it is not ours or of another version: leave such a device alone."""
    try:
        fields = json.loads(value)
        if cls is DeviceClass.VIF:
            return VifRecord(domid, _vif(devid, fields), fields.get("given") is True)
        source = Source(SourceKind(fields["kind"]), fields["path"], fields.get("shared") is True)
        vbd = Vbd(devid, source, VbdMode(fields["mode"]), VbdType(fields["type"]))
        return VbdRecord(domid, vbd, fields["loop"], fields["loop_file"], fields["backend"])
    except (ValueError, KeyError, TypeError) as error:
        message = f"the record of {cls} {devid} of domain {domid} cannot be read: {error!r}"
        raise InternalError(message, message=message) from error


def _vif(devid: DevId, fields: Mapping[str, Any]) -> Vif:
    if "vif" in fields:
        return decode_value(Vif, fields["vif"])
    # as agents before 0.4 wrote it
    return Vif(devid, fields["mac"], fields["bridge"], fields["mtu"], fields["rate"])


def status(record: DeviceRecord, backend: XenbusState, connected: bool) -> DeviceStatus | None:
    """The device as the port shows it; `connected` is what its `hotplug-status` says.

    None if plugging it was cut short: to be plugged again, or unplugged. DETACHED if the guest closed it by itself.
    """
    if isinstance(record, VifRecord) and record.vif.function:
        shown = DeviceStatus(record.cls, record.devid, DeviceState.ATTACHED, function=record.vif.function)
        return shown if record.given else None
    source = record.vbd.source if isinstance(record, VbdRecord) else None
    if not record.backend:
        return DeviceStatus(record.cls, record.devid, DeviceState.ATTACHED, source)
    if not connected or backend in (XenbusState.UNKNOWN, XenbusState.INITIALISING):
        return None
    return DeviceStatus(record.cls, record.devid, _STATES[backend], source)


def device_of(path: str) -> tuple[DomId, DeviceClass, DevId] | None:
    """Whose backend node a path in dom0's home is, None if it is of no VBD or VIF: for whoever watches the backends."""
    match path.split("/"):
        case ["", "local", "domain", "0", "backend", "vbd" | "vif" as kind, domid, devid, *_]:
            if domid.isascii() and domid.isdigit() and devid.isascii() and devid.isdigit():
                return DomId(int(domid)), DeviceClass(kind), DevId(int(devid))
    return None
