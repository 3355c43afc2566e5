"""[metrics]: the part of the configuration about metrics."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xenhost.agent.toml_table import Table
from xenhost.api.tls_files import TlsFiles

FOLDER: Final = "dev/shm/metrics"
RPC_SOCKETS: Final = ("var/lib/xcp/xcp-rrdd", "var/xapi/xcp-rrdd")
"""Where plugins of XenServer look for its daemon."""


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """[metrics]"""

    enabled: bool
    """False: nothing is sampled, kept or served."""
    folder: Path
    """Of plugins."""
    rpc_sockets: tuple[Path, ...]
    """Where plugins announce themselves."""
    socket: Path
    """HTTP for root, and for the group of the agent's other socket."""
    listen: tuple[str, ...]
    """`host:port` of each HTTPS listener; clients need a certificate of the pool's CA."""
    tls: TlsFiles
    vm_extremes: bool
    """Keep minima and maxima of VMs and SRs too, as pool.other_config create_min_max_in_new_VM_RRDs does."""
    record_all: bool
    """Keep every data source, not only the usual ones: plugin-default of xcp-rrdd."""


def read_metrics(table: Table, root: Path, run_dir: Path, tls_dir: Path) -> MetricsSettings:
    """From its table. Raises ConfigError."""
    sockets = table.texts("rpc_sockets", tuple(str(root / path) for path in RPC_SOCKETS))
    settings = MetricsSettings(
        enabled=table.flag("enabled", True),
        folder=table.path("folder", root / FOLDER),
        rpc_sockets=tuple(root / path for path in sockets),
        socket=table.path("socket", run_dir / "metrics.sock"),
        listen=table.texts("listen"),
        tls=TlsFiles(
            cert=table.path("cert", tls_dir / "agent.crt"),
            key=table.path("key", tls_dir / "agent.key"),
            ca=table.path("ca", tls_dir / "ca.crt"),
        ),
        vm_extremes=table.flag("vm_extremes", False),
        record_all=table.flag("record_all", False),
    )
    table.finish()
    return settings
