"""Whose numbers there are now: the VMs with a domain and the SRs, as the engines' events tell. An event costs the same
however many there are."""

import math
import threading
from collections.abc import Mapping, Sequence
from typing import Final

from xenhost.agent.engine.engine import Engine
from xenhost.agent.storage.engine import StorageEngine
from xenhost.core.devices import DeviceClass, DeviceStatus, SourceKind
from xenhost.core.errors import HandleInvalid
from xenhost.core.ids import VmId, device_name
from xenhost.core.ports.metrics import MeteredDisk, MeteredMemory, MeteredVm, SrSpace
from xenhost.core.storage import SrId, VdiId
from xenhost.core.units import KIB
from xenhost.core.views import VmView

MAX_KIB: Final = 1 << 40
"""Of memory."""


class Metered:
    """Changed by the event loop, read by the sampler."""

    def __init__(self, engine: Engine, storage: StorageEngine) -> None:
        self._engine: Final = engine
        self._storage: Final = storage
        self._lock: Final = threading.Lock()
        self._vms: dict[str, MeteredVm] = {}
        self._shown: tuple[MeteredVm, ...] | None = ()
        self._spaces: Mapping[str, SrSpace] = {}
        self._srs: frozenset[str] = frozenset()

    # The sampler asks

    def vms(self) -> Sequence[MeteredVm]:
        """Those with a domain; the same object until something changes."""
        with self._lock:
            if self._shown is None:
                self._shown = tuple(self._vms.values())
            return self._shown

    def spaces(self) -> Mapping[str, SrSpace]:
        """How full SRs are, by UUID."""
        return self._spaces

    def srs(self) -> frozenset[str]:
        """UUIDs of those attached; the same object until that changes."""
        return self._srs

    # The event loop tells

    def domid(self, vm: str) -> int | None:
        """Of a VM as it was last looked at."""
        with self._lock:
            found = self._vms.get(vm)
        return None if found is None else found.domid

    def look_at_vm(self, vm: str) -> int | None:
        """See what a VM is now: its domain, None if it has none or is not there."""
        try:
            view = self._engine.vm(VmId(vm))
        except HandleInvalid:
            view = None
        found = None if view is None else self._metered(view)
        with self._lock:
            if found is None:
                if self._vms.pop(vm, None) is not None:
                    self._shown = None
            elif self._vms.get(vm) != found:
                self._vms[vm] = found
                self._shown = None
        return None if found is None else found.domid

    def look_at_sr(self, sr: str) -> bool:
        """See what an SR is now: is it attached?"""
        try:
            view = self._storage.sr(SrId(sr))
        except HandleInvalid:
            view = None
        attached = view is not None and view.attached
        stat = view.stat if view is not None and attached else None
        rest = {uuid: space for uuid, space in self._spaces.items() if uuid != sr}
        self._spaces = rest if stat is None else {**rest, sr: SrSpace(stat.physical_size, stat.physical_utilisation)}
        srs = self._srs - {sr} | ({sr} if attached else set())
        if srs != self._srs:
            self._srs = srs
        return attached

    def _metered(self, view: VmView) -> MeteredVm | None:
        domid = view.status.domid
        if domid is None:
            return None
        devices = view.status.devices
        memory = view.spec.memory
        return MeteredVm(
            uuid=view.spec.id,
            domid=domid,
            disks=tuple(self._disk(device) for device in devices if device.cls is DeviceClass.VBD),
            vifs=tuple(device.devid for device in devices if device.cls is DeviceClass.VIF),
            memory=MeteredMemory(
                memory.dynamic_max, memory.dynamic_min, memory.dynamic_max, self._internal_free(view.spec.id)
            ),
        )

    def _internal_free(self, vm: VmId) -> float:
        """What a guest says of its free memory, bytes: untrusted, but no more than a number. NaN: nothing."""
        try:
            kib = self._engine.guests.view(vm).metrics.memory.get("free", "")
        except HandleInvalid:
            return math.nan
        return min(int(kib), MAX_KIB) * KIB if kib.isascii() and kib.isdigit() and len(kib) < 16 else math.nan

    def _disk(self, device: DeviceStatus) -> MeteredDisk:
        source, sr = device.source, ""
        if source is not None and source.kind is SourceKind.VDI:
            try:
                sr = self._storage.vdi(VdiId(source.path)).sr
            except HandleInvalid:
                sr = ""
        return MeteredDisk(device.devid, device_name(device.devid), sr)
