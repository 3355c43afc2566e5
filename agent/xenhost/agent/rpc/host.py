"""HostService: the host and its domains, and dom0 itself."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from xenhost.agent.dom0.crash import crash_dumps, delete_dump
from xenhost.agent.dom0.dom0 import Dom0
from xenhost.agent.dom0.machine import Machine, MachineState, NtpMode, Stop, read_cstate
from xenhost.agent.dom0.plugins import Answer, as_json, from_json
from xenhost.agent.dom0.report import ENTRIES
from xenhost.agent.engine.engine import Engine
from xenhost.agent.rpc.context import Context
from xenhost.agent.rpc.convert.choice import Choice
from xenhost.agent.rpc.convert.dom0 import destination, guest_agent, hostname, iqn, keys, time_servers
from xenhost.agent.rpc.convert.host import domain_to_proto, host_to_proto
from xenhost.api.host.v1 import host_service_pb2, host_service_pb2_grpc
from xenhost.core.errors import InternalError, InvalidValue, NotImplementedHere, OperationNotAllowed
from xenhost.core.ids import DomId
from xenhost.core.units import KIB
from xenhost.core.vm import PowerState

PIECE: Final = 256 * KIB
"""Bytes of a file in one message."""
NTP_MODE: Final = Choice(NtpMode, host_service_pb2.NtpMode.Value, "NTP_MODE")
STOP: Final = Choice(Stop, host_service_pb2.StopAction.Value, "STOP_ACTION")


class HostServicer(host_service_pb2_grpc.HostServiceServicer):
    """Answers by the engine, and by dom0."""

    def __init__(self, engine: Engine, dom0: Dom0 | None) -> None:
        self._engine = engine
        self._dom0 = dom0

    async def GetHost(self, request: host_service_pb2.GetHostRequest, context: Context) -> host_service_pb2.Host:
        """The host now."""
        info, devices = await self._engine.host(), await self._engine.pci_devices()
        return host_to_proto(info, devices, self._engine.host_id, self._engine.instance_id)

    async def ListDomains(
        self, request: host_service_pb2.ListDomainsRequest, context: Context
    ) -> host_service_pb2.ListDomainsResponse:
        """Every domain but dom0, by number, or one."""
        if request.domid:
            found = await self._engine.domain(DomId(request.domid))
            domains = [found] if found is not None else []
        else:
            domains = sorted(await self._engine.domains(), key=lambda domain: domain.domid)
        return host_service_pb2.ListDomainsResponse(domains=[domain_to_proto(domain) for domain in domains])

    async def CallPlugin(
        self, request: host_service_pb2.CallPluginRequest, context: Context
    ) -> AsyncIterator[host_service_pb2.CallPluginResponse]:
        """One answer, when it has ended."""
        answer = await self._of_dom0().plugins.call(
            request.plugin, request.function, request.session, dict(request.args)
        )
        yield _answered(answer, str(answer.value))

    async def CallExtension(
        self, request: host_service_pb2.CallExtensionRequest, context: Context
    ) -> AsyncIterator[host_service_pb2.CallPluginResponse]:
        """One answer, when it has ended."""
        try:
            params = from_json(request.params)
        except ValueError as error:
            raise InvalidValue(f"params: {error}", field="params", value=request.params[:80]) from error
        answer = await self._of_dom0().plugins.extend(request.method, params)
        yield _answered(answer, as_json(answer.value))

    async def HasExtension(
        self, request: host_service_pb2.HasExtensionRequest, context: Context
    ) -> host_service_pb2.HasExtensionResponse:
        """Whether there is one."""
        found = await self._of_dom0().plugins.has_extension(request.method)
        return host_service_pb2.HasExtensionResponse(found=found)

    async def GetMachine(
        self, request: host_service_pb2.GetMachineRequest, context: Context
    ) -> host_service_pb2.Machine:
        """Its clock, and what Xen was booted with."""
        return _machine_to_proto(await self._machine().state())

    async def ListTimezones(
        self, request: host_service_pb2.ListTimezonesRequest, context: Context
    ) -> host_service_pb2.ListTimezonesResponse:
        """All it knows."""
        return host_service_pb2.ListTimezonesResponse(timezones=await self._machine().timezones())

    async def ConfigureHost(
        self, request: host_service_pb2.ConfigureHostRequest, context: Context
    ) -> host_service_pb2.ConfigureHostResponse:
        """Change one setting."""
        machine = self._machine()
        match request.WhichOneof("setting"):
            case "hostname":
                await machine.set_hostname(hostname(request.hostname))
            case "time":
                await machine.set_time(request.time.ToDatetime(UTC))
            case "timezone":
                await machine.set_timezone(request.timezone)
            case "ntp":
                mode = NTP_MODE.from_wire(request.ntp.mode, "ntp.mode")
                await machine.set_ntp(mode, time_servers(mode, request.ntp.servers))
            case "syslog_destination":
                await machine.set_syslog(destination(request.syslog_destination))
            case "ssh":
                await machine.set_ssh(request.ssh)
            case "console_idle_seconds":
                await machine.set_console_timeout(request.console_idle_seconds)
            case "max_cstate":
                await machine.set_cstate(read_cstate(request.max_cstate))
            case "iscsi_iqn":
                await machine.set_initiator_name(iqn(request.iscsi_iqn))
            case "guest_agent":
                await machine.set_guest_agent(guest_agent(request.guest_agent))
            case _:
                raise InvalidValue("no setting was given; give one", field="setting", value="")
        return host_service_pb2.ConfigureHostResponse()

    async def ReadHostLog(
        self, request: host_service_pb2.ReadHostLogRequest, context: Context
    ) -> host_service_pb2.ReadHostLogResponse:
        """Xen's messages, or the agent's log."""
        match request.log:
            case host_service_pb2.HOST_LOG_XEN:
                text = await self._machine().xen_log(request.clear)
            case host_service_pb2.HOST_LOG_AGENT if not request.clear:
                text = await self._machine().agent_log()
            case _:
                raise InvalidValue("log is to be read of Xen or of the agent", field="log", value=str(request.log))
        return host_service_pb2.ReadHostLogResponse(text=text)

    async def SendDebugKeys(
        self, request: host_service_pb2.SendDebugKeysRequest, context: Context
    ) -> host_service_pb2.SendDebugKeysResponse:
        """Press them."""
        await self._machine().send_debug_keys(keys(request.keys))
        return host_service_pb2.SendDebugKeysResponse()

    async def StopHost(
        self, request: host_service_pb2.StopHostRequest, context: Context
    ) -> host_service_pb2.StopHostResponse:
        """Answered before it happens. Raises OperationNotAllowed."""
        action = STOP.from_wire(request.action, "action")
        if action in (Stop.SHUTDOWN, Stop.REBOOT):
            running = [vm for vm in self._engine.vms() if vm.status.power_state is not PowerState.HALTED]
            if running:
                text = f"{len(running)} VMs run on this host; shut them down first"
                raise OperationNotAllowed(text, reason_text=text)
        await self._machine().stop(action)
        return host_service_pb2.StopHostResponse()

    async def ListCrashDumps(
        self, request: host_service_pb2.ListCrashDumpsRequest, context: Context
    ) -> host_service_pb2.ListCrashDumpsResponse:
        """All there are."""
        found = await asyncio.to_thread(crash_dumps, self._of_dom0().root)
        return host_service_pb2.ListCrashDumpsResponse(
            dumps=[
                host_service_pb2.CrashDump(name=each.name, time=_timestamp(each.time), size_bytes=each.size)
                for each in found
            ]
        )

    async def DeleteCrashDump(
        self, request: host_service_pb2.DeleteCrashDumpRequest, context: Context
    ) -> host_service_pb2.DeleteCrashDumpResponse:
        """No-op if there is none. Raises InternalError."""
        try:
            await asyncio.to_thread(delete_dump, self._of_dom0().root, request.name)
        except OSError as error:
            message = f"a crash dump cannot be removed: {error.strerror}"
            raise InternalError(message, message=message) from error
        return host_service_pb2.DeleteCrashDumpResponse()

    async def ReadStatusReport(
        self, request: host_service_pb2.ReadStatusReportRequest, context: Context
    ) -> AsyncIterator[host_service_pb2.ReadStatusReportResponse]:
        """File by file."""
        machine = self._machine()
        wanted = set(request.entries) or set(ENTRIES)
        for key in ENTRIES:
            if key not in wanted:
                continue
            for name, data in (await machine.report(key)).items():
                for begin in range(0, max(1, len(data)), PIECE):
                    piece = data[begin : begin + PIECE]
                    yield host_service_pb2.ReadStatusReportResponse(name=name, data=piece)

    def _of_dom0(self) -> Dom0:
        if self._dom0 is None:
            raise NotImplementedHere("this agent has nothing to do with its dom0", function="HostService")
        return self._dom0

    def _machine(self) -> Machine:
        return self._of_dom0().machine


def _timestamp(moment: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(moment)
    return found


def _answered(answer: Answer, value: str) -> host_service_pb2.CallPluginResponse:
    if answer.failure:
        return host_service_pb2.CallPluginResponse(failure=answer.failure)
    return host_service_pb2.CallPluginResponse(value=value)


def _machine_to_proto(state: MachineState) -> host_service_pb2.Machine:
    return host_service_pb2.Machine(
        time=_timestamp(state.time),
        timezone=state.timezone,
        utc_offset_seconds=state.utc_offset,
        ntp_enabled=state.ntp_enabled,
        ntp_synchronized=state.ntp_synchronized,
        ntp_servers=dict(state.ntp_servers),
        scheduling_granularity=state.scheduling_granularity,
        ssh=state.ssh,
        iscsi_iqn=state.initiator_name,
    )
