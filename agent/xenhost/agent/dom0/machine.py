"""What the agent asks of dom0 as a machine: the contract, and its values. One is real, one is simulated."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from xenhost.core.errors import InvalidValue

MAX_LOG: Final = 1 << 20
"""Bytes of a log that are shown: its end."""


class NtpMode(StrEnum):
    """Where dom0's time comes from."""

    DHCP = "dhcp"
    CUSTOM = "custom"
    FACTORY = "factory"
    DISABLED = "disabled"


class Stop(StrEnum):
    """What ends."""

    SHUTDOWN = "shutdown"
    REBOOT = "reboot"
    RESTART_AGENT = "restart_agent"
    STOP_AGENT = "stop_agent"


@dataclass(frozen=True, slots=True)
class MachineState:
    """Dom0's clock, and what Xen was booted with."""

    time: datetime
    timezone: str
    utc_offset: int
    """Seconds to the east, now."""
    ntp_enabled: bool
    ntp_synchronized: bool
    ntp_servers: Mapping[str, str]
    """By address: synced, combined, uncombined, unreachable, variable, error or unknown."""
    scheduling_granularity: str
    ssh: bool
    """Others may log in."""
    initiator_name: str
    """As an iSCSI initiator; empty if it has none."""


@dataclass(frozen=True, slots=True)
class Cstate:
    """How deep CPUs may sleep; None is without limit."""

    state: int | None = None
    substate: int | None = None


@dataclass(frozen=True, slots=True)
class GuestAgent:
    """What agents in guests may do by themselves."""

    auto_update: bool | None = None
    """None: as they were installed."""
    update_url: str = ""
    """Empty: where their maker says."""


class Machine(Protocol):
    """Each raises InternalError if the tool that does it is not there or fails; cancelled, it may be done or not."""

    async def state(self) -> MachineState:
        """As it is now."""
        ...

    async def timezones(self) -> tuple[str, ...]:
        """All it knows."""
        ...

    async def set_hostname(self, name: str) -> None:
        """Its name in the network, now and after a boot."""
        ...

    async def set_time(self, time: datetime) -> None:
        """Set the clock. Raises OperationNotAllowed while time servers do."""
        ...

    async def set_timezone(self, zone: str) -> None:
        """Raises InvalidValue for one that it does not know."""
        ...

    async def set_ntp(self, mode: NtpMode, servers: tuple[str, ...]) -> None:
        """Raises ValueNotSupported for a mode that this machine does not have."""
        ...

    async def set_syslog(self, destination: str) -> None:
        """Send the log there, too; empty: nowhere else."""
        ...

    async def set_ssh(self, allowed: bool) -> None:
        """Whether people may log in by SSH, now and after a boot."""
        ...

    async def set_console_timeout(self, seconds: int) -> None:
        """After how long an idle shell ends; 0 is never. Shells that run already are not touched."""
        ...

    async def set_cstate(self, limit: Cstate) -> None:
        """Until the next boot."""
        ...

    async def set_initiator_name(self, iqn: str) -> None:
        """Its name as an iSCSI initiator, for sessions that begin from now on."""
        ...

    async def set_guest_agent(self, setting: GuestAgent) -> None:
        """What agents in guests may do, for those that look from now on."""
        ...

    async def xen_log(self, clear: bool) -> str:
        """Xen's messages, which are forgotten then if they are to be."""
        ...

    async def agent_log(self) -> str:
        """The end of the agent's own log."""
        ...

    async def send_debug_keys(self, keys: str) -> None:
        """Press them."""
        ...

    async def stop(self, what: Stop) -> None:
        """Return before it happens. Raises OperationNotAllowed if there is nobody who would start it again."""
        ...

    async def report(self, key: str) -> Mapping[str, bytes]:
        """Files of one entry of a status report, each bounded. What cannot be had is said in the file."""
        ...


def read_cstate(untrusted_text: str) -> Cstate:
    """`1`, `1,0`, or empty. Raises InvalidValue."""
    words = untrusted_text.split(",") if untrusted_text else []
    if len(words) > 2 or not all(word.isascii() and word.isdigit() and len(word) < 4 for word in words):
        raise InvalidValue(
            f"max_cstate is {untrusted_text!r:.40}; write the C-state, or C-state,substate, such as 1 or 1,0",
            field="max_cstate",
            value=untrusted_text[:40],
        )
    return Cstate(*(int(word) for word in words))
