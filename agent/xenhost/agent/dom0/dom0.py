"""What the agent has of dom0, made by the composition root."""

from dataclasses import dataclass
from pathlib import Path

import structlog

from xenhost.agent.dom0.config import PluginSettings
from xenhost.agent.dom0.machine import Machine
from xenhost.agent.dom0.plugins import Plugins
from xenhost.agent.dom0.simulated import SimulatedMachine
from xenhost.agent.dom0.system import SystemMachine
from xenhost.core.clock import Clock
from xenhost.sm.command import Commands


@dataclass(frozen=True, slots=True)
class Dom0:
    """Its parts."""

    plugins: Plugins
    machine: Machine
    root: Path
    """Of files that are looked at."""


def make_dom0(real: bool, root: Path, settings: PluginSettings, commands: Commands, clock: Clock) -> Dom0:
    """The real one, or one in memory."""
    log = structlog.get_logger("xenhost.dom0")
    machine = SystemMachine(root, commands, log) if real else SimulatedMachine(clock)
    return Dom0(Plugins(settings, commands, log), machine, root)
