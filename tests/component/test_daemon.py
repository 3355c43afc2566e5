"""The real `xenhostd`: starts, refusals, signals, kill -9 and what is found afterwards."""

import asyncio
import os
import signal
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import psutil
import pytest
from google.longrunning.operations_pb2 import ListOperationsRequest

from component.harness.client import Client, drained, refused
from component.harness.master import RecordingMaster
from component.harness.pki import Authority
from component.harness.process import AgentProcess
from xenhost.agent.version import VERSION
from xenhost.api.host.v1 import event_service_pb2, host_service_pb2, vm_pb2
from xenhost.api.host.v1.vbd_service_pb2 import PlugVbdRequest
from xenhost.api.host.v1.vm_service_pb2 import GetVmRequest, ListVmsRequest, ShutdownVmRequest, StartVmRequest

pytestmark = pytest.mark.timeout(60)

SLOW = "[sim]\ncheck_paths = false\n[sim.delays]\nbuild = 0.4\nplug = 0.2\nstop = 0.4\n"
QUICK = "[sim]\ncheck_paths = false\n"
VIF = vm_pb2.Vif(bridge="xenbr0")
HOST = host_service_pb2.GetHostRequest()


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[AgentProcess]:
    async with AgentProcess(tmp_path, QUICK) as agent:
        await agent.start()
        yield agent


async def test_it_says_what_it_does(agent: AgentProcess) -> None:
    states = [line.split("=", 1)[1] for text in agent.notified for line in text.splitlines() if "STATUS=" in line]
    assert states[:4] == ["connecting to the hypervisor", "setting up networks", "attaching storage", "recovering"]
    assert await agent.end(signal.SIGTERM) == 0
    messages = [line["message"] for line in agent.lines()]
    assert messages == ["starting", "listening", *messages[2:-3], "ready", "stop asked for", "stopped"]
    assert not Path(agent.target.removeprefix("unix:")).exists()


async def test_operations_are_in_the_log_with_their_outcome(agent: AgentProcess) -> None:
    async with agent.client() as client:
        vm = await client.create(name="one")
        await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))
        bad = await client.create(name="two", vifs=[vm_pb2.Vif(bridge="nobr9")])
        await client.ended(client.vms.StartVm(StartVmRequest(id=bad.id)))
        await agent.end(signal.SIGTERM)
    ended = [line for line in agent.lines() if line["message"] == "operation ended"]
    assert [(line["kind"], line["name"], line["outcome"]) for line in ended] == [
        ("vm.start", "one", "succeeded"),
        ("vm.start", "two", "failed"),
    ]
    assert (ended[0]["vm"], ended[0]["domid"], ended[0]["level"]) == (vm.id, 1, "info")
    assert (ended[1]["reason"], ended[1]["level"]) == ("DEVICE_ATTACH_FAILED", "warning")
    await agent.start()
    await agent.end(signal.SIGTERM)
    assert len([line for line in agent.lines() if line["message"] == "operation ended"]) == 2


async def test_vms_run_on_while_it_is_stopped_and_are_adopted(agent: AgentProcess) -> None:
    async with agent.client() as client:
        vm = await client.create(vifs=[VIF])
        before = await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))
        host = await client.hosts.GetHost(HOST)
    for number in (signal.SIGTERM, signal.SIGKILL):
        await agent.end(number)
        await agent.start()
        async with agent.client() as client:
            after = await client.vms.GetVm(GetVmRequest(id=vm.id))
            assert (after.status.domid, after.status.power_state) == (before.status.domid, vm_pb2.POWER_STATE_RUNNING)
            again = await client.hosts.GetHost(HOST)
            assert again.id == host.id
            assert again.instance_id != host.instance_id


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("doing", ["start", "shutdown", "plug"])
async def test_killed_at_any_moment_nothing_is_lost_and_a_repeated_request_succeeds(
    tmp_path: Path, doing: str, seconds: float
) -> None:
    name = str(uuid4())
    disk = vm_pb2.Vbd(device="xvdb", source=vm_pb2.Source(kind=vm_pb2.SOURCE_KIND_FILE, path="/d"))

    def request(client: Client) -> Any:
        match doing:
            case "start":
                return client.vms.StartVm(StartVmRequest(id=vm.id, request_id=name))
            case "shutdown":
                return client.vms.ShutdownVm(ShutdownVmRequest(id=vm.id, request_id=name))
            case _:
                return client.vbds.PlugVbd(PlugVbdRequest(vm_id=vm.id, vbd=disk, request_id=name))

    async with AgentProcess(tmp_path, SLOW) as agent:
        await agent.start()
        async with agent.client() as client:
            vm = await client.create(vifs=[VIF])
            if doing != "start":
                await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))
            operation = await request(client)
            await asyncio.sleep(seconds)
            await agent.kill()
        await agent.start()
        async with agent.client() as client:
            ended = await client.ended(operation)
            assert (await request(client)).name == ended.name  # the same request is the same operation, still
            current = await client.vms.GetVm(GetVmRequest(id=vm.id))
            if ended.HasField("error"):
                name = str(uuid4())
                current = await client.done(request(client))
            wanted = vm_pb2.POWER_STATE_HALTED if doing == "shutdown" else vm_pb2.POWER_STATE_RUNNING
            assert current.status.power_state == wanted
            assert [vbd.device for vbd in current.vbds] == (["xvdb"] if doing == "plug" else [])
            assert not current.status.problem
            domains = (await client.hosts.ListDomains(host_service_pb2.ListDomainsRequest())).domains
            assert [domain.domid for domain in domains] == ([current.status.domid] if current.status.domid else [])


async def test_a_stop_lets_an_operation_reach_a_safe_point_and_ends_streams(tmp_path: Path) -> None:
    async with AgentProcess(tmp_path, SLOW) as agent:
        await agent.start()
        async with agent.client() as client:
            vm = await client.create()
            watch = client.events.WatchEvents(event_service_pb2.WatchEventsRequest())
            await watch.read()
            await client.vms.StartVm(StartVmRequest(id=vm.id))
            ending = asyncio.ensure_future(agent.end(signal.SIGTERM))
            await refused(drained(watch), "AGENT_STOPPING", grpc.StatusCode.UNAVAILABLE)
            assert await ending == 0
        await agent.start()
        async with agent.client() as client:
            for operation in (await client.operations.ListOperations(ListOperationsRequest())).operations:
                await client.ended(operation)
            assert not (await client.vms.GetVm(GetVmRequest(id=vm.id))).status.problem


async def test_a_second_instance_is_refused(agent: AgentProcess) -> None:
    second = AgentProcess(agent.root, QUICK)
    status, said = await second.run()
    assert status == 75
    assert str(agent.pid) in said
    async with agent.client() as client:
        assert await client.serving()


async def test_a_wrong_configuration_is_refused_with_its_own_status(tmp_path: Path) -> None:
    status, said = await AgentProcess(tmp_path, "[api]\nsockte = 1\n").run()
    assert status == 78
    assert "did you mean socket?" in said


async def test_an_option_that_the_driver_does_not_know_is_refused(tmp_path: Path) -> None:
    status, said = await AgentProcess(tmp_path, "[sim]\ncolour = 1\n").run()
    assert status == 78
    assert "colour" in said


async def test_tcp_without_certificates_is_refused(tmp_path: Path) -> None:
    status, said = await AgentProcess(tmp_path, '[api]\nlisten = ["127.0.0.1:0"]\n').run()
    assert status == 78
    assert "agent.crt" in said


async def test_check_reads_and_starts_nothing(tmp_path: Path) -> None:
    agent = AgentProcess(tmp_path, QUICK, "--check", "--hypervisor", "sim")
    assert (await agent.run())[0] == 0
    assert not (tmp_path / "var").exists()
    broken = AgentProcess(tmp_path, '[api]\nlisten = ["127.0.0.1:0"]\n', "--check", "--hypervisor", "sim")
    status, said = await broken.run()
    assert status == 78
    assert "agent.crt" in said


@pytest.mark.parametrize(
    ("argument", "status", "words"),
    [("--version", 0, VERSION), ("--help", 0, "Exit status"), ("--colour", 2, "unrecognized")],
)
async def test_the_command_line_helps(tmp_path: Path, argument: str, status: int, words: str) -> None:
    got, said = await AgentProcess(tmp_path, "", argument).run()
    assert got == status
    assert words in said


@pytest.mark.skipif(os.path.exists("/proc/xen/capabilities"), reason="this is a Xen host")
async def test_without_xen_it_says_so(tmp_path: Path) -> None:
    status, said = await AgentProcess(tmp_path, "", "--hypervisor", "xen").run()
    assert status == 69
    assert "--hypervisor sim" in said


async def test_nobody_else_may_use_its_socket_and_state(agent: AgentProcess) -> None:
    sock = agent.root / "run/xenhost/xenhostd.sock"
    assert stat.S_IMODE(sock.stat().st_mode) & 0o007 == 0
    assert stat.S_IMODE((agent.root / "var/lib/xenhost").stat().st_mode) == 0o700


async def test_tls_and_link_in_the_real_process(tmp_path: Path) -> None:
    pool = Authority(tmp_path / "pki", "pool CA")
    files, master = pool.issue("host-1"), RecordingMaster()
    address = await master.start("127.0.0.1:0", pool.issue("master"))
    keys = f'cert = "{files.cert}"\nkey = "{files.key}"\nca = "{files.ca}"\n'
    config = f'[api]\nlisten = ["127.0.0.1:0"]\n{keys}[master]\naddress = "{address}"\n{keys}'
    agent = AgentProcess(tmp_path / "host", config)
    await agent.start()
    try:
        await master.heard(lambda m: bool(m.of_kind("heartbeat")))
        endpoint = master.registrations[0].endpoints[0].replace("127.0.0.1", "localhost")
        async with agent.client(endpoint, pool.issue("master")) as client:
            assert (await client.hosts.GetHost(HOST)).id == master.registrations[0].host.id
        await agent.kill()
        await agent.start()
        await master.heard(lambda m: len(m.registrations) == 2)
        one, two = (registration.host for registration in master.registrations)
        assert one.id == two.id
        assert one.instance_id != two.instance_id
    finally:
        await agent.kill()
        await master.stop()


async def test_its_memory_stays_small_with_eight_vms(agent: AgentProcess) -> None:
    async with agent.client() as client:
        for _ in range(8):
            vm = await client.create(vifs=[VIF])
            await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))
        assert len((await client.vms.ListVms(ListVmsRequest())).vms) == 8
        resident = psutil.Process(agent.pid).memory_info().rss
        print(f"resident: {resident >> 10} KiB")
        assert resident < 110 * 2**20  # numpy and librrd, which metrics need, are 30 MiB of them
