"""The machine that dom0 runs on, by the tools that every Debian dom0 has: systemd's, Xen's, chrony's."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog

from xenhost.agent.dom0.machine import MAX_LOG, Cstate, GuestAgent, MachineState, NtpMode, Stop
from xenhost.agent.dom0.ntp import chrony_conf, chrony_servers, properties, timesyncd_conf
from xenhost.agent.dom0.report import files_of
from xenhost.core.errors import InternalError, InvalidValue, OperationNotAllowed, ValueNotSupported
from xenhost.sm.command import CommandError, Commands
from xenhost.system.whole_file import replace_file

TOOL_SECONDS: Final = 30.0
CHRONY: Final = "etc/chrony/chrony.conf"
TIMESYNCD: Final = "etc/systemd/timesyncd.conf.d/xenhost.conf"
RSYSLOG: Final = "etc/rsyslog.d/90-xenhost-remote.conf"
PROFILE: Final = "etc/profile.d/xenhost-console-timeout.sh"
INITIATOR: Final = "etc/iscsi/initiatorname.iscsi"
MAX_INITIATOR: Final = 223
"""Bytes of the name of an initiator (RFC 7143)."""
GUEST_AGENT: Final = "/guest_agent_features"
"""In xenstore; every guest may read it."""
_STOPS: Final = {
    Stop.SHUTDOWN: ("poweroff",),
    Stop.REBOOT: ("reboot",),
    Stop.RESTART_AGENT: ("--no-block", "restart", "xenhostd.service"),
    Stop.STOP_AGENT: ("--no-block", "stop", "xenhostd.service"),
}


class SystemMachine:
    """See Machine. Files are below `root`."""

    def __init__(self, root: Path, commands: Commands, log: structlog.typing.FilteringBoundLogger) -> None:
        self._root: Final = root
        self._commands: Final = commands
        self._log: Final = log
        self._changing: Final = asyncio.Lock()

    async def state(self) -> MachineState:
        """See Machine."""
        clock = properties(await self._tool("timedatectl", "show"))
        zone, on = clock.get("Timezone") or "UTC", clock.get("NTP") == "yes"
        now = datetime.now(UTC)
        offset = await asyncio.to_thread(_offset, zone, now)
        synchronized = clock.get("NTPSynchronized") == "yes"
        return MachineState(
            time=now,
            timezone=zone,
            utc_offset=offset,
            ntp_enabled=on,
            ntp_synchronized=synchronized,
            ntp_servers=await self._servers(synchronized) if on else {},
            scheduling_granularity=await self._granularity(),
            ssh=properties(await self._tool("systemctl", "show", "ssh.service")).get("ActiveState") == "active",
            initiator_name=await asyncio.to_thread(_initiator_name, self._root / INITIATOR),
        )

    async def timezones(self) -> tuple[str, ...]:
        """See Machine."""
        return tuple((await self._tool("timedatectl", "list-timezones", "--no-pager")).split())

    async def set_hostname(self, name: str) -> None:
        """See Machine."""
        await self._tool("hostnamectl", "set-hostname", name)

    async def set_time(self, time: datetime) -> None:
        """See Machine."""
        if properties(await self._tool("timedatectl", "show")).get("NTP") == "yes":
            raise OperationNotAllowed("time servers set the clock; disable NTP first", reason_text="NTP is enabled")
        await self._tool("timedatectl", "set-time", f"@{int(time.timestamp())}")
        self._log.info("the clock was set", time=time.isoformat())

    async def set_timezone(self, zone: str) -> None:
        """See Machine."""
        if zone not in await self.timezones():
            raise InvalidValue(f"{zone!r:.80} is no time zone", field="timezone", value=zone[:80])
        await self._tool("timedatectl", "set-timezone", zone)

    async def set_ntp(self, mode: NtpMode, servers: tuple[str, ...]) -> None:
        """See Machine."""
        if mode is NtpMode.DHCP:
            text = "this host takes no time servers from DHCP"
            raise ValueNotSupported(text, field="ntp_mode", value="DHCP", reason_text=text)
        async with self._changing:
            if mode is NtpMode.DISABLED:
                await self._tool("timedatectl", "set-ntp", "false")
                return
            wanted = servers if mode is NtpMode.CUSTOM else ()
            chrony = self._root / CHRONY
            if await asyncio.to_thread(chrony.exists):
                text = chrony_conf(await asyncio.to_thread(chrony.read_text, "utf-8"), wanted)
                await self._write(CHRONY, text)
                unit = "chrony.service"
            else:
                await self._write(TIMESYNCD, timesyncd_conf(wanted) if wanted else "")
                unit = "systemd-timesyncd.service"
            await self._tool("timedatectl", "set-ntp", "true")
            await self._tool("systemctl", "restart", unit)

    async def set_syslog(self, destination: str) -> None:
        """See Machine."""
        if not await asyncio.to_thread((self._root / RSYSLOG).parent.is_dir):
            text = "rsyslog is not installed on this host, and journald sends nothing by syslog"
            raise ValueNotSupported(text, field="syslog_destination", value=destination[:80], reason_text=text)
        await self._write(RSYSLOG, f"# by xenhost\n*.* @{destination}\n" if destination else "")
        await self._tool("systemctl", "restart", "rsyslog.service")

    async def set_ssh(self, allowed: bool) -> None:
        """See Machine."""
        await self._tool("systemctl", "enable" if allowed else "disable", "--now", "ssh.service")

    async def set_console_timeout(self, seconds: int) -> None:
        """See Machine."""
        await self._write(PROFILE, f"# by xenhost\nexport TMOUT={seconds}\n" if seconds else "")

    async def set_cstate(self, limit: Cstate) -> None:
        """See Machine."""
        words = ["unlimited" if limit.state is None else str(limit.state)]
        if limit.state is not None and limit.substate is not None:
            words.append(str(limit.substate))
        await self._tool("xenpm", "set-max-cstate", *words)

    async def set_initiator_name(self, iqn: str) -> None:
        """See Machine."""
        if not await asyncio.to_thread((self._root / INITIATOR).parent.is_dir):
            return  # no iSCSI here: nobody would read it
        await self._write(INITIATOR, f"## by xenhost\nInitiatorName={iqn}\n")

    async def set_guest_agent(self, setting: GuestAgent) -> None:
        """See Machine. In the place and words of xenopsd (xenops_server_xen.ml)."""
        values = {"VSS/licensed": "0", "GAAU/licensed": "1", "VSS/parameters": "", "GAAU/parameters": ""}
        if setting.auto_update is not None:
            values["GAAU/parameters/enabled"] = str(int(setting.auto_update))
        if setting.update_url:
            values["GAAU/parameters/update_url"] = setting.update_url
        words = [word for key, value in values.items() for word in (f"{GUEST_AGENT}/{key}", value)]
        async with self._changing:
            await self._tool("xenstore-write", GUEST_AGENT, "")  # so that there is something to remove
            await self._tool("xenstore-rm", GUEST_AGENT)
            await self._tool("xenstore-write", *words)
            await self._tool("xenstore-chmod", "-r", GUEST_AGENT, "r0")

    async def xen_log(self, clear: bool) -> str:
        """See Machine."""
        return await self._tool("xl", "dmesg", *(("-c",) if clear else ()))

    async def agent_log(self) -> str:
        """See Machine."""
        return await self._tool("journalctl", "--unit=xenhostd", "--no-pager", "--lines=5000", "--output=short-iso")

    async def send_debug_keys(self, keys: str) -> None:
        """See Machine."""
        await self._tool("xl", "debug-keys", keys)

    async def stop(self, what: Stop) -> None:
        """See Machine."""
        self._log.warning("stopping", what=str(what))
        await self._tool("systemctl", *_STOPS[what])

    async def report(self, key: str) -> Mapping[str, bytes]:
        """See Machine."""
        return await files_of(self._commands, self._root, key)

    async def _servers(self, synchronized: bool) -> Mapping[str, str]:
        if await asyncio.to_thread((self._root / CHRONY).exists):
            return chrony_servers(await self._tool("chronyc", "-c", "sources"))
        server = properties(await self._tool("timedatectl", "show-timesync")).get("ServerName", "")
        return {server: "synced" if synchronized else "unknown"} if server else {}

    async def _granularity(self) -> str:
        """Of Xen's command line; without a word there, it schedules single CPUs."""
        try:
            lines = (await self._tool("xl", "info")).splitlines()
        except InternalError:
            return "cpu"
        words = next((line.partition(":")[2].split() for line in lines if line.startswith("xen_commandline")), [])
        found = [word.removeprefix("sched-gran=") for word in words if word.startswith("sched-gran=")]
        return found[-1] if found and found[-1] in ("cpu", "core", "socket") else "cpu"

    async def _tool(self, *argv: str) -> str:
        """The end of what it printed. Raises InternalError."""
        try:
            result = await self._commands.run(*argv, timeout=TOOL_SECONDS)
        except CommandError as error:
            raise InternalError(str(error), message=str(error)[:400]) from error
        return result.text()[-MAX_LOG:]

    async def _write(self, place: str, text: str) -> None:
        """A file below /etc, whole or not at all; none for the empty text. Raises InternalError."""
        path = self._root / place
        try:
            await asyncio.to_thread(_replace, path, text)
        except OSError as error:
            message = f"{path} cannot be written: {error.strerror}"
            raise InternalError(message, message=message) from error


def _replace(path: Path, text: str) -> None:
    if not text:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, text.encode())


def _initiator_name(file: Path) -> str:
    """The last that it says; empty if there is none, or nobody has made one yet."""
    try:
        with file.open(errors="replace") as lines:
            text = lines.read(MAX_LOG)
    except OSError:
        return ""
    return properties(text).get("InitiatorName", "").strip()[:MAX_INITIATOR]


def _offset(zone: str, now: datetime) -> int:
    try:
        return int((now.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()).total_seconds())
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return int((now.astimezone().utcoffset() or timedelta()).total_seconds())
