"""The real `xenhostd` on real Xen: the main job through its gRPC API, killed in between."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from component.harness.client import EOF, Client, drained
from component.harness.process import AgentProcess
from xenhost.api.host.v1 import console_service_pb2, event_service_pb2, host_service_pb2, vm_pb2
from xenhost.api.host.v1.vbd_service_pb2 import PlugVbdRequest, UnplugVbdRequest
from xenhost.api.host.v1.vm_service_pb2 import GetVmRequest, ShutdownVmRequest, StartVmRequest
from xenhost.core.units import MIB

RUNNING, HALTED = vm_pb2.POWER_STATE_RUNNING, vm_pb2.POWER_STATE_HALTED


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[AgentProcess]:
    async with AgentProcess(tmp_path, "", "--hypervisor", "xen") as agent:
        await agent.start()
        yield agent
        if not agent.runs:
            await agent.start()
        async with agent.client() as client:
            for domain in await domains(client):
                if domain.managed:
                    await client.done(client.vms.ShutdownVm(ShutdownVmRequest(id=domain.vm_id, hard=True)))


async def domains(client: Client) -> list[Any]:
    return list((await client.hosts.ListDomains(host_service_pb2.ListDomainsRequest())).domains)


async def heard(call: Any, mark: bytes, within: float = 90) -> None:
    output = b""
    async with asyncio.timeout(within):
        while mark not in output:
            response = await call.read()
            assert response is not EOF, output[-500:]
            output += response.output


async def console_of(client: Client, vm: str) -> Any:
    call = client.consoles.AttachConsole()
    await call.write(console_service_pb2.AttachConsoleRequest(vm_id=vm))
    return call


def image(path: Path) -> vm_pb2.Source:
    with path.open("wb") as file:
        file.truncate(8 * MIB)
    return vm_pb2.Source(path=str(path))


async def a_guest(client: Client, guests: Path, disk: Path, number: int = 0) -> vm_pb2.Vm:
    boot = vm_pb2.DirectBoot(
        kernel=str(guests / "vmlinux"), ramdisk=str(guests / "initrd.gz"), cmdline="console=hvc0 quiet"
    )
    return await client.create(
        name=f"web-{number}",
        type=vm_pb2.VM_TYPE_PV,
        direct=boot,
        memory=vm_pb2.Memory(static_max_bytes=128 * MIB),
        vbds=[vm_pb2.Vbd(device="xvda", source=image(disk))],
        vifs=[vm_pb2.Vif(bridge="xenbr0")],
    )


async def test_a_vm_is_run_changed_and_shut_down_and_never_notices_that_the_agent_is_killed(
    agent: AgentProcess, guests: Path, tmp_path: Path
) -> None:
    async with agent.client() as client:
        watch = client.events.WatchEvents(event_service_pb2.WatchEventsRequest())
        assert (await watch.read()).checkpoint
        vm = await a_guest(client, guests, tmp_path / "a.img")
        started = await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))
        assert started.status.power_state == RUNNING
        console = await console_of(client, vm.id)
        await heard(console, b"GUESTUP")
        assert (await watch.read()).events
        disk = vm_pb2.Vbd(device="xvdb", source=image(tmp_path / "b.img"))
        await client.done(client.vbds.PlugVbd(PlugVbdRequest(vm_id=vm.id, vbd=disk)))
        await heard(console, b"GUESTDEV add xvdb")
        resident = psutil.Process(agent.pid).memory_info().rss
        print(f"resident: {resident >> 10} KiB")
        assert resident < 110 * MIB  # numpy and librrd, which metrics need, are 30 MiB of them

        await agent.kill()
    await agent.start()

    async with agent.client() as client:
        adopted = await client.vms.GetVm(GetVmRequest(id=vm.id))
        assert (adopted.status.domid, adopted.status.power_state) == (started.status.domid, RUNNING)
        assert adopted.status.started.seconds == started.status.started.seconds
        console = await console_of(client, vm.id)
        await client.done(client.vbds.UnplugVbd(UnplugVbdRequest(vm_id=vm.id, device="xvdb")))
        await heard(console, b"GUESTDEV remove xvdb")
        halted = await client.done(client.vms.ShutdownVm(ShutdownVmRequest(id=vm.id, timeout_seconds=150)))
        assert halted.status.power_state == HALTED
        async with asyncio.timeout(150):
            await drained(console)
        assert not [domain for domain in await domains(client) if domain.managed]


@pytest.mark.parametrize("seconds", [0.1, 0.8])
async def test_killed_in_the_middle_of_a_start_it_recovers(
    agent: AgentProcess, guests: Path, tmp_path: Path, seconds: float
) -> None:
    async with agent.client() as client:
        vm = await a_guest(client, guests, tmp_path / "a.img")
        operation = await client.vms.StartVm(StartVmRequest(id=vm.id))
        await asyncio.sleep(seconds)
        await agent.kill()
    await agent.start()
    async with agent.client() as client:
        ended = await client.ended(operation)
        if ended.HasField("error"):
            assert not [domain for domain in await domains(client) if domain.managed]
            await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))
        current = await client.vms.GetVm(GetVmRequest(id=vm.id))
        assert (current.status.power_state, current.status.problem) == (RUNNING, "")
        assert [domain.domid for domain in await domains(client) if domain.managed] == [current.status.domid]
        await heard(await console_of(client, vm.id), b"GUESTUP")


async def test_an_orderly_stop_leaves_the_vm_running(agent: AgentProcess, guests: Path, tmp_path: Path) -> None:
    async with agent.client() as client:
        vm = await a_guest(client, guests, tmp_path / "a.img")
        before = await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))
        await heard(await console_of(client, vm.id), b"GUESTUP")
    assert await agent.end(signal.SIGTERM) == 0
    await agent.start()
    async with agent.client() as client:
        after = await client.vms.GetVm(GetVmRequest(id=vm.id))
        assert (after.status.domid, after.status.power_state) == (before.status.domid, RUNNING)
