"""Hosts as machines: names, clocks, logs. What is set is the record's once the agent has done it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from xenhost.api.host.v1 import host_service_pb2 as pb
from xenhost.api.host.v1 import metrics_service_pb2
from xenhost.core.errors import InvalidValue, OperationNotAllowed, ValueNotSupported
from xenhost.pool.call import NULL_REF, ApiError, Context, FrozenMap, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agents

MAX_NAME: Final = 255
_DESTINATION: Final = "syslog_destination"
_NTP: Final = {
    "DHCP": pb.NTP_MODE_DHCP,
    "Custom": pb.NTP_MODE_CUSTOM,
    "Factory": pb.NTP_MODE_FACTORY,
    "Disabled": pb.NTP_MODE_DISABLED,
}
_DEEPEST: Final = 1
"""Of a C-state that is a limit: xapi takes 0, 1 and none."""
_LOG_SECONDS: Final = 90.0


class HostMachine:
    """Answers these messages."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "host.set_hostname_live": self._set_hostname,
            "host.get_servertime": self._time,
            "host.get_server_localtime": self._local_time,
            "host.set_servertime": self._set_time,
            "host.list_timezones": self._timezones,
            "host.set_timezone": self._set_timezone,
            "host.get_ntp_synchronized": self._synchronized,
            "host.get_ntp_servers_status": self._servers_status,
            "host.set_ntp_mode": self._set_ntp_mode,
            "host.set_ntp_custom_servers": self._set_ntp_servers,
            "host.syslog_reconfigure": self._reconfigure_syslog,
            "host.dmesg": self._log(pb.ReadHostLogRequest(log=pb.HOST_LOG_XEN)),
            "host.dmesg_clear": self._log(pb.ReadHostLogRequest(log=pb.HOST_LOG_XEN, clear=True)),
            "host.get_log": self._log(pb.ReadHostLogRequest(log=pb.HOST_LOG_AGENT)),
            "host.send_debug_keys": self._send_debug_keys,
            "host.set_max_cstate": self._set_cstate,
            "host.get_sched_gran": self._granularity,
            "host.set_sched_gran": self._refuse_granularity,
            "host.set_iscsi_iqn": self._set_iqn,
            "host.backup_rrds": self._backup_rrds,
            "host.sync_data": self._sync_data,
        }

    async def _set_hostname(self, context: Context, host: Ref, hostname: str) -> None:
        """Raises ApiError HOST_NAME_INVALID."""
        if not hostname:
            raise ApiError("HOST_NAME_INVALID", "hostname empty")
        if len(hostname) > MAX_NAME:
            raise ApiError("HOST_NAME_INVALID", "hostname is too long")
        try:
            await self._configure(host, pb.ConfigureHostRequest(hostname=hostname))
        except InvalidValue as error:
            raise ApiError("HOST_NAME_INVALID", "hostname contains invalid characters") from error
        await self._set(host, {"hostname": hostname})

    async def _time(self, context: Context, host: Ref) -> datetime:
        return _when(await self._state(host))

    async def _local_time(self, context: Context, host: Ref) -> datetime:
        """What a clock on its wall shows."""
        state = await self._state(host)
        return _when(state) + timedelta(seconds=state.utc_offset_seconds)

    async def _set_time(self, context: Context, host: Ref, value: datetime) -> None:
        """Raises ApiError NOT_ALLOWED_WHEN_NTP_IS_ENABLED."""
        wanted = Timestamp()
        wanted.FromDatetime(value)
        try:
            await self._configure(host, pb.ConfigureHostRequest(time=wanted))
        except OperationNotAllowed as error:
            raise ApiError("NOT_ALLOWED_WHEN_NTP_IS_ENABLED", host) from error

    async def _timezones(self, context: Context, host: Ref) -> Sequence[str]:
        agent = self._agents.agent(host)
        return tuple((await agent.call(agent.hosts.ListTimezones, pb.ListTimezonesRequest())).timezones)

    async def _set_timezone(self, context: Context, host: Ref, value: str) -> None:
        """Raises ApiError INVALID_VALUE."""
        await self._configure(host, pb.ConfigureHostRequest(timezone=value))
        await self._set(host, {"timezone": value})

    async def _synchronized(self, context: Context, host: Ref) -> bool:
        return bool((await self._state(host)).ntp_synchronized)

    async def _servers_status(self, context: Context, host: Ref) -> FrozenMap:
        return FrozenMap((await self._state(host)).ntp_servers)

    async def _set_ntp_mode(self, context: Context, host: Ref, value: str) -> None:
        """Raises ApiError INVALID_NTP_CONFIG."""
        record = self._database.get("host", host)
        servers = _texts(record["ntp_custom_servers"])
        if value == "Custom" and not servers:
            raise ApiError("INVALID_NTP_CONFIG", "Can't set ntp_mode to Custom when ntp_custom_servers is empty")
        await self._set_ntp(host, value, servers)
        await self._set(host, {"ntp_mode": value})

    async def _set_ntp_servers(self, context: Context, host: Ref, value: Sequence[str]) -> None:
        """Raises ApiError INVALID_NTP_CONFIG."""
        if self._database.get("host", host)["ntp_mode"] == "Custom":
            if not value:
                raise ApiError("INVALID_NTP_CONFIG", "Can't set ntp_custom_servers empty when ntp_mode is Custom")
            await self._set_ntp(host, "Custom", value)
        await self._set(host, {"ntp_custom_servers": tuple(value)})

    async def _set_ntp(self, host: Ref, mode: str, servers: Sequence[str]) -> None:
        setting = pb.NtpSetting(mode=_NTP[mode], servers=servers if mode == "Custom" else ())
        try:
            await self._configure(host, pb.ConfigureHostRequest(ntp=setting))
        except (InvalidValue, ValueNotSupported) as error:
            raise ApiError("INVALID_NTP_CONFIG", str(error)) from error

    async def _reconfigure_syslog(self, context: Context, host: Ref) -> None:
        """To where its `logging` says."""
        logging = self._database.get("host", host)["logging"]
        assert isinstance(logging, dict)
        wanted = str(logging.get(_DESTINATION, ""))
        await self._configure(host, pb.ConfigureHostRequest(syslog_destination=wanted))

    def _log(self, request: pb.ReadHostLogRequest) -> Implementation:
        async def read(context: Context, host: Ref) -> str:
            agent = self._agents.agent(host)
            return str((await agent.call(agent.hosts.ReadHostLog, request, _LOG_SECONDS)).text)

        return read

    async def _send_debug_keys(self, context: Context, host: Ref, keys: str) -> None:
        agent = self._agents.agent(host)
        await agent.call(agent.hosts.SendDebugKeys, pb.SendDebugKeysRequest(keys=keys))

    async def _set_cstate(self, context: Context, host: Ref, value: str) -> None:
        """Raises ApiError INVALID_VALUE, VALUE_NOT_SUPPORTED."""
        state = value.partition(",")[0]
        if state.isascii() and state.isdigit() and int(state[:9]) > _DEEPEST:
            text = "Only C0, C1 and unlimited are supported for max-cstate"
            raise ApiError("VALUE_NOT_SUPPORTED", "max_cstate", value[:40], text)
        await self._configure(host, pb.ConfigureHostRequest(max_cstate=value))
        await self._set(host, {"max_cstate": value})

    async def _granularity(self, context: Context, host: Ref) -> str:
        return str((await self._state(host)).scheduling_granularity)

    async def _refuse_granularity(self, context: Context, host: Ref, value: str) -> None:
        """Xen takes it from its command line alone, and no boot loader is written here."""
        raise ApiError("OPERATION_NOT_ALLOWED", f"boot Xen with sched-gran={value}")

    async def _set_iqn(self, context: Context, host: Ref, value: str) -> None:
        """Raises ApiError INVALID_VALUE."""
        if not value:
            raise ApiError("INVALID_VALUE", "value", value)
        await self._configure(host, pb.ConfigureHostRequest(iscsi_iqn=value))
        other = self._database.get("host", host)["other_config"]
        assert isinstance(other, dict)
        await self._set(host, {"iscsi_iqn": value, "other_config": FrozenMap({**other, "iscsi_iqn": value})})

    async def _backup_rrds(self, context: Context, host: Ref, delay: float) -> None:
        """Its archives are written to its disk now: they are asked of it, not kept here."""
        agent = self._agents.agent(host)
        await agent.call(agent.metrics.SaveRrds, metrics_service_pb2.SaveRrdsRequest())

    async def _sync_data(self, context: Context, host: Ref) -> None:
        """Blobs and messages are the master's alone: there is nothing to copy. Raises ApiError HOST_OFFLINE."""
        self._agents.agent(host)

    async def _state(self, host: Ref) -> Any:
        agent = self._agents.agent(host)
        return await agent.call(agent.hosts.GetMachine, pb.GetMachineRequest())

    async def _configure(self, host: Ref, request: pb.ConfigureHostRequest) -> None:
        agent = self._agents.agent(host)
        await agent.call(agent.hosts.ConfigureHost, request)

    async def _set(self, host: Ref, fields: Mapping[str, Value]) -> None:
        await self._database.change(lambda t: t.set("host", host, fields))


def _when(state: Any) -> datetime:
    found: datetime = state.time.ToDatetime(UTC)
    return found.replace(microsecond=0)


def _texts(value: Value) -> tuple[str, ...]:
    assert isinstance(value, tuple)
    return tuple(str(each) for each in value if each != NULL_REF)
