"""Databases follow what they are about: VMs that start, reboot and halt, SRs that are attached; and agents that die."""

import asyncio
import json
from pathlib import Path
from typing import Any

import grpc
import pytest

from component.harness.agent import Agent
from component.harness.client import Client
from component.harness.process import AgentProcess
from component.metrics.ground import HOST, PATIENCE, asked, measured, owned
from xenhost.api.host.v1 import metrics_pb2, vm_pb2
from xenhost.api.host.v1.metrics_service_pb2 import GetRrdRequest, ListDataSourcesRequest, SaveRrdsRequest
from xenhost.api.host.v1.sr_service_pb2 import AttachSrRequest, DetachSrRequest
from xenhost.api.host.v1.vm_service_pb2 import RebootVmRequest, ShutdownVmRequest, StartVmRequest

VM = metrics_pb2.METRICS_KIND_VM
SR = metrics_pb2.METRICS_KIND_SR


async def sampled(client: Client, kind: Any, id: str) -> bool:
    """Has it live data sources?"""
    owner = metrics_pb2.MetricsOwner(kind=kind, id=id)
    try:
        await client.metrics.ListDataSources(ListDataSourcesRequest(owner=owner))
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        return False
    return True


async def until(client: Client, kind: Any, id: str, wanted: bool) -> None:
    async with asyncio.timeout(PATIENCE):
        while await sampled(client, kind, id) is not wanted:
            await asyncio.sleep(0.1)


async def database(client: Client, owner: metrics_pb2.MetricsOwner) -> Any:
    request = GetRrdRequest(owner=owner, format="RRD_FORMAT_JSON")
    return json.loads(b"".join([part.data async for part in client.metrics.GetRrd(request)]))


def known(document: Any) -> int:
    """How many values of the finest archive are known."""
    return sum(value != "NaN" for row in document["rra"][0]["database"] for value in row)


async def test_a_vm_takes_its_past_along(agent: Agent, client: Client) -> None:
    vm = await client.create(name="one")
    owner = metrics_pb2.MetricsOwner(kind=VM, id=vm.id)
    assert not await sampled(client, VM, vm.id)
    await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))
    await until(client, VM, vm.id, True)
    await owned(client, VM, vm.id)
    await client.done(client.vms.RebootVm(RebootVmRequest(id=vm.id)))
    async with asyncio.timeout(PATIENCE):
        while not (before := known(await database(client, owner))):
            await asyncio.sleep(0.5)
    await client.done(client.vms.ShutdownVm(ShutdownVmRequest(id=vm.id)))
    await until(client, VM, vm.id, False)
    assert (agent.config.places.state_dir / "metrics" / f"vm-{vm.id}.rrd").exists()
    assert known(await database(client, owner)) >= before
    await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))
    await until(client, VM, vm.id, True)
    assert known(await database(client, owner)) >= before


async def test_an_sr_has_data_sources_while_it_is_attached(agent: Agent, client: Client, tmp_path: Path) -> None:
    (tmp_path / "sr").mkdir()
    sr = await client.create_sr("local", tmp_path / "sr")
    names = await owned(client, SR, sr.id)
    assert {"size", "physical_utilisation"} <= set(names)
    await client.sr_done(client.srs.DetachSr(DetachSrRequest(id=sr.id)))
    await until(client, SR, sr.id, False)
    await asyncio.sleep(5.5)
    assert not await sampled(client, SR, sr.id), "a meter or plugin does not bring it back"
    await client.sr_done(client.srs.AttachSr(AttachSrRequest(id=sr.id)))
    await until(client, SR, sr.id, True)


@pytest.mark.timeout(240)
async def test_an_agent_that_is_killed_loses_a_minute_at_most(tmp_path: Path) -> None:
    async with AgentProcess(tmp_path, "[metrics]\nenabled = true\n") as process:
        await process.start()
        async with process.client() as client:
            (tmp_path / "kernel").write_bytes(b"kernel")
            vm = await client.create(name="one", direct=vm_pb2.DirectBoot(kernel=str(tmp_path / "kernel")))
            await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))
            await measured(client)
            owner = metrics_pb2.MetricsOwner(kind=VM, id=vm.id)
            await owned(client, VM, vm.id)
            async with asyncio.timeout(PATIENCE):
                while known(await database(client, HOST)) < 40:
                    await asyncio.sleep(0.5)
            before = known(await database(client, owner))
            on_host = known(await database(client, HOST))
            saving = [asyncio.ensure_future(client.metrics.SaveRrds(SaveRrdsRequest())) for _ in range(2)]
            await saving[0]  # what is saved once a minute is saved; the second one is cut short
            await process.kill()
            await asyncio.gather(*saving, return_exceptions=True)
        await process.start()
        async with process.client() as client:
            assert known(await database(client, HOST)) >= on_host
            assert known(await database(client, owner)) >= before
            await until(client, VM, vm.id, True)
            answer = await asked(
                tmp_path / "run/xenhost/metrics.sock", "GET", "/rrd_updates?start=-600&host=true&json=1"
            )
            assert len(json.loads(answer.body)["data"]) >= 2
        assert await process.end() == 0
        lines = [line for line in process.lines() if line["level"] in ("error", "critical")]
        assert not lines
