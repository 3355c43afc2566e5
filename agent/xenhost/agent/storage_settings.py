"""[storage]: the part of the configuration about storage repositories."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xenhost.agent.tls_files import TlsFiles
from xenhost.agent.toml_table import Table

SMAPIV1_FOLDERS: Final = ("/opt/xensource/sm", "/usr/lib/xenhost/sm")
"""XenServer's own place, and ours."""
SMAPIV3_FOLDERS: Final = ("/usr/libexec/xapi-storage-script", "/usr/lib/xenhost/storage-scripts")
NBD_PORT: Final = 10809
"""IANA's, and XenServer's."""
MAX_RATE: Final = 10**12


@dataclass(frozen=True, slots=True)
class NbdSettings:
    """[storage.nbd]: where backup tools read VDIs."""

    address: str
    """An address of this host; empty: VDIs are exported on the unix sockets of their servers alone."""
    port: int
    tls: TlsFiles | None
    """None: anybody who reaches the address can read what is exported."""


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """[storage]"""

    types: frozenset[str]
    """Types of SR that may be used; empty: all there are."""
    smapiv1: tuple[Path, ...]
    """Folders with executables that speak SMAPIv1."""
    smapiv3: tuple[Path, ...]
    """Folders with the folders `volume` and `datapath` of SMAPIv3 plugins."""
    prefer_plugins: frozenset[str]
    """Types for which a plugin goes before a driver of ours."""
    mount_dir: Path
    chores_at_once: int
    """Merges and deletions of images at the same time, for each SR; 0: only on request."""
    chore_bytes_per_second: int
    """Limit of each; 0: none."""
    nbd: NbdSettings


def read_storage(table: Table, root: Path, tls_dir: Path) -> StorageSettings:
    """From its table. Raises ConfigError."""
    settings = StorageSettings(
        types=frozenset(kind.lower() for kind in table.texts("types")),
        smapiv1=tuple(_folder(root, path) for path in table.texts("smapiv1", SMAPIV1_FOLDERS)),
        smapiv3=tuple(_folder(root, path) for path in table.texts("smapiv3", SMAPIV3_FOLDERS)),
        prefer_plugins=frozenset(kind.lower() for kind in table.texts("prefer_plugins")),
        mount_dir=table.path("mount_dir", root / "run/sr-mount"),
        chores_at_once=int(table.number("coalesce_at_once", 2, 0, 64)),
        chore_bytes_per_second=int(table.number("coalesce_bytes_per_second", 0, 0, MAX_RATE)),
        nbd=_nbd(table.table("nbd"), tls_dir),
    )
    table.finish()
    return settings


def _folder(root: Path, path: str) -> Path:
    """Folders of plugins are those of the machine: below another root only if the agent lives there."""
    return root / path.lstrip("/") if path in SMAPIV1_FOLDERS + SMAPIV3_FOLDERS else Path(path)


def _nbd(table: Table, tls_dir: Path) -> NbdSettings:
    address, encrypted = table.text("address", ""), table.flag("tls", True)
    tls = TlsFiles(
        cert=table.path("cert", tls_dir / "agent.crt"),
        key=table.path("key", tls_dir / "agent.key"),
        ca=table.path("ca", tls_dir / "ca.crt"),
    )
    settings = NbdSettings(address, int(table.number("port", NBD_PORT, 1, 65535)), tls if encrypted else None)
    table.finish()
    if address:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise table.error("address", f"{address!r:.60} is not an IP address; use one of this host") from None
    elif table:
        raise table.error("address", "is required in this table: without it nothing listens")
    return settings
