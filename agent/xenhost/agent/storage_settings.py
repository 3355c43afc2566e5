"""[storage]: the part of the configuration about storage repositories."""

import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xenhost.agent.toml_table import Table

SMAPIV1: Final = "opt/xensource/sm"
SMAPIV3: Final = "usr/libexec/xapi-storage-script"
NBD_PORT: Final = 10809
"""IANA's, and XenServer's."""
MAX_RATE: Final = 10**12


@dataclass(frozen=True, slots=True)
class NbdSettings:
    """[storage.nbd]: where backup tools read VDIs, always encrypted."""

    address: str
    """Where to listen; empty: everywhere."""
    port: int
    """Of the first VDI that is exported at a time; others get the next that are free."""
    names: tuple[str, ...]
    """What the certificate says this host is called, if one is made."""
    tls_dir: Path
    """`ca-cert.pem`, `server-cert.pem`, `server-key.pem`, as QEMU wants them; made if the folder is empty."""
    verify_clients: bool
    """Take only clients with a certificate of that CA."""


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """[storage]"""

    types: frozenset[str]
    """Types of SR that may be used; empty: all there are."""
    smapiv1: Path
    """The folder of executables that speak SMAPIv1: by default where XenServer has it."""
    smapiv3: Path
    """The folder with the folders `volume` and `datapath` of SMAPIv3 plugins."""
    prefer_plugins: frozenset[str]
    """Types for which a plugin goes before a driver of ours."""
    mount_dir: Path
    import_dir: Path
    """Where qcow2 images that come in are kept until they are unpacked."""
    chores_at_once: int
    """Merges and deletions of images at the same time, for each SR; 0: only on request."""
    chore_bytes_per_second: int
    """Limit of each; 0: none."""
    nbd: NbdSettings


def read_storage(table: Table, root: Path, state_dir: Path) -> StorageSettings:
    """From its table. Raises ConfigError."""
    settings = StorageSettings(
        types=frozenset(kind.lower() for kind in table.texts("types")),
        smapiv1=table.path("smapiv1", root / SMAPIV1),
        smapiv3=table.path("smapiv3", root / SMAPIV3),
        prefer_plugins=frozenset(kind.lower() for kind in table.texts("prefer_plugins")),
        mount_dir=table.path("mount_dir", root / "run/sr-mount"),
        import_dir=table.path("import_dir", state_dir / "sm/import"),
        chores_at_once=int(table.number("coalesce_at_once", 2, 0, 64)),
        chore_bytes_per_second=int(table.number("coalesce_bytes_per_second", 0, 0, MAX_RATE)),
        nbd=_nbd(table.table("nbd"), state_dir),
    )
    table.finish()
    return settings


def _nbd(table: Table, state_dir: Path) -> NbdSettings:
    settings = NbdSettings(
        address=table.text("address", ""),
        port=int(table.number("port", NBD_PORT, 1, 64535)),
        names=table.texts("names", (socket.gethostname(),)),
        tls_dir=table.path("tls_dir", state_dir / "nbd-tls"),
        verify_clients=table.flag("verify_clients", True),
    )
    table.finish()
    if settings.address:
        try:
            ipaddress.ip_address(settings.address)
        except ValueError:
            problem = f"{settings.address!r:.60} is not an IP address; use one of this host"
            raise table.error("address", problem) from None
    return settings
