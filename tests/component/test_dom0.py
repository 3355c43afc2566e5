"""What the agent does with its dom0, asked over gRPC; the machine is simulated, plugins are real processes."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from component.harness.agent import Agent, running
from component.harness.client import Client
from kit.scripts import script
from xenhost.agent.dom0.machine import Cstate, GuestAgent, NtpMode, Stop
from xenhost.agent.dom0.simulated import SimulatedMachine
from xenhost.api.host.v1 import host_service_pb2 as pb
from xenhost.api.host.v1.vm_service_pb2 import ShutdownVmRequest, StartVmRequest
from xenhost.api.status import error_of_call
from xenhost.core.errors import XenhostError
from xenhost.system import xmlrpc


def machine(agent: Agent) -> SimulatedMachine:
    found = agent.host.dom0.machine
    assert isinstance(found, SimulatedMachine)
    return found


async def refused(call: Any) -> XenhostError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    found = error_of_call(caught.value)
    assert found is not None
    return found


async def test_a_plugin_below_the_root_is_called_and_its_answer_comes_back(tmp_path: Path, client: Client) -> None:
    answer = xmlrpc.dump_response({"Status": "Success", "Value": "yes"})
    script(tmp_path / "etc/xapi.d/plugins", "say", f'printf "%s" "$1" > {tmp_path}/call\nprintf "%s" "{answer}"')
    request = pb.CallPluginRequest(plugin="say", function="fn", session="OpaqueRef:s", args={"k": "v"})
    answers = [each async for each in client.hosts.CallPlugin(request)]
    assert [(each.value, list(each.failure)) for each in answers] == [("yes", [])]
    assert xmlrpc.load_call((tmp_path / "call").read_text()).params == ("OpaqueRef:s", {"k": "v"})
    answers = [each async for each in client.hosts.CallPlugin(pb.CallPluginRequest(plugin="nothing"))]
    assert list(answers[0].failure) == ["XENAPI_MISSING_PLUGIN", "nothing"]


async def test_an_extension_answers_as_json(tmp_path: Path, client: Client) -> None:
    answer = xmlrpc.dump_response({"Status": "Success", "Value": {"n": [1]}})
    script(tmp_path / "etc/xapi.d/extensions", "Test.hello", f'cat > /dev/null\necho "{answer}"')
    request = pb.CallExtensionRequest(method="Test.hello", params='["you"]')
    answers = [each async for each in client.hosts.CallExtension(request)]
    assert [each.value for each in answers] == ['{"n": [1]}']
    assert (await client.hosts.HasExtension(pb.HasExtensionRequest(method="Test.hello"))).found
    assert not (await client.hosts.HasExtension(pb.HasExtensionRequest(method="../x"))).found
    for wrong in ("{}", "nonsense", "[" * 100_000):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in client.hosts.CallExtension(pb.CallExtensionRequest(method="Test.hello", params=wrong)):
                pass
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_plugin_ends_when_its_caller_hangs_up(tmp_path: Path, client: Client) -> None:
    lines = f"echo $$ > {tmp_path}/part; mv {tmp_path}/part {tmp_path}/pid\nexec sleep 60"
    script(tmp_path / "etc/xapi.d/plugins", "slow", lines)
    call = client.hosts.CallPlugin(pb.CallPluginRequest(plugin="slow"))
    async with asyncio.timeout(30):
        while not (tmp_path / "pid").exists():
            await asyncio.sleep(0.02)
        pid = int((tmp_path / "pid").read_text())
        assert Path(f"/proc/{pid}").exists()
        call.cancel()
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.02)


async def test_folders_and_patience_are_configured(tmp_path: Path) -> None:
    script(tmp_path / "mine", "slow", "sleep 60")
    toml = f'[plugins]\nplugins = ["{tmp_path}/mine"]\nseconds = 1\n'
    async with running(tmp_path, toml) as agent, agent.client() as client:
        answers = [each async for each in client.hosts.CallPlugin(pb.CallPluginRequest(plugin="slow"))]
        assert list(answers[0].failure)[:2] == ["XENAPI_PLUGIN_FAILURE", "timeout"]


async def test_settings_reach_the_machine(agent: Agent, client: Client) -> None:
    for fields, name, value in (
        ({"hostname": "host-1.example"}, "hostname", "host-1.example"),
        ({"syslog_destination": "192.0.2.1:514"}, "syslog", "192.0.2.1:514"),
        ({"syslog_destination": ""}, "syslog", ""),
        ({"ssh": False}, "ssh", False),
        ({"console_idle_seconds": 300}, "console_timeout", 300),
        ({"max_cstate": "1,0"}, "cstate", Cstate(1, 0)),
        ({"max_cstate": ""}, "cstate", Cstate()),
        ({"iscsi_iqn": "iqn.2026-11.net.example:a"}, "iqn", "iqn.2026-11.net.example:a"),
        ({"guest_agent": pb.GuestAgentSetting()}, "guest_agent", GuestAgent()),
        ({"guest_agent": pb.GuestAgentSetting(auto_update=False)}, "guest_agent", GuestAgent(False)),
        ({"guest_agent": pb.GuestAgentSetting(update_url="http://x/")}, "guest_agent", GuestAgent(None, "http://x/")),
    ):
        await client.hosts.ConfigureHost(pb.ConfigureHostRequest(**fields))
        assert machine(agent).settings[name] == value


async def test_settings_that_cannot_be_are_refused(agent: Agent, client: Client) -> None:
    for fields in (
        {"hostname": "-x"},
        {"hostname": "a b"},
        {"hostname": "x" * 256},
        {"syslog_destination": "x\n*.* /etc/passwd"},
        {"max_cstate": "deep"},
        {"max_cstate": "1,2,3"},
        {"iscsi_iqn": "iqn.x\nInitiatorName=y"},
        {"guest_agent": pb.GuestAgentSetting(update_url="file:///etc/passwd")},
        {"guest_agent": pb.GuestAgentSetting(update_url="https://a b/")},
        {"timezone": "../../etc/passwd"},
        {"timezone": "Mars/Olympus"},
        {"ntp": pb.NtpSetting(mode=pb.NTP_MODE_CUSTOM)},
        {"ntp": pb.NtpSetting(mode=pb.NTP_MODE_CUSTOM, servers=["a b"])},
        {"ntp": pb.NtpSetting()},
        {},
    ):
        error = await refused(client.hosts.ConfigureHost(pb.ConfigureHostRequest(**fields)))
        assert error.reason == "INVALID_VALUE", fields
    assert machine(agent).settings == {}


async def test_the_clock_is_set_only_if_no_server_does(agent: Agent, client: Client) -> None:
    before = await client.hosts.GetMachine(pb.GetMachineRequest())
    assert (before.timezone, before.ntp_enabled, before.ntp_synchronized) == ("UTC", True, True)
    wanted = Timestamp(seconds=2_000_000_000)
    error = await refused(client.hosts.ConfigureHost(pb.ConfigureHostRequest(time=wanted)))
    assert error.reason == "OPERATION_NOT_ALLOWED"
    off = pb.NtpSetting(mode=pb.NTP_MODE_DISABLED)
    await client.hosts.ConfigureHost(pb.ConfigureHostRequest(ntp=off))
    assert machine(agent).ntp is NtpMode.DISABLED
    await client.hosts.ConfigureHost(pb.ConfigureHostRequest(time=wanted))
    await client.hosts.ConfigureHost(pb.ConfigureHostRequest(timezone="Asia/Kolkata"))
    after = await client.hosts.GetMachine(pb.GetMachineRequest())
    assert 0 <= after.time.seconds - wanted.seconds < 60
    assert (after.timezone, after.utc_offset_seconds, dict(after.ntp_servers)) == ("Asia/Kolkata", 19_800, {})
    custom = pb.NtpSetting(mode=pb.NTP_MODE_CUSTOM, servers=["192.0.2.9", "2001:db8::1"])
    await client.hosts.ConfigureHost(pb.ConfigureHostRequest(ntp=custom))
    again = await client.hosts.GetMachine(pb.GetMachineRequest())
    assert set(again.ntp_servers) == {"192.0.2.9", "2001:db8::1"}
    zones = await client.hosts.ListTimezones(pb.ListTimezonesRequest())
    assert "Europe/Berlin" in zones.timezones


async def test_xens_messages_are_read_and_forgotten(client: Client) -> None:
    await client.hosts.SendDebugKeys(pb.SendDebugKeysRequest(keys="qr"))
    read = pb.ReadHostLogRequest(log=pb.HOST_LOG_XEN)
    assert "'q' pressed" in (await client.hosts.ReadHostLog(read)).text
    assert "'r' pressed" in (await client.hosts.ReadHostLog(pb.ReadHostLogRequest(log=read.log, clear=True))).text
    assert (await client.hosts.ReadHostLog(read)).text == ""
    assert (await client.hosts.ReadHostLog(pb.ReadHostLogRequest(log=pb.HOST_LOG_AGENT))).text
    for wrong in (pb.ReadHostLogRequest(), pb.ReadHostLogRequest(log=pb.HOST_LOG_AGENT, clear=True)):
        assert (await refused(client.hosts.ReadHostLog(wrong))).reason == "INVALID_VALUE"
    for keys in ("", "a b", "-h", "q" * 65):
        error = await refused(client.hosts.SendDebugKeys(pb.SendDebugKeysRequest(keys=keys)))
        assert error.reason == "INVALID_VALUE"


async def test_a_host_with_vms_is_not_switched_off(agent: Agent, client: Client) -> None:
    await client.create(name="web")
    await client.done(client.vms.StartVm(StartVmRequest(id="web")))
    for action in (pb.STOP_ACTION_SHUTDOWN, pb.STOP_ACTION_REBOOT):
        error = await refused(client.hosts.StopHost(pb.StopHostRequest(action=action)))
        assert error.reason == "OPERATION_NOT_ALLOWED"
    assert machine(agent).stops == []
    await client.done(client.vms.ShutdownVm(ShutdownVmRequest(id="web", hard=True)))
    await client.hosts.StopHost(pb.StopHostRequest(action=pb.STOP_ACTION_REBOOT))
    assert machine(agent).stops == [Stop.REBOOT]
    assert (await refused(client.hosts.StopHost(pb.StopHostRequest()))).reason == "INVALID_VALUE"


async def test_a_status_report_comes_file_by_file(client: Client) -> None:
    pieces = [each async for each in client.hosts.ReadStatusReport(pb.ReadStatusReportRequest())]
    assert [(piece.name, piece.data) for piece in pieces] == [("xen/dmesg.txt", b"(XEN) simulated Xen\n")]
    none = pb.ReadStatusReportRequest(entries=["disk-info", "nothing"])
    assert [each async for each in client.hosts.ReadStatusReport(none)] == []
