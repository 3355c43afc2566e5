"""[network]: the part of the configuration about networks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xenhost.agent.toml_table import Table
from xenhost.core.network import SslFiles, SwitchKind

_SWITCHES: Final = {"xen": (SwitchKind.BRIDGE, SwitchKind.OPENVSWITCH)}
"""A simulated host has a simulated one beside these."""


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """[network]"""

    manage: bool
    """False: this host's networks are somebody else's. VIFs go on Linux bridges that are there."""
    switch: SwitchKind
    """Of a host whose networks were never set up; from then on what was chosen there counts."""
    resolv_conf: Path
    dhcp_seconds: float
    """How long a change waits for an address."""
    controller_keys: SslFiles
    """By which SDN controllers and Open vSwitch know each other."""


def read_network(table: Table, hypervisor: str, tls_dir: Path) -> NetworkSettings:
    """From its table. Raises ConfigError."""
    default = SwitchKind.SIM if hypervisor == "sim" else SwitchKind.BRIDGE
    settings = NetworkSettings(
        manage=table.flag("manage", True),
        switch=table.choice("switch", default),
        resolv_conf=table.path("resolv_conf", Path("/etc/resolv.conf")),
        dhcp_seconds=table.number("dhcp_seconds", 30, 1, 300),
        controller_keys=SslFiles(
            private_key=str(table.path("controller_key", tls_dir / "agent.key")),
            certificate=str(table.path("controller_cert", tls_dir / "agent.crt")),
            ca_certificate=str(table.path("controller_ca", tls_dir / "ca.crt")),
        ),
    )
    table.finish()
    known = _SWITCHES.get(hypervisor, tuple(SwitchKind))
    if settings.switch not in known:
        raise table.error("switch", f"is {settings.switch.value!r}; use one of {', '.join(known)}")
    return settings
