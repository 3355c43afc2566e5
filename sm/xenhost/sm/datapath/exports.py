"""VDIs served to backup tools: read-only, over TCP with TLS, each by a storage daemon of its own.

Certificates are in a directory as QEMU wants it: `ca-cert.pem`, `server-cert.pem`, `server-key.pem`. If it is empty, a
CA, a server's and a client's certificate are made. A client has to show a certificate of that CA, unless the settings
say otherwise: an export's name is no secret, as any client may list the names.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import structlog

from xenhost.core.storage import CBT_GRANULARITY, AttachMode, Bitmap, NbdExport, VdiId
from xenhost.sm.command import Commands
from xenhost.sm.datapath import bitmaps, graph
from xenhost.sm.datapath.certificates import CA, make_certificates
from xenhost.sm.datapath.graph import Node, Options
from xenhost.sm.datapath.nbd_client import NbdClient
from xenhost.sm.datapath.port import Layer
from xenhost.sm.datapath.storage_daemon import StorageDaemon, StorageDaemonError

BITMAP: Final = "changed"
"""Name of the bitmap of changed blocks."""
PORTS: Final = 1000
"""Ports that are tried, from the first on."""
CONNECTIONS: Final = 32
_SCRATCH: Final = "scratch"
_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """How VDIs are served."""

    tls_dir: Path
    names: tuple[str, ...] = ()
    """DNS names and addresses of this host, for a certificate that is made."""
    address: str = ""
    """Where to listen; empty: everywhere."""
    first_port: int = 10809
    verify_clients: bool = True


class NbdExports:
    """All of them, in `<run_dir>/export/<VDI>/`. They outlive the agent. Errors: StorageDaemonError, ValueError."""

    def __init__(
        self,
        folder: Path,
        log_dir: Path,
        settings: ExportSettings,
        commands: Commands,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self._folder = folder
        self._log_dir = log_dir
        self._settings = settings
        self._commands = commands
        self._log = log
        self._daemons: dict[VdiId, StorageDaemon] = {}
        self._making = asyncio.Lock()

    async def find(self) -> None:
        """Take up those of earlier agents; what died or was never finished is cleared away."""
        for folder in await asyncio.to_thread(_folders, self._folder):
            vdi = VdiId(folder.name)
            if vdi not in self._daemons:
                daemon = self._daemon(vdi)
                try:
                    if await daemon.find() and await asyncio.to_thread(_read, folder) is not None:
                        self._daemons[vdi] = daemon
                    else:
                        await daemon.stop()
                except StorageDaemonError as error:
                    await daemon.release()
                    self._log.error("an NBD export cannot be taken over", vdi=vdi, error=str(error))

    async def start(self, vdi: VdiId, layers: Sequence[Layer], changed: Bitmap | None, export: str) -> NbdExport:
        """Serve a chain. If that VDI is served under that name: the same answer. Cancelled: not served."""
        graph.check_layers(layers)
        if vdi in self._daemons:
            known = await asyncio.to_thread(_read, self._folder / vdi)
            if known is not None and known.exportname == export:
                return known
            await self.stop(vdi)
        async with self._making:
            await make_certificates(self._commands, self._settings.tls_dir, self._settings.names)
        daemon = self._daemon(vdi)
        await daemon.stop()
        await daemon.start()
        try:
            leaf = await _open(daemon, layers)
            if changed is not None:
                await _mark(daemon, leaf, changed)
            port = await self._listen(daemon)
            options = {"type": "nbd", "id": "vdi", "node-name": leaf.image, "name": export, "writable": False}
            await daemon.run("block-export-add", {**options, "bitmaps": [] if changed is None else [BITMAP]})
            cert = await asyncio.to_thread((self._settings.tls_dir / CA).read_text)
            context = "" if changed is None else bitmaps.context(BITMAP)
            made = NbdExport(vdi, export, port, cert, context)
            await asyncio.to_thread(_write, self._folder / vdi, made)
        except OSError as error:
            await daemon.stop(grace=1.0)
            raise StorageDaemonError(str(error)) from error
        except BaseException:
            await asyncio.shield(daemon.stop(grace=1.0))
            raise
        self._daemons[vdi] = daemon
        return made

    async def stop(self, vdi: VdiId) -> None:
        """End it. No-op if it is not served."""
        daemon = self._daemons.get(vdi) or self._daemon(vdi)
        await daemon.stop(grace=5.0)
        self._daemons.pop(vdi, None)

    async def release(self) -> None:
        """Let go of them; they run on."""
        for daemon in self._daemons.values():
            await daemon.release()
        self._daemons.clear()

    def _daemon(self, vdi: VdiId) -> StorageDaemon:
        def ended() -> None:
            self._daemons.pop(vdi, None)
            self._log.error("an NBD export died", vdi=vdi)

        return StorageDaemon(self._folder / vdi, self._log_dir / f"export-{vdi}.log", ended)

    async def _listen(self, daemon: StorageDaemon) -> int:
        tls: Options = {"qom-type": "tls-creds-x509", "id": "tls", "endpoint": "server"}
        tls |= {"dir": str(self._settings.tls_dir), "verify-peer": self._settings.verify_clients}
        await daemon.run("object-add", tls)
        for port in range(self._settings.first_port, self._settings.first_port + PORTS):
            address = {"type": "inet", "data": {"host": self._settings.address, "port": str(port)}}
            server: Options = {"addr": address, "tls-creds": "tls", "max-connections": CONNECTIONS}
            try:
                await daemon.run("nbd-server-start", server)
            except StorageDaemonError as error:
                if "in use" not in str(error):
                    raise
            else:
                return port
        raise StorageDaemonError(f"no port from {self._settings.first_port} on is free")


async def _open(daemon: StorageDaemon, layers: Sequence[Layer]) -> Node:
    below: Node | None = None
    for number, layer in enumerate(reversed(layers)):
        below = await _open_node(daemon, Node(number, layer), below)
    assert below is not None  # check_layers wants one
    return below


async def _open_node(daemon: StorageDaemon, node: Node, below: Node | None) -> Node:
    while True:
        try:
            await daemon.run("blockdev-add", node.open_options(AttachMode.RO, below))
        except StorageDaemonError as error:
            if (other := node.after(str(error))) is None:
                raise
            node = other
        else:
            return node


async def _mark(daemon: StorageDaemon, leaf: Node, changed: Bitmap) -> None:
    """Give the leaf a bitmap with that content.

    QEMU has no command for it. But a bitmap records what is written, even to a disk that keeps nothing, and can be
    merged into that of another node.
    """
    size = await _size(daemon, leaf)
    bitmap: Options = {"name": BITMAP, "granularity": CBT_GRANULARITY}
    await daemon.run("block-dirty-bitmap-add", {**bitmap, "node": leaf.image, "disabled": True})
    await daemon.run("blockdev-add", {"driver": "null-co", "node-name": _SCRATCH, "size": size, "read-zeroes": True})
    await daemon.run("block-dirty-bitmap-add", {**bitmap, "node": _SCRATCH})
    address = {"type": "unix", "data": {"path": str(daemon.nbd_socket)}}
    await daemon.run("nbd-server-start", {"addr": address})
    export: Options = {"type": "nbd", "id": _SCRATCH, "node-name": _SCRATCH, "name": _SCRATCH, "writable": True}
    await daemon.run("block-export-add", export)
    dirty = [(offset, min(length, size - offset)) for offset, length in bitmaps.runs(changed) if offset < size]
    async with await NbdClient.connect(str(daemon.nbd_socket), _SCRATCH) as client:
        for at in range(0, len(dirty), _AT_ONCE):
            await asyncio.gather(*(client.zero(*run) for run in dirty[at : at + _AT_ONCE]))
    await daemon.run("nbd-server-stop")  # the daemon has only one, and the next is for everybody
    source = {"node": _SCRATCH, "name": BITMAP}
    await daemon.run("block-dirty-bitmap-merge", {"node": leaf.image, "target": BITMAP, "bitmaps": [source]})


async def _size(daemon: StorageDaemon, leaf: Node) -> int:
    match await daemon.run("query-named-block-nodes", {"flat": True}):
        case list() as nodes:
            for node in nodes:
                match node:
                    case {"node-name": leaf.image, "image": {"virtual-size": int() as size}}:
                        return size
    raise StorageDaemonError(f"the size of {leaf.layer.path} is not told")


def _write(folder: Path, export: NbdExport) -> None:
    new = folder / "export.new"
    new.write_text(json.dumps(asdict(export)))
    os.replace(new, folder / "export")


def _read(folder: Path) -> NbdExport | None:
    with contextlib.suppress(OSError, ValueError, TypeError):
        return NbdExport(**json.loads((folder / "export").read_text()))
    return None


def _folders(folder: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return sorted(entry for entry in folder.iterdir() if entry.is_dir())
    return []
