"""MetricsService and `xenhost metrics`: every call, and its errors."""

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog

from component.harness.agent import Agent, running
from component.harness.client import Client, refused
from component.harness.command import CommandLine
from component.metrics.ground import HOST, PATIENCE, host_sources, measured, owned
from xenhost.api.host.v1 import metrics_pb2
from xenhost.api.host.v1.metrics_service_pb2 import (
    DeleteMessageRequest,
    DeleteRrdRequest,
    DrawGraphRequest,
    ForgetDataSourceArchivesRequest,
    GetOpenMetricsRequest,
    GetRrdRequest,
    GetUpdatesRequest,
    ListAlertsRequest,
    ListDataSourcesRequest,
    ListMessagesRequest,
    PutRrdRequest,
    QueryDataSourceRequest,
    RecordDataSourceRequest,
    SaveRrdsRequest,
    SetAlertsRequest,
)
from xenhost.api.host.v1.vm_service_pb2 import ShutdownVmRequest, StartVmRequest

CODE = grpc.StatusCode
NOBODY = "00000000-0000-0000-0000-000000000001"
PERFMON = '<config><variable><name value="mem_usage"/><alarm_trigger_level value="0"/></variable></config>'


def vm_owner(id: str) -> metrics_pb2.MetricsOwner:
    return metrics_pb2.MetricsOwner(kind=metrics_pb2.METRICS_KIND_VM, id=id)


async def whole(stream: Any) -> bytes:
    return b"".join([part.data async for part in stream])


async def test_data_sources_are_recorded_queried_and_forgotten(client: Client) -> None:
    await measured(client)
    found = await host_sources(client)
    off = next(name for name, source in found.items() if not source.enabled)
    assert not found[off].standard
    assert found["loadavg"].standard
    assert found["loadavg"].enabled
    await refused(
        client.metrics.QueryDataSource(QueryDataSourceRequest(owner=HOST, name=off)),
        "INVALID_VALUE",
        CODE.INVALID_ARGUMENT,
    )
    await client.metrics.RecordDataSource(RecordDataSourceRequest(owner=HOST, name=off))
    assert (await host_sources(client))[off].enabled
    answer = await client.metrics.QueryDataSource(QueryDataSourceRequest(owner=HOST, name="loadavg"))
    assert answer.value >= 0
    await client.metrics.ForgetDataSourceArchives(ForgetDataSourceArchivesRequest(owner=HOST, name=off))
    assert not (await host_sources(client))[off].enabled
    await refused(
        client.metrics.RecordDataSource(RecordDataSourceRequest(owner=HOST, name="nothing")),
        "INVALID_VALUE",
        CODE.INVALID_ARGUMENT,
    )
    other = metrics_pb2.MetricsOwner(kind=metrics_pb2.METRICS_KIND_HOST, id=NOBODY)
    for owner, reason, code in (
        (vm_owner(NOBODY), "HANDLE_INVALID", CODE.NOT_FOUND),
        (other, "HANDLE_INVALID", CODE.NOT_FOUND),
        (metrics_pb2.MetricsOwner(), "INVALID_VALUE", CODE.INVALID_ARGUMENT),
    ):
        await refused(client.metrics.ListDataSources(ListDataSourcesRequest(owner=owner)), reason, code)


async def test_databases_updates_pictures_and_text(client: Client) -> None:
    vm = await client.create(name="one")
    await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))
    await measured(client)
    await owned(client, metrics_pb2.METRICS_KIND_VM, vm.id)
    owner = vm_owner("one")
    xml = await whole(client.metrics.GetRrd(GetRrdRequest(owner=owner, internal=True)))
    assert xml.startswith(b"<")
    json.loads(await whole(client.metrics.GetRrd(GetRrdRequest(owner=HOST, format="RRD_FORMAT_JSON"))))
    updates = json.loads(
        await whole(client.metrics.GetUpdates(GetUpdatesRequest(start=-60, all_vms=True, format="RRD_FORMAT_JSON")))
    )
    assert all(entry.split(":")[1] == "vm" for entry in updates["meta"]["legend"])
    png = await whole(client.metrics.DrawGraph(DrawGraphRequest(owner=owner, width=200, height=60)))
    assert png.startswith(b"\x89PNG")
    assert b"xenhost" in await whole(client.metrics.GetOpenMetrics(GetOpenMetricsRequest()))
    await client.metrics.SaveRrds(SaveRrdsRequest())

    async def requests(data: bytes) -> Any:
        yield PutRrdRequest(owner=owner)
        for start in range(0, len(data), 100_000):
            yield PutRrdRequest(data=data[start : start + 100_000])

    await client.metrics.PutRrd(requests(xml))
    await refused(client.metrics.PutRrd(requests(b"<no/>")), "INVALID_VALUE", CODE.INVALID_ARGUMENT)
    await refused(
        client.metrics.DeleteRrd(DeleteRrdRequest(owner=owner)), "OPERATION_NOT_ALLOWED", CODE.FAILED_PRECONDITION
    )
    await client.done(client.vms.ShutdownVm(ShutdownVmRequest(id=vm.id)))
    await asyncio.sleep(0.5)
    assert await whole(client.metrics.GetRrd(GetRrdRequest(owner=owner)))
    await client.metrics.DeleteRrd(DeleteRrdRequest(owner=owner))
    await client.metrics.DeleteRrd(DeleteRrdRequest(owner=owner))
    await refused(whole(client.metrics.GetRrd(GetRrdRequest(owner=owner))), "HANDLE_INVALID", CODE.NOT_FOUND)
    for request in (
        DrawGraphRequest(owner=HOST, names=["nothing"]),
        DrawGraphRequest(owner=HOST, width=5),
        DrawGraphRequest(owner=HOST, names=["x"] * 17),
    ):
        await refused(whole(client.metrics.DrawGraph(request)), "INVALID_VALUE", CODE.INVALID_ARGUMENT)
    bad = GetUpdatesRequest(start=-60, vm_ids=["x"])
    await refused(whole(client.metrics.GetUpdates(bad)), "INVALID_VALUE", CODE.INVALID_ARGUMENT)


async def test_an_alarm_is_a_message_that_outlives_the_agent(tmp_path: Path, configuration: str) -> None:
    async with running(tmp_path, configuration) as agent, agent.client() as client:
        wrong = SetAlertsRequest(owner=HOST, config="<config><variable/></config>")
        await refused(client.metrics.SetAlerts(wrong), "INVALID_VALUE", CODE.INVALID_ARGUMENT)
        await client.metrics.SetAlerts(SetAlertsRequest(owner=HOST, config=PERFMON))
        alerts = (await client.metrics.ListAlerts(ListAlertsRequest())).alerts
        assert [each.config for each in alerts] == [PERFMON]
        await measured(client)
        assert agent.host.metrics is not None
        await agent.host.metrics.messages.send("ALARM", 3, "Host", agent.engine.host_id, "value: 0.5\nconfig:\n")
        (message,) = (await client.metrics.ListMessages(ListMessagesRequest())).messages
        assert (message.name, message.priority, message.class_name) == ("ALARM", 3, "Host")
        assert message.object_id == agent.engine.host_id
        assert message.body == "value: 0.5\nconfig:\n"
    async with running(tmp_path, configuration) as agent, agent.client() as client:
        again = (await client.metrics.ListMessages(ListMessagesRequest())).messages
        assert [each.id for each in again] == [message.id]
        assert len((await client.metrics.ListAlerts(ListAlertsRequest())).alerts) == 1
        await client.metrics.DeleteMessage(DeleteMessageRequest(id=message.id))
        await client.metrics.SetAlerts(SetAlertsRequest(owner=HOST, config=""))
        assert not (await client.metrics.ListMessages(ListMessagesRequest())).messages
        assert not (await client.metrics.ListAlerts(ListAlertsRequest())).alerts


async def test_without_metrics_every_call_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, "[metrics]\nenabled = false\n") as agent, agent.client() as client:
        assert agent.host.metrics is None
        assert not agent.config.metrics.socket.exists()
        for call in (
            client.metrics.ListDataSources(ListDataSourcesRequest(owner=HOST)),
            client.metrics.ListMessages(ListMessagesRequest()),
            whole(client.metrics.GetOpenMetrics(GetOpenMetricsRequest())),
        ):
            await refused(call, "OPERATION_NOT_ALLOWED", CODE.FAILED_PRECONDITION)


@pytest.fixture
def xenhost(agent: Agent) -> CommandLine:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    return CommandLine(str(agent.config.api.socket))


async def test_the_command_line(xenhost: CommandLine, client: Client, tmp_path: Path) -> None:
    await client.done(client.vms.StartVm(StartVmRequest(id=(await client.create(name="web1")).id)))
    await measured(client)
    await owned(client, metrics_pb2.METRICS_KIND_VM, "web1")
    listed = await xenhost.json("metrics", "list", "host")
    assert {"name", "enabled", "standard", "units", "min", "max", "description"} <= set(listed[0])
    assert any(row["max"] is None for row in listed), "no bound is null"
    assert "loadavg" in await xenhost.ok("metrics", "show", "host")
    one = await xenhost.one("metrics", "query", "host", "loadavg")
    assert one["value"] >= 0
    assert not math.isnan(float(await xenhost.ok("metrics", "query", "host", "loadavg")))
    off = next(row["name"] for row in listed if not row["enabled"])
    assert await xenhost.ok("metrics", "record", "host", off) == f"{off} is recorded\n"
    assert await xenhost.ok("metrics", "forget", "host", off) == f"{off} is forgotten\n"
    png = tmp_path / "x.png"
    words = ("--name", "loadavg", "--last", "1h", "--size", "200x60")
    assert "is drawn" in await xenhost.ok("metrics", "graph", "host", "-o", str(png), *words)
    assert png.read_bytes().startswith(b"\x89PNG")
    assert (await xenhost.run("metrics", "graph", "host", "-o", str(png))).exit_code == 2
    assert (await xenhost.one("metrics", "graph", "vm", "web1", "-o", str(png), "--force"))["bytes"] > 0
    file = tmp_path / "web1.xml"
    assert "is exported" in await xenhost.ok("metrics", "export", "vm", "web1", str(file), "--internal")
    assert "has what is in" in await xenhost.ok("metrics", "import", "vm", "web1", str(file))
    assert (await xenhost.ok("metrics", "updates", "--last", "1m")).startswith("<xport>")
    assert "# EOF" in await xenhost.ok("metrics", "openmetrics")
    assert await xenhost.ok("metrics", "save") == "all databases are on disk\n"
    async with asyncio.timeout(PATIENCE):  # for a row of which all is known
        while len(top := await xenhost.json("metrics", "top", "--once")) < 2 or top[0]["memory"] is None:
            await asyncio.sleep(0.5)
    assert [row["name"] for row in top] == ["(host)", "web1"]
    assert top[0]["memory"] > 0
    assert "%" in await xenhost.ok("metrics", "top", "--once")
    config = tmp_path / "perfmon.xml"
    config.write_text(PERFMON)
    assert await xenhost.ok("metrics", "alerts", "set", "host", str(config)) == "host is watched\n"
    assert (await xenhost.one("metrics", "alerts", "list"))["kind"] == "host"
    assert await xenhost.ok("metrics", "alerts", "clear", "host") == "host is not watched\n"
    assert not await xenhost.json("metrics", "messages", "list")
    assert not await xenhost.json("metrics", "plugins")
    assert (await xenhost.run("metrics", "remove", "vm", "web1")).exit_code == 5
    for line in ("list", "list cat", "query host", "list vm", "export vm web1"):
        assert (await xenhost.run("metrics", *line.split())).exit_code == 2
    assert (await xenhost.run("metrics", "list", "vm", "nobody")).exit_code == 4
    structlog.reset_defaults()
