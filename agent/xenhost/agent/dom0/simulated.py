"""The machine under a simulated hypervisor: in memory, so that nothing happens to the one that it runs on."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from xenhost.agent.dom0.machine import Cstate, GuestAgent, MachineState, NtpMode, Stop
from xenhost.core.clock import Clock
from xenhost.core.errors import InvalidValue, OperationNotAllowed

_FACTORY: Final = ("0.pool.ntp.test", "1.pool.ntp.test")


class SimulatedMachine:
    """See Machine. What was done to it can be looked at."""

    def __init__(self, clock: Clock) -> None:
        self._clock: Final = clock
        self._ahead = timedelta()
        self.timezone = "UTC"
        self.ntp = NtpMode.FACTORY
        self.ntp_servers: tuple[str, ...] = _FACTORY
        self.settings: Final[dict[str, object]] = {}
        """What was set, by name."""
        self.keys = ""
        """That were pressed."""
        self.stops: Final[list[Stop]] = []
        self._xen = ["(XEN) simulated Xen"]

    async def state(self) -> MachineState:
        """See Machine."""
        now = datetime.fromtimestamp(self._clock.now(), UTC) + self._ahead
        zone = await asyncio.to_thread(ZoneInfo, self.timezone)
        offset = now.astimezone(zone).utcoffset() or timedelta()
        on = self.ntp is not NtpMode.DISABLED
        return MachineState(
            time=now,
            timezone=self.timezone,
            utc_offset=int(offset.total_seconds()),
            ntp_enabled=on,
            ntp_synchronized=on,
            ntp_servers=dict.fromkeys(self.ntp_servers, "synced") if on else {},
            scheduling_granularity="cpu",
            ssh=bool(self.settings.get("ssh", True)),
            initiator_name=str(self.settings.get("iqn", "")),
        )

    async def timezones(self) -> tuple[str, ...]:
        """See Machine."""
        return tuple(sorted(await asyncio.to_thread(available_timezones)))

    async def set_hostname(self, name: str) -> None:
        """See Machine."""
        self.settings["hostname"] = name

    async def set_time(self, time: datetime) -> None:
        """See Machine."""
        if self.ntp is not NtpMode.DISABLED:
            raise OperationNotAllowed("time servers set the clock; disable NTP first", reason_text="NTP is enabled")
        self._ahead = time - datetime.fromtimestamp(self._clock.now(), UTC)

    async def set_timezone(self, zone: str) -> None:
        """See Machine."""
        try:
            self.timezone = str(await asyncio.to_thread(ZoneInfo, zone))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InvalidValue(f"{zone!r:.80} is no time zone", field="timezone", value=zone[:80]) from None

    async def set_ntp(self, mode: NtpMode, servers: tuple[str, ...]) -> None:
        """See Machine."""
        self.ntp = mode
        self.ntp_servers = servers if mode is NtpMode.CUSTOM else _FACTORY

    async def set_syslog(self, destination: str) -> None:
        """See Machine."""
        self.settings["syslog"] = destination

    async def set_ssh(self, allowed: bool) -> None:
        """See Machine."""
        self.settings["ssh"] = allowed

    async def set_console_timeout(self, seconds: int) -> None:
        """See Machine."""
        self.settings["console_timeout"] = seconds

    async def set_cstate(self, limit: Cstate) -> None:
        """See Machine."""
        self.settings["cstate"] = limit

    async def set_initiator_name(self, iqn: str) -> None:
        """See Machine."""
        self.settings["iqn"] = iqn

    async def set_guest_agent(self, setting: GuestAgent) -> None:
        """See Machine."""
        self.settings["guest_agent"] = setting

    async def xen_log(self, clear: bool) -> str:
        """See Machine."""
        text = "".join(f"{line}\n" for line in self._xen)
        if clear:
            self._xen.clear()
        return text

    async def agent_log(self) -> str:
        """See Machine."""
        return "the log of a simulated host goes to the terminal\n"

    async def send_debug_keys(self, keys: str) -> None:
        """See Machine."""
        self.keys += keys
        self._xen += (f"(XEN) '{key}' pressed" for key in keys)

    async def stop(self, what: Stop) -> None:
        """See Machine."""
        if what in (Stop.RESTART_AGENT, Stop.STOP_AGENT):
            text = "nobody would start the agent of a simulated host again"
            raise OperationNotAllowed(text, reason_text=text)
        self.stops.append(what)

    async def report(self, key: str) -> Mapping[str, bytes]:
        """See Machine."""
        if key == "xen-info":
            return {"xen/dmesg.txt": (await self.xen_log(False)).encode()}
        return {}
