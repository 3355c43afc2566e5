"""What every SR driver is given. Made once, by the agent's composition root."""

from dataclasses import dataclass
from pathlib import Path

import structlog

from xenhost.core.clock import Clock
from xenhost.sm.command import Commands
from xenhost.sm.datapath.port import Images


@dataclass(frozen=True, slots=True)
class SmContext:
    """The host, as drivers see it."""

    host_id: str
    """UUID of this host, for locks on shared SRs."""
    state_dir: Path
    """`/var/lib/xenhost/sm`: survives reboots."""
    run_dir: Path
    """`/run/xenhost/sm`: does not. Mounts are below `mount_dir`."""
    mount_dir: Path
    """`/run/sr-mount`, as with XenServer: `<mount_dir>/<SR UUID>`."""
    log_dir: Path
    clock: Clock
    commands: Commands
    images: Images
    log: structlog.typing.FilteringBoundLogger
