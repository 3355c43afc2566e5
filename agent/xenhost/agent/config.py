"""Configuration: one TOML file, read once into frozen values. An unknown key is an error that names its neighbour."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from xenhost.agent.dom0.config import PluginSettings, read_plugins
from xenhost.agent.metrics.config import MetricsSettings, read_metrics
from xenhost.agent.network_settings import NetworkSettings, read_network
from xenhost.agent.storage_settings import StorageSettings, read_storage
from xenhost.agent.toml_table import Table, load
from xenhost.api.tls_files import TlsFiles
from xenhost.drivers.registry import HYPERVISORS
from xenhost.system.logging import LogFormat, LogLevel

FILE_NAME: Final = "xenhostd.toml"
MAX_SOCKET_PATH: Final = 107
"""Bytes: sun_path in unix(7)."""
_ADDRESS: Final = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[0-9A-Za-z._-]{1,253}):[0-9]{1,5}")
_UNIX: Final = re.compile(r"unix:/.{1,106}")


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything is, below one root directory."""

    root: Path

    @property
    def config_file(self) -> Path:
        """The configuration, unless told otherwise."""
        return self.root / "etc/xenhost" / FILE_NAME

    @property
    def tls_dir(self) -> Path:
        """Certificates."""
        return self.root / "etc/xenhost/tls"

    @property
    def state_dir(self) -> Path:
        """Journal and specifications."""
        return self.root / "var/lib/xenhost"

    @property
    def run_dir(self) -> Path:
        """Sockets, and what lives as long as the host is up."""
        return self.root / "run/xenhost"

    @property
    def log_dir(self) -> Path:
        """Logs of helper processes."""
        return self.root / "var/log/xenhost"


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """[api]: what others call."""

    socket: Path
    socket_group: str
    listen: tuple[str, ...]
    """`host:port` of each TLS listener."""
    tls: TlsFiles
    allow: frozenset[str]
    """Names in client certificates that may call; empty: every certificate of the CA."""
    reflection: bool


@dataclass(frozen=True, slots=True)
class MasterConfig:
    """[master]: whom we report to."""

    address: str
    """gRPC target: `host:port`, or `unix:/path` for tests."""
    tls: TlsFiles
    server_name: str
    """Name that the master's certificate must have, where it is not the one in the address."""
    endpoints: tuple[str, ...]
    """Where the master reaches our services."""


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set."""

    places: Places
    hypervisor: str
    drain_seconds: float
    log_level: LogLevel
    log_format: LogFormat
    api: ApiConfig
    master: MasterConfig | None
    storage: StorageSettings
    network: NetworkSettings
    metrics: MetricsSettings
    plugins: PluginSettings
    driver_options: dict[str, Any]
    """The table of the driver in use; the driver checks it."""


def read_config(places: Places, file: Path | None, hypervisor: str | None) -> Config:
    """The configuration in a file; what the command line says of the hypervisor goes first.

    The default file need not exist; one that was named must. Raises ConfigError.
    """
    path = file or places.config_file
    top = Table(load(path, required=file is not None), path, "")
    agent, log = top.table("agent"), top.table("log")
    chosen = agent.text("hypervisor", "xen")
    drivers = {name: top.table(name).everything() for name in HYPERVISORS}
    config = Config(
        places=places,
        hypervisor=hypervisor or chosen,
        drain_seconds=agent.number("drain_seconds", 30, 1, 600),
        log_level=log.choice("level", LogLevel.INFO),
        log_format=log.choice("format", LogFormat.AUTO),
        api=_api(top.table("api"), places),
        master=_master(top.table("master"), places),
        storage=read_storage(top.table("storage"), places.root, places.state_dir),
        network=read_network(top.table("network"), hypervisor or chosen, places.tls_dir),
        metrics=_metrics(top.table("metrics"), places),
        plugins=read_plugins(top.table("plugins"), places.root),
        driver_options=drivers.get(hypervisor or chosen, {}),
    )
    if config.hypervisor not in HYPERVISORS:
        raise agent.error("hypervisor", f"is {config.hypervisor!r:.60}; use one of {', '.join(HYPERVISORS)}")
    for table in (agent, log, top):
        table.finish()
    return config


def _api(table: Table, places: Places) -> ApiConfig:
    api = ApiConfig(
        socket=table.path("socket", places.run_dir / "xenhostd.sock"),
        socket_group=table.text("socket_group", "xenhost"),
        listen=table.texts("listen"),
        tls=_tls(table, places),
        allow=frozenset(table.texts("allow")),
        reflection=table.flag("reflection", True),
    )
    table.finish()
    if len(str(api.socket).encode()) > MAX_SOCKET_PATH:
        raise table.error("socket", f"{api.socket} is longer than {MAX_SOCKET_PATH} bytes, the most a socket may have")
    for address in api.listen:
        if not _ADDRESS.fullmatch(address):
            raise table.error("listen", f"{address!r:.60} must be host:port, such as 192.0.2.1:9440 or [::]:9440")
    if not api.listen and table:
        for key in ("cert", "key", "ca", "allow"):
            if key in table.everything():
                raise table.error(key, "has no use without listen: the unix socket knows no certificates")
    return api


def _metrics(table: Table, places: Places) -> MetricsSettings:
    settings = read_metrics(table, places.root, places.run_dir, places.tls_dir)
    for address in settings.listen:
        if not _ADDRESS.fullmatch(address):
            raise table.error("listen", f"{address!r:.60} must be host:port, such as 192.0.2.1:9441 or [::]:9441")
    return settings


def _master(table: Table, places: Places) -> MasterConfig | None:
    master = MasterConfig(
        address=table.text("address", ""),
        tls=_tls(table, places),
        server_name=table.text("server_name", ""),
        endpoints=table.texts("endpoints"),
    )
    table.finish()
    if master.address and not (_ADDRESS.fullmatch(master.address) or _UNIX.fullmatch(master.address)):
        raise table.error("address", f"{master.address!r:.60} must be host:port, or unix:/path")
    if table and not master.address:
        raise table.error("address", "is required in this table")
    return master if master.address else None


def _tls(table: Table, places: Places) -> TlsFiles:
    return TlsFiles(
        cert=table.path("cert", places.tls_dir / "agent.crt"),
        key=table.path("key", places.tls_dir / "agent.key"),
        ca=table.path("ca", places.tls_dir / "ca.crt"),
    )
