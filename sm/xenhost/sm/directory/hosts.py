"""Who uses a VDI of a shared SR: no two hosts write to one, and a host that died keeps nothing.

A process that lives as long as this host uses the SR holds a lock on `.xenhost-host-<UUID>`; the file server takes it
back when the host dies. `<VDI>.use` lists the hosts that use a VDI; an entry counts only while its host's lock is held.
Beneath that, QEMU locks every image it opens, but for those on SMB: what is locked there cannot be read or written
through another handle, be it QEMU's own. Both rely on locks that the file system keeps between hosts: NFS 4, NFS 3 with
its lock manager, SMB and CephFS do; a host that is cut off from a server loses its locks after the lease.
"""

import asyncio
import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from xenhost.core.ids import is_uuid
from xenhost.core.storage import AttachMode, VdiId
from xenhost.core.storage_errors import VdiInUse, backend_failure
from xenhost.sm.directory.catalog import USE
from xenhost.sm.directory.store import Store
from xenhost.system.process import LongLivedProcess

_PREFIX: Final = ".xenhost-host-"
_MOST: Final = 64 * 1024
_HOLD: Final = 'echo $$ > "$1"; exec flock --exclusive --timeout 120 --no-fork "$2" /bin/sh -c "$4" sh "$3"'
_HELD: Final = 'echo > "$1"; exec sleep infinity'
_DETACHED: Final = '/bin/sh -c "$1" sh "$2" "$3" "$4" "$5" &'
"""Not a child of the agent, which never waits for it."""
_PATIENCE: Final = 125.0
"""Seconds. An NFS server that has just started gives no locks for 90 s: those who had some may take them again."""
_PAUSE: Final = 0.05


class HostLocks:
    """The locks of this host on one SR. On an SR that is not shared there are none, and nothing is done."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._host = store.context.host_id
        self._holder = LongLivedProcess(store.context.run_dir / "hosts" / store.sr)

    async def open(self) -> None:
        """Say that this host is here, and drop what it left when it last died. Raises SrBackendFailure 37."""
        if not self._store.shared:
            return
        store = self._store
        name = _PREFIX + self._host
        # it says that it has the lock: asking the server again and again would keep the lock from it
        held = self._holder.folder / "held"
        if not await self._holder.find():
            path = store.folder.path(name)
            await store.run(lambda: os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)))
            await asyncio.to_thread(held.unlink, missing_ok=True)
            log = store.context.log_dir / f"sr-{store.sr}-host.log"
            arguments = (_HOLD, str(self._holder.pidfile), str(path), str(held), _HELD)
            self._holder.start(["/bin/sh", "-c", _DETACHED, "sh", *arguments], log, [])
        deadline = store.context.clock.monotonic() + _PATIENCE
        while not await asyncio.to_thread(held.exists):
            if not self._holder.alive() or store.context.clock.monotonic() > deadline:
                await self._holder.stop()
                raise backend_failure(
                    37,
                    f"SR {store.sr} cannot be locked: its server gives no locks (does it run a lock manager, "
                    f"does another host use the id of this one, {self._host}?)",
                )
            await store.context.clock.sleep(_PAUSE)
        self._holder.forget()  # it stays for the next agent; `close` finds it again
        async with store.editing():
            await store.run(self._drop_own)

    async def close(self) -> None:
        """This host is gone from the SR."""
        if self._store.shared:
            await self._holder.stop()

    async def refuse_foreign(self, vdi: VdiId, mode: AttachMode, operation: str) -> None:
        """Raise VdiInUse if a host that lives uses a VDI in a way that `mode` does not go with."""
        if self._store.shared:
            await self._store.run(lambda: self._refuse(vdi, mode, operation))

    async def lives(self, host: str) -> bool:
        """Is it another host, and does it use this SR now?"""
        if not self._store.shared or host == self._host or not is_uuid(host):
            return False
        return await self._store.run(lambda: not self._free(_PREFIX + host))

    async def elsewhere(self) -> frozenset[VdiId]:
        """The VDIs that other hosts use which live. Inside `Store.editing`."""
        return await self._store.run(self._elsewhere) if self._store.shared else frozenset()

    def _elsewhere(self) -> frozenset[VdiId]:
        names = [found.name.removesuffix(USE) for found in self._store.folder.list() if found.name.endswith(USE)]
        return frozenset(VdiId(name) for name in names if is_uuid(name) and self._others(VdiId(name)))

    async def claim(self, vdi: VdiId, mode: AttachMode, sharable: bool) -> None:
        """This host uses it. Raises VdiInUse. Inside `Store.editing`."""
        if not self._store.shared:
            return

        def write() -> None:
            if not sharable:
                self._refuse(vdi, mode, "activate")
            uses = {**self._others(vdi), self._host: mode.value}
            self._store.folder.write(vdi + USE, json.dumps(uses).encode())

        await self._store.run(write)

    async def release(self, vdi: VdiId) -> None:
        """This host does not use it any more. Inside `Store.editing`."""
        if self._store.shared:
            await self._store.run(lambda: self._release(vdi))

    def _release(self, vdi: VdiId) -> None:
        uses = self._read(vdi)
        if uses.pop(self._host, None) is None:
            return
        if uses:
            self._store.folder.write(vdi + USE, json.dumps(uses).encode())
        else:
            self._store.folder.remove(vdi + USE)

    def _drop_own(self) -> None:
        for found in self._store.folder.list():
            vdi = VdiId(found.name.removesuffix(USE))
            if found.name.endswith(USE) and is_uuid(vdi) and not self._store.active(vdi):
                self._release(vdi)

    def _refuse(self, vdi: VdiId, mode: AttachMode, operation: str) -> None:
        for host, used in self._others(vdi).items():
            if AttachMode.RW in (mode, used):
                raise VdiInUse(f"VDI {vdi} is in use ({used}) on host {host}", vdi=vdi, operation=operation)

    def _others(self, vdi: VdiId) -> dict[str, str]:
        uses = self._read(vdi)
        return {host: mode for host, mode in uses.items() if host != self._host and not self._free(_PREFIX + host)}

    def _read(self, vdi: VdiId) -> dict[str, str]:
        try:
            untrusted_document: Any = json.loads(self._store.folder.read(vdi + USE, _MOST))
        except (FileNotFoundError, ValueError):
            return {}
        return _hosts(untrusted_document)

    def _free(self, name: str) -> bool:
        """Does nobody hold that host's lock?"""
        path: Path = self._store.folder.path(name)
        try:
            fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
        return True


def _hosts(untrusted_document: object) -> dict[str, str]:
    if not isinstance(untrusted_document, Mapping):
        return {}
    return {
        host: mode
        for host, mode in untrusted_document.items()
        if isinstance(host, str) and is_uuid(host) and mode in (AttachMode.RO, AttachMode.RW)
    }
