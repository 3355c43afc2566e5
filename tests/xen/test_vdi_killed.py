"""The real `xenhostd` is killed while a guest uses a VDI: the guest goes on, and the next agent takes over."""

import asyncio
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from component.harness import process
from component.harness.client import Client
from component.harness.process import AgentProcess
from xen.vdi_host import Shell
from xen.xen_host import run
from xenhost.api.host.v1 import host_service_pb2, vm_pb2
from xenhost.api.host.v1.vbd_service_pb2 import PlugVbdRequest, UnplugVbdRequest
from xenhost.api.host.v1.vdi_service_pb2 import GetVdiRequest
from xenhost.api.host.v1.vm_service_pb2 import GetVmRequest, ShutdownVmRequest, StartVmRequest
from xenhost.core.units import MIB

pytestmark = [pytest.mark.timeout(1200), pytest.mark.xen_long]
RUNNING, HALTED = vm_pb2.POWER_STATE_RUNNING, vm_pb2.POWER_STATE_HALTED


@pytest.fixture
async def agent(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AgentProcess]:
    monkeypatch.setattr(process, "START_SECONDS", 180.0)  # the emulated machine may share its host with others
    folder = Path(tempfile.mkdtemp(prefix="xh-"))  # a short name: the kernel bounds those of sockets
    try:
        async with AgentProcess(folder, "", "--hypervisor", "xen") as agent:
            try:
                await agent.start()
                yield agent
                if not agent.runs:
                    await agent.start()
                async with agent.client() as client:
                    for domain in await domains(client):
                        await client.done(client.vms.ShutdownVm(ShutdownVmRequest(id=domain.vm_id, hard=True)))
            finally:
                print(agent.log.read_text()[-8000:])
        assert await run("sh", "-c", "pgrep -a qemu-storage || true") == ""
        assert await run("sh", "-c", "lsblk -nro NAME,SIZE | grep ^nbd | grep -v ' 0B' || true") == ""
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def domains(client: Client) -> list[Any]:
    found = (await client.hosts.ListDomains(host_service_pb2.ListDomainsRequest())).domains
    return [domain for domain in found if domain.managed]


def disk(vdi: str, device: str) -> vm_pb2.Vbd:
    return vm_pb2.Vbd(device=device, source=vm_pb2.Source(vdi_id=vdi))


async def a_vm(client: Client, agent: AgentProcess, guests: Path) -> tuple[vm_pb2.Vm, str, str]:
    """A VM with a disk, and another VDI."""
    folder = agent.root / "sr"
    folder.mkdir()
    sr = await client.create_sr("images", folder)
    vdis = [(await client.create_vdi(sr.id, name, 64 * MIB)).id for name in ("system", "data")]
    boot = vm_pb2.DirectBoot(
        kernel=str(guests / "vmlinux"), ramdisk=str(guests / "initrd.gz"), cmdline="console=hvc0 quiet"
    )
    memory = vm_pb2.Memory(static_max_bytes=128 * MIB)
    vbds = [disk(vdis[0], "xvda")]
    vm = await client.create(name="web", type=vm_pb2.VM_TYPE_PV, direct=boot, memory=memory, vbds=vbds)
    return vm, vdis[0], vdis[1]


async def shell(domid: int) -> Shell:
    async with asyncio.timeout(240):
        while not (tty := (await run("xenstore-read", f"/local/domain/{domid}/console/tty")).strip()):
            await asyncio.sleep(0.1)
    return Shell(tty)


@pytest.mark.xen_core
async def test_a_guest_on_a_vdi_does_not_notice_that_the_agent_is_killed(agent: AgentProcess, guests: Path) -> None:
    async with agent.client() as client:
        vm, system, data = await a_vm(client, agent, guests)
        started = await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))
        guest = await shell(started.status.domid)
        await guest.heard(re.compile(rb"GUESTUP"), 240)
        await client.done(client.vbds.PlugVbd(PlugVbdRequest(vm_id=vm.id, vbd=disk(data, "xvdb"))))
        await guest.heard(re.compile(rb"GUESTDEV add xvdb"), 120)
        await agent.kill()
    with guest:
        await guest.run("echo nobody looks | dd of=/dev/xvda conv=fsync")
        await agent.start()
        await guest.run("echo somebody looks | dd of=/dev/xvdb conv=fsync")
        async with agent.client() as client:
            adopted = await client.vms.GetVm(GetVmRequest(id=vm.id))
            assert (adopted.status.domid, adopted.status.power_state) == (started.status.domid, RUNNING)
            used = await client.vdis.GetVdi(GetVdiRequest(id=data))
            assert list(used.status.datapaths) == [f"vbd/{vm.id}/xvdb"]
            await client.done(client.vbds.UnplugVbd(UnplugVbdRequest(vm_id=vm.id, device="xvdb")))
            await guest.heard(re.compile(rb"GUESTDEV remove xvdb"), 120)
            assert not (await client.vdis.GetVdi(GetVdiRequest(id=data))).status.datapaths
            assert "nobody looks" in await guest.run("head -c 12 /dev/xvda")
            halted = await client.done(client.vms.ShutdownVm(ShutdownVmRequest(id=vm.id, timeout_seconds=180)))
            assert halted.status.power_state == HALTED
            assert not (await client.vdis.GetVdi(GetVdiRequest(id=system))).status.datapaths


@pytest.mark.parametrize("seconds", [0.2, 0.6])
async def test_killed_while_it_starts_a_vm_on_a_vdi_it_recovers(
    agent: AgentProcess, guests: Path, seconds: float
) -> None:
    async with agent.client() as client:
        vm, system, _ = await a_vm(client, agent, guests)
        operation = await client.vms.StartVm(StartVmRequest(id=vm.id))
        await asyncio.sleep(seconds)
        await agent.kill()
    await agent.start()
    async with agent.client() as client:
        ended = await client.ended(operation)
        if ended.HasField("error"):
            assert not await domains(client)
            assert not (await client.vdis.GetVdi(GetVdiRequest(id=system))).status.datapaths
            await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))
        current = await client.vms.GetVm(GetVmRequest(id=vm.id))
        assert (current.status.power_state, current.status.problem) == (RUNNING, "")
        with await shell(current.status.domid) as guest:
            await guest.heard(re.compile(rb"GUESTUP"), 240)
            await guest.run("echo hello | dd of=/dev/xvda conv=fsync")
