"""Any driver of the agent as a place: for plugins that only a host can call. It needs the agent's packages."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar
from uuid import uuid4

from xenhost.core.errors import XenhostError
from xenhost.core.ports.storage import Sr, SrDriver
from xenhost.core.storage import (
    AttachMode,
    BackendKind,
    Capability,
    Health,
    IoLimits,
    NewSnapshot,
    NewVdi,
    SrId,
    SrSpec,
    Vdi,
    VdiChange,
    VdiId,
)
from xenhost.sm.sdk.conformance.place import Failure, NotOffered, Space, Volume

_T = TypeVar("_T")
_SECONDS: Final = 600.0


class DriverPlace:
    """An SR of a driver. The event loop runs in a thread of its own."""

    missing_code: Sequence[str] = ("VDI_MISSING",)

    def __init__(self, driver: SrDriver, configuration: Mapping[str, str], loop: asyncio.AbstractEventLoop) -> None:
        self._driver = driver
        self._spec = SrSpec(SrId(str(uuid4())), driver.info.type, dict(configuration), name="conformance")
        self._loop = loop
        self._attached: Sr | None = None

    @property
    def _sr(self) -> Sr:
        if self._attached is None:
            raise Failure("SR_NOT_ATTACHED", "the SR is not attached")
        return self._attached

    def _run(self, work: Coroutine[object, object, _T]) -> _T:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS)
        except XenhostError as error:
            raise Failure(error.reason, str(error)) from error

    def needs(self, *capabilities: str) -> None:
        """By what the driver declares."""
        for each in capabilities:
            if each in Capability.__members__ and not self._driver.info.can(Capability(each)):
                raise NotOffered(f"{each} is not declared")

    def create_sr(self) -> None:
        """Make it."""
        self._run(self._driver.create(self._spec))

    def create_another_sr(self) -> None:
        """Make another in the same place."""
        spec = SrSpec(SrId(str(uuid4())), self._spec.type, self._spec.device_config, name="another")
        self._run(self._driver.create(spec))

    def attach_sr(self) -> None:
        """Attach it."""
        self._attached = self._run(self._driver.attach(self._spec))

    def detach_sr(self) -> None:
        """Detach it."""
        self._run(self._sr.detach())

    def destroy_sr(self) -> None:
        """Destroy it."""
        self._run(self._sr.destroy())

    def space(self) -> Space:
        """Its space and health."""
        stat = self._run(self._sr.stat())
        free = stat.physical_size - stat.physical_utilisation
        return Space(free, stat.physical_size, stat.health is Health.HEALTHY)

    def volumes(self) -> Mapping[str, Volume]:
        """What a scan finds."""
        return {vdi.id: _volume(vdi) for vdi in self._run(self._sr.scan()).vdis if vdi.managed}

    def create(self, size: int, name: str = "conformance", description: str = "") -> Volume:
        """Make a VDI."""
        new = NewVdi(VdiId(str(uuid4())), size, name=name, description=description)
        return _volume(self._run(self._sr.create_vdi(new)))

    def stat(self, key: str) -> Volume:
        """Look at one."""
        return _volume(self._run(self._sr.stat_vdi(VdiId(key))))

    def destroy(self, key: str) -> None:
        """Destroy one."""
        self._run(self._sr.destroy_vdi(VdiId(key)))

    def resize(self, key: str, size: int) -> None:
        """Let one grow."""
        self._run(self._sr.resize_vdi(VdiId(key), size))

    def snapshot(self, key: str) -> Volume:
        """Take a snapshot; that it is read-only is the host's doing."""
        new = NewSnapshot(VdiId(str(uuid4())), name="a snapshot", time=1_700_000_000.0)
        made = _volume(self._run(self._sr.snapshot_vdi(VdiId(key), new)))
        return Volume(made.key, made.name, made.description, made.size, read_only=True)

    def clone(self, key: str) -> Volume:
        """Clone one."""
        new = NewSnapshot(VdiId(str(uuid4())), name="a clone")
        return _volume(self._run(self._sr.clone_vdi(VdiId(key), new)))

    def revert(self, key: str, snapshot: str) -> None:
        """Revert one."""
        self._run(self._sr.revert_vdi(VdiId(key), VdiId(snapshot)))

    def rename(self, key: str, name: str, description: str) -> None:
        """Name one."""
        self._run(self._sr.update_vdi(VdiId(key), VdiChange(name=name, description=description)))

    @contextmanager
    def active(self, key: str, writable: bool = True) -> Iterator[str]:
        """Attach and activate."""
        vdi, mode = VdiId(key), AttachMode.RW if writable else AttachMode.RO
        self._run(self._sr.attach_vdi(vdi, mode))
        try:
            backends = self._run(self._sr.activate_vdi(vdi, mode, IoLimits()))
            try:
                paths = [backend.path for backend in backends if backend.kind is not BackendKind.NBD]
                if not paths:
                    raise NotOffered("only NBD is offered, which this suite does not read")
                yield paths[0]
            finally:
                self._run(self._sr.deactivate_vdi(vdi))
        finally:
            self._run(self._sr.detach_vdi(vdi))


def _volume(vdi: Vdi) -> Volume:
    return Volume(vdi.id, vdi.name, vdi.description, vdi.virtual_size, vdi.read_only)


@contextmanager
def event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One that runs in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="conformance", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
