"""Recording, changing and forgetting VMs: what is done at once, without an operation."""

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Final, TypeVar

from xenhost.agent.engine.admission import checked_request_id, checked_spec
from xenhost.agent.engine.services import Services
from xenhost.agent.inventory.vm_record import VmRecord
from xenhost.agent.journal.entry import write_spec
from xenhost.agent.journal.record import DropVm, PutCall, PutVm, Write
from xenhost.core.allowed import Busy, Word, decide
from xenhost.core.devices import SourceKind
from xenhost.core.errors import (
    DuplicateVm,
    InvalidValue,
    OtherOperationInProgress,
    TooBusy,
    VmBadPowerState,
    XenhostError,
)
from xenhost.core.ids import DomId, VmId
from xenhost.core.states import POWER, Life
from xenhost.core.vm import VmSpec

T = TypeVar("T")

LIVE: Final = frozenset(
    {
        "name",
        "after_shutdown",
        "after_reboot",
        "after_crash",
        "vcpus.at_startup",
        "vcpus.weight",
        "vcpus.cap",
        "vcpus.affinity",
        "memory.dynamic_max",
        "memory.dynamic_min",
        "xenstore_data",
    }
)
"""Fields that may change, and take effect at once, while the VM runs."""
ALWAYS: Final = frozenset({"name", "after_shutdown", "after_reboot", "after_crash"})
"""Fields of these that may change while the guest's memory is in an image."""
HALTED: Final = frozenset({"type", "boot", "memory.static_max", "vcpus.maximum", "platform", "vbds", "vifs"})
"""Fields that need the VM halted."""


class Registrar:
    """Each call holds the VM while it works, as an operation would."""

    def __init__(self, services: Services) -> None:
        self._services: Final = services
        self._calls: Final[OrderedDict[str, str]] = OrderedDict()
        self._creating: Final[set[VmId]] = set()
        self._tasks: Final[set[asyncio.Future[Any]]] = set()

    def remember(self, request_id: str, content: str) -> None:
        """A call that was answered (by an earlier agent, too)."""
        self._calls[request_id] = content
        if len(self._calls) > PutCall.KEPT:
            self._calls.popitem(last=False)

    async def create(self, untrusted_spec: VmSpec, request_id: str) -> VmRecord | None:
        """Record a VM: its new record, or None if it is recorded already, exactly so.

        Raises InvalidValue, DuplicateVm, TooBusy.
        """
        spec = checked_spec(untrusted_spec)
        content = _content("create", write_spec(spec))
        if self._repeated(request_id, content):
            return None
        old = self._services.inventory.get(spec.id)
        if old is not None and old.spec == spec:
            return None
        if old is not None or spec.id in self._creating:
            raise DuplicateVm(f"there is a VM {spec.id} with another specification", vm=spec.id)
        if len(self._services.inventory) >= self._services.config.max_vms:
            raise TooBusy(f"this host has {self._services.config.max_vms} VMs; no more are possible")
        self._creating.add(spec.id)
        return await self._to_its_end(self._create(spec, request_id, content))

    async def update(self, record: VmRecord, untrusted_spec: VmSpec, fields: frozenset[str], request_id: str) -> None:
        """Take those fields over, and bring them to the running domain.

        Raises InvalidValue, VmBadPowerState, OtherOperationInProgress, and what the hypervisor raises; nothing is
        changed then.
        """
        content = _content("update", *sorted(fields), write_spec(untrusted_spec))
        if self._repeated(request_id, content):
            return
        old = record.spec
        spec = checked_spec(_merged(old, untrusted_spec, fields))
        if record.busy is not None:
            raise OtherOperationInProgress(
                f"{record.busy.kind} holds VM {old.id}; try again when it has ended",
                class_name="VM",
                object=old.id,
            )
        if record.life is Life.SUSPENDED and (needs := sorted(fields - ALWAYS)):
            raise VmBadPowerState(
                f"VM {old.id} is suspended; changing {needs[0]} needs it running or halted",
                vm=old.id,
                expected="halted",
                actual="suspended",
            )
        if record.life is not Life.HALTED and (needs := sorted(fields & HALTED)):
            actual = POWER[record.life].value
            raise VmBadPowerState(
                f"VM {old.id} is {actual}; changing {needs[0]} needs it halted",
                vm=old.id,
                expected="halted",
                actual=actual,
            )
        await self._held(record, "vm.update", self._update(record, spec, request_id, content))

    async def delete(self, record: VmRecord, request_id: str) -> None:
        """Forget a halted VM, or one suspended into a VDI. Raises VmBadPowerState, OtherOperationInProgress."""
        vm = record.spec.id
        content = _content("delete", vm)
        if self._repeated(request_id, content):
            return
        image = record.spec.suspended
        # A VDI is its owner's, with what is in it; a file would be nobody's
        free = record.life is Life.SUSPENDED and image is not None and image.kind is SourceKind.VDI
        life = Life.HALTED if free else record.life
        verdict = decide(vm, Word.DESTROY, life, record.busy, record.attention)
        if isinstance(verdict, XenhostError):
            raise verdict
        await self._held(record, "vm.destroy", self._delete(vm, request_id, content))

    def deleted(self, vm: VmId, request_id: str) -> bool:
        """Was it this very call that deleted the VM? Raises InvalidValue if the call had another content."""
        return self._repeated(request_id, _content("delete", vm))

    async def _create(self, spec: VmSpec, request_id: str, content: str) -> VmRecord:
        try:
            await self._store(request_id, content, PutVm(spec.id, write_spec(spec)))
        finally:
            self._creating.discard(spec.id)
        return self._services.inventory.add(spec)

    async def _delete(self, vm: VmId, request_id: str, content: str) -> None:
        await self._store(request_id, content, DropVm(vm))
        self._services.inventory.remove(vm)

    async def _update(self, record: VmRecord, spec: VmSpec, request_id: str, content: str) -> None:
        old, domid = record.spec, record.domid
        if domid is not None and record.life in {Life.RUNNING, Life.PAUSED}:
            try:
                await self._adjust(domid, old, spec)
            except XenhostError:
                await self._adjust_back(domid, spec, old)
                raise
        await self._store(request_id, content, PutVm(spec.id, write_spec(spec)))
        self._services.inventory.replace(spec)

    async def _adjust(self, domid: DomId, old: VmSpec, new: VmSpec) -> None:
        hypervisor = self._services.hypervisor
        if new.vcpus.at_startup != old.vcpus.at_startup:
            await hypervisor.set_vcpus(domid, new.vcpus.at_startup)
        if replace(new.vcpus, at_startup=1) != replace(old.vcpus, at_startup=1):
            await hypervisor.set_scheduling(domid, new)
        if new.memory.dynamic_max != old.memory.dynamic_max:
            await hypervisor.set_memory_target(domid, new.memory.dynamic_max)
        if new.xenstore_data != old.xenstore_data:
            await hypervisor.set_vm_data(domid, new.xenstore_data)

    async def _adjust_back(self, domid: DomId, new: VmSpec, old: VmSpec) -> None:
        try:
            await self._adjust(domid, new, old)
        except XenhostError as error:
            self._services.log.warning("an adjustment could not be taken back", vm=old.id, error=str(error))

    async def _held(self, record: VmRecord, kind: str, work: Coroutine[Any, Any, None]) -> None:
        """Do it while nothing else may touch the VM."""

        async def held() -> None:
            try:
                await work
            finally:
                record.busy = None
                record.touch()

        record.busy = Busy("", kind, waits=False)
        record.touch()
        await self._to_its_end(held())

    async def _to_its_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it, even if the caller goes away meanwhile: memory and store must not differ."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: "asyncio.Future[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # the caller has it, or has gone away

    async def _store(self, request_id: str, content: str, *writes: Write) -> None:
        call = (PutCall(request_id, content, self._services.clock.now()),) if request_id else ()
        await self._services.store.write(*writes, *call)
        if request_id:
            self.remember(request_id, content)

    def _repeated(self, request_id: str, content: str) -> bool:
        old = self._calls.get(checked_request_id(request_id))
        if old is not None and old != content:
            raise InvalidValue(
                f"request_id {request_id} was used for another request", field="request_id", value=request_id[:80]
            )
        return old is not None


def _content(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _merged(old: VmSpec, new: VmSpec, fields: frozenset[str]) -> VmSpec:
    if unknown := sorted(fields - LIVE - HALTED):
        raise InvalidValue(
            f"{unknown[0]!r:.80} cannot be changed; known: {', '.join(sorted(LIVE | HALTED))}",
            field="fields",
            value=unknown[0][:80],
        )
    whole = {name: getattr(new, name) for name in fields if "." not in name}
    vcpus = {name[6:]: getattr(new.vcpus, name[6:]) for name in fields if name.startswith("vcpus.")}
    memory = {name[7:]: getattr(new.memory, name[7:]) for name in fields if name.startswith("memory.")}
    return replace(old, **whole, vcpus=replace(old.vcpus, **vcpus), memory=replace(old.memory, **memory))
