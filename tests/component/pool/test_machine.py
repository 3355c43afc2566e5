"""Hosts as machines, asked through the dispatcher: the machine is simulated, plugins are real processes."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master, reporting
from component.pool.test_vms import RECORD
from kit.scripts import script
from xenhost.agent.dom0.machine import Cstate, NtpMode, Stop
from xenhost.agent.dom0.simulated import SimulatedMachine
from xenhost.pool.call import Context, Ref, Value
from xenhost.pool.hosts import ssh as ssh_module
from xenhost.system import xmlrpc


@pytest.fixture
async def host(master: Master, agent: HostAgent) -> Ref:
    ref = master.only("host").ref
    await master.database.change(lambda t: t.create("pool", {"master": ref}))
    return ref


def machine(agent: HostAgent) -> SimulatedMachine:
    found = agent.host.dom0.machine
    assert isinstance(found, SimulatedMachine)
    return found


def answering(value: xmlrpc.Value) -> str:
    return f'cat > /dev/null\nprintf "%s" "{xmlrpc.dump_response({"Status": "Success", "Value": value})}"'


async def test_a_plugin_answers_fails_or_is_missing(tmp_path: Path, master: Master, host: Ref) -> None:
    folder = tmp_path / "etc/xapi.d/plugins"
    script(folder, "say", f'printf "%s" "$1" > {tmp_path}/call\n{answering("yes")}')
    failure = xmlrpc.dump_response({"Status": "Failure", "ErrorDescription": ["ITS_OWN", "a", "b"]})
    script(folder, "own", f'printf "%s" "{failure}"')
    script(folder, "bad", "echo out; echo err >&2; exit 1")
    caller = Context(session=Ref("OpaqueRef:s"), superuser=True)
    assert await master.dispatcher.call(caller, "host.call_plugin", [host, "say", "fn", {"k": "v"}]) == "yes"
    call = xmlrpc.load_call((tmp_path / "call").read_text())
    assert (call.method, call.params) == ("fn", ("OpaqueRef:s", {"k": "v"}))
    assert await master.refused("ITS_OWN", "host.call_plugin", host, "own", "fn", {}) == ["ITS_OWN", "a", "b"]
    error = await master.refused("XENAPI_PLUGIN_FAILURE", "host.call_plugin", host, "bad", "fn", {})
    assert error[1:] == ["non-zero exit", "out\n", "err\n"]
    error = await master.refused("XENAPI_MISSING_PLUGIN", "host.call_plugin", host, "../plugins/say", "fn", {})
    assert error[1:] == ["../plugins/say"]


async def test_a_task_that_is_cancelled_ends_its_plugin(tmp_path: Path, master: Master, host: Ref) -> None:
    lines = f"echo $$ > {tmp_path}/part; mv {tmp_path}/part {tmp_path}/pid\nexec sleep 60"
    script(tmp_path / "etc/xapi.d/plugins", "slow", lines)
    task = await master.ref("Async.host.call_plugin", host, "slow", "fn", {})
    await master.until(lambda: (tmp_path / "pid").exists())
    pid = int((tmp_path / "pid").read_text())
    await master.call("task.cancel", task)
    await master.until(lambda: master.database.get("task", task)["status"] == "cancelled")
    await master.until(lambda: not Path(f"/proc/{pid}").exists())


async def test_extensions_are_found_and_called(tmp_path: Path, master: Master, host: Ref) -> None:
    (pool,) = master.database.rows("pool")
    assert await master.call("host.has_extension", host, "Test.hello") is False
    assert await master.call("pool.has_extension", pool, "Test.hello") is False
    script(tmp_path / "etc/xapi.d/extensions", "Test.hello", answering("hello"))
    assert await master.call("host.has_extension", host, "Test.hello") is True
    assert await master.call("pool.has_extension", pool, "Test.hello") is True
    call = json.dumps({"method": "Test.hello", "params": ["you"], "id": 1})
    assert await master.call("host.call_extension", host, call) == "hello"
    other = json.dumps({"method": "Test.bye", "params": []})
    error = await master.refused("MESSAGE_METHOD_UNKNOWN", "host.call_extension", host, other)
    assert error[1:] == ["Test.bye"]
    for wrong in ("nonsense", "[]", '{"method": 1, "params": []}', '{"method": "x"}'):
        await master.refused("INVALID_VALUE", "host.call_extension", host, wrong)


async def test_names_are_checked_and_reach_the_host(master: Master, agent: HostAgent, host: Ref) -> None:
    for name, why in (
        ("", "hostname empty"),
        ("x" * 256, "hostname is too long"),
        ("-x", "hostname contains invalid characters"),
        ("a b", "hostname contains invalid characters"),
    ):
        error = await master.refused("HOST_NAME_INVALID", "host.set_hostname_live", host, name)
        assert error[1:] == [why]
    await master.call("host.set_hostname_live", host, "host-9")
    assert machine(agent).settings["hostname"] == "host-9"
    assert await master.call("host.get_hostname", host) == "host-9"
    await master.refused("INVALID_VALUE", "host.set_iscsi_iqn", host, "")
    await master.call("host.set_iscsi_iqn", host, "iqn.2026-11.net.example:a")
    assert machine(agent).settings["iqn"] == "iqn.2026-11.net.example:a"
    assert await master.call("host.get_iscsi_iqn", host) == "iqn.2026-11.net.example:a"
    assert (await master.call("host.get_other_config", host))["iscsi_iqn"] == "iqn.2026-11.net.example:a"


async def test_the_clock_of_a_host(master: Master, agent: HostAgent, host: Ref) -> None:
    now = datetime.now(UTC)
    assert abs(await master.call("host.get_servertime", host) - now) < timedelta(seconds=30)
    assert "Asia/Kolkata" in await master.call("host.list_timezones", host)
    await master.refused("INVALID_VALUE", "host.set_timezone", host, "Mars/Olympus")
    await master.call("host.set_timezone", host, "Asia/Kolkata")
    assert await master.call("host.get_timezone", host) == "Asia/Kolkata"
    ahead = await master.call("host.get_server_localtime", host) - await master.call("host.get_servertime", host)
    assert abs(ahead - timedelta(hours=5, minutes=30)) < timedelta(seconds=30)
    wanted = datetime(2030, 1, 1, tzinfo=UTC)
    error = await master.refused("NOT_ALLOWED_WHEN_NTP_IS_ENABLED", "host.set_servertime", host, wanted)
    assert error[1:] == [host]
    await master.call("host.set_ntp_mode", host, "Disabled")
    await master.call("host.set_servertime", host, wanted)
    assert abs(await master.call("host.get_servertime", host) - wanted) < timedelta(seconds=30)


async def test_time_servers_of_a_host(master: Master, agent: HostAgent, host: Ref) -> None:
    assert await master.call("host.get_ntp_synchronized", host) is True
    await master.refused("INVALID_NTP_CONFIG", "host.set_ntp_mode", host, "Custom")
    await master.call("host.set_ntp_custom_servers", host, ["192.0.2.1"])
    assert machine(agent).ntp is NtpMode.FACTORY, "they are kept until the mode is Custom"
    await master.call("host.set_ntp_mode", host, "Custom")
    assert await master.call("host.get_ntp_servers_status", host) == {"192.0.2.1": "synced"}
    await master.refused("INVALID_NTP_CONFIG", "host.set_ntp_custom_servers", host, [])
    await master.refused("INVALID_NTP_CONFIG", "host.set_ntp_custom_servers", host, ["a b"])
    assert await master.call("host.get_ntp_custom_servers", host) == ("192.0.2.1",)
    await master.call("host.set_ntp_custom_servers", host, ["192.0.2.2", "192.0.2.3"])
    assert machine(agent).ntp_servers == ("192.0.2.2", "192.0.2.3")
    await master.call("host.set_ntp_mode", host, "Disabled")
    assert await master.call("host.get_ntp_synchronized", host) is False
    assert await master.call("host.get_ntp_servers_status", host) == {}


async def test_logs_and_keys_of_xen(master: Master, agent: HostAgent, host: Ref) -> None:
    await master.call("host.send_debug_keys", host, "q")
    assert machine(agent).keys == "q"
    assert "'q' pressed" in await master.call("host.dmesg", host)
    assert "'q' pressed" in await master.call("host.dmesg_clear", host)
    assert await master.call("host.dmesg", host) == ""
    assert await master.call("host.get_log", host)
    await master.refused("INVALID_VALUE", "host.send_debug_keys", host, "")
    await master.database.change(lambda t: t.set("host", host, {"logging": {"syslog_destination": "192.0.2.1"}}))
    await master.call("host.syslog_reconfigure", host)
    assert machine(agent).settings["syslog"] == "192.0.2.1"


async def test_sleep_and_scheduling_of_cpus(master: Master, agent: HostAgent, host: Ref) -> None:
    await master.refused("VALUE_NOT_SUPPORTED", "host.set_max_cstate", host, "2")
    await master.refused("INVALID_VALUE", "host.set_max_cstate", host, "C1")
    await master.call("host.set_max_cstate", host, "1,0")
    assert machine(agent).settings["cstate"] == Cstate(1, 0)
    assert await master.call("host.get_max_cstate", host) == "1,0"
    assert await master.call("host.get_sched_gran", host) == "cpu"
    await master.refused("OPERATION_NOT_ALLOWED", "host.set_sched_gran", host, "core")


async def test_ssh_opens_for_a_while_and_closes_by_itself(
    master: Master, agent: HostAgent, host: Ref, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pool,) = master.database.rows("pool")
    await master.refused("INVALID_VALUE", "host.set_ssh_enabled_timeout", host, 172_801)
    await master.call("pool.set_ssh_enabled_timeout", pool, 600)
    await master.call("pool.enable_ssh", pool)
    record: Any = await master.call("host.get_record", host)
    assert record["ssh_enabled"] is True
    assert timedelta(seconds=500) < record["ssh_expiry"] - datetime.now(UTC) <= timedelta(seconds=600)
    assert machine(agent).settings["ssh"] is True
    await master.call("host.set_ssh_enabled_timeout", host, 1)
    monkeypatch.setattr(ssh_module, "LOOK_SECONDS", 0.2)
    watching = asyncio.create_task(master.parts.ssh.watch())
    await master.until(lambda: not master.only("host")["ssh_enabled"])
    watching.cancel()
    assert machine(agent).settings["ssh"] is False
    await master.call("host.set_ssh_enabled_timeout", host, 0)
    await master.call("host.enable_ssh", host)
    assert (await master.call("host.get_ssh_expiry", host)).timestamp() == 0
    await master.call("pool.disable_ssh", pool)
    assert machine(agent).settings["ssh"] is False
    await master.refused("VALUE_NOT_SUPPORTED", "host.set_ssh_auto_mode", host, True)
    error = await master.refused("SET_SSH_AUTO_MODE_PARTIALLY_FAILED", "pool.set_ssh_auto_mode", pool, True)
    assert error[1:] == [host]
    await master.refused("INVALID_VALUE", "host.set_console_idle_timeout", host, -1)
    await master.call("pool.set_console_idle_timeout", pool, 300)
    assert machine(agent).settings["console_timeout"] == 300
    assert await master.call("host.get_console_idle_timeout", host) == 300


async def test_ssh_that_is_opened_again_when_its_time_is_over_stays_open(
    master: Master, agent: HostAgent, host: Ref, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, go, set_ssh = asyncio.Event(), asyncio.Event(), machine(agent).set_ssh

    async def slow(on: bool) -> None:
        await set_ssh(on)
        if on:
            opened.set()
            await go.wait()

    monkeypatch.setattr(machine(agent), "set_ssh", slow)
    monkeypatch.setattr(ssh_module, "LOOK_SECONDS", 0.05)
    over: dict[str, Value] = {"ssh_enabled": True, "ssh_expiry": datetime.now(UTC) - timedelta(seconds=1)}
    enabling = asyncio.create_task(master.call("host.enable_ssh", host))
    await opened.wait()
    await master.database.change(lambda t: t.set("host", host, over))
    watching = asyncio.create_task(master.parts.ssh.watch())
    await asyncio.sleep(0.5)
    go.set()
    await enabling
    await asyncio.sleep(0.2)
    watching.cancel()
    assert master.only("host")["ssh_enabled"] is True
    assert machine(agent).settings["ssh"] is True


async def test_only_a_disabled_and_empty_host_is_stopped(master: Master, agent: HostAgent, host: Ref) -> None:
    vm = await master.ref("VM.create", RECORD)
    await master.call("VM.start", vm, False, False)
    await master.refused("HOST_NOT_DISABLED", "host.reboot", host)
    await master.call("host.disable", host)
    error = await master.refused("HOST_IN_USE", "host.shutdown", host)
    assert error[1:] == [host, "vm", vm]
    await master.call("VM.hard_shutdown", vm)
    await master.call("host.reboot", host)
    await master.call("host.shutdown", host)
    assert machine(agent).stops == [Stop.REBOOT, Stop.SHUTDOWN]
    await master.refused("OPERATION_NOT_ALLOWED", "host.restart_agent", host)
    await master.refused("OPERATION_NOT_ALLOWED", "host.shutdown_agent")
    await master.refused("NOT_IN_EMERGENCY_MODE", "host.local_management_reconfigure", "eth0")


async def test_a_lost_host_is_switched_on_by_a_plugin_of_the_masters(tmp_path: Path, master: Master) -> None:
    other = await master.database.change(lambda t: t.create("host", {"uuid": "other", "power_on_mode": ""}))
    async with reporting(tmp_path, master):
        (host,) = (ref for ref in master.database.rows("host") if ref != other)
        await master.database.change(lambda t: t.create("pool", {"master": host}))
        await master.refused("HOST_IS_LIVE", "host.power_on", host)
        await master.refused("HOST_POWER_ON_MODE_DISABLED", "host.power_on", other)
        await master.call("host.set_power_on_mode", other, "custom", {})
        await master.refused("XENAPI_MISSING_PLUGIN", "host.power_on", other)
        folder = tmp_path / "etc/xapi.d/plugins"
        script(folder, "power-on-host", f'printf "%s" "$1" > {tmp_path}/call\n{answering("True")}')
        await master.call("host.power_on", other)
        call = xmlrpc.load_call((tmp_path / "call").read_text())
        assert (call.method, call.params[1]) == ("main", {"remote_host_uuid": "other"})
        script(folder, "power-on-host", answering("False"))
        await master.refused("INTERNAL_ERROR", "host.power_on", other)


async def test_what_is_asked_of_a_lost_host_says_so(tmp_path: Path, master: Master) -> None:
    async with reporting(tmp_path, master):
        host = master.only("host").ref
        await master.call("host.sync_data", host)
    await master.until(lambda: not master.only("host_metrics")["live"])
    for method, *params in (
        ("host.dmesg",),
        ("host.get_servertime",),
        ("host.call_plugin", "say", "fn", {}),
        ("host.set_hostname_live", "x"),
        ("host.enable_ssh",),
        ("host.sync_data",),
    ):
        error = await master.refused("HOST_OFFLINE", str(method), host, *params)
        assert error[1:] == [host]


async def test_the_loss_of_hosts_is_planned_for(master: Master, host: Ref) -> None:
    (pool,) = master.database.rows("pool")
    vm = await master.ref("VM.create", RECORD)
    assert await master.call("pool.ha_compute_max_host_failures_to_tolerate") == 1
    assert await master.call("pool.ha_failover_plan_exists", 2) is False
    compute = "pool.ha_compute_hypothetical_max_host_failures_to_tolerate"
    assert await master.call(compute, {vm: "best-effort"}) == 1
    assert await master.call(compute, {vm: "restart"}) == 0
    await master.refused("INVALID_VALUE", compute, {vm: "soon"})
    protected: dict[str, Value] = {"ha_always_run": True, "ha_restart_priority": "restart"}
    await master.database.change(lambda t: t.set("VM", vm, protected))
    assert await master.call("pool.ha_failover_plan_exists", 0) is True
    assert await master.call("pool.ha_failover_plan_exists", 1) is False
    assert await master.call("pool.ha_compute_vm_failover_plan", [], [vm]) == {vm: {"host": host}}
    plan = await master.call("pool.ha_compute_vm_failover_plan", [host], [vm])
    assert plan == {vm: {"error_code": "HOST_NOT_ENOUGH_FREE_MEMORY"}}
    await master.refused("INVALID_VALUE", "pool.set_ha_host_failures_to_tolerate", pool, -1)
    await master.call("pool.set_ha_host_failures_to_tolerate", pool, 1)
    assert await master.call("pool.get_ha_host_failures_to_tolerate", pool) == 1
