"""Metrics over HTTP, as XenServer's clients, Prometheus and people ask for them."""

import asyncio
import json
import ssl
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import h11
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from component.harness.agent import Agent, running
from component.harness.client import Client
from component.harness.pki import Authority
from component.harness.process import AgentProcess
from component.metrics.ground import asked, asked_by, measured, owned
from xenhost.api.host.v1 import metrics_pb2
from xenhost.api.host.v1.vm_service_pb2 import ShutdownVmRequest, StartVmRequest
from xenhost.api.tls_files import TlsFiles

NOBODY = "00000000-0000-0000-0000-000000000001"
XML = {"Accept": "text/xml"}


async def test_what_clients_ask(agent: Agent, client: Client) -> None:
    path = agent.config.metrics.socket
    vm = await client.create(name="one")
    await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))
    await measured(client)
    await owned(client, metrics_pb2.METRICS_KIND_VM, vm.id)
    host = agent.engine.host_id

    answer = await asked(path, "GET", "/rrd_updates?start=-60&host=true&cf=AVERAGE", XML)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/xml"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-headers"] == "X-Requested-With"
    assert int(answer.headers["content-length"]) == len(answer.body)
    root = ElementTree.fromstring(answer.body)
    legend = [entry.text or "" for entry in root.iter("entry")]
    assert f"AVERAGE:host:{host}:loadavg" in legend
    assert any(entry.startswith(f"AVERAGE:vm:{vm.id}:") for entry in legend)
    assert legend.index(f"AVERAGE:host:{host}:loadavg") == 0 or legend[0].startswith("AVERAGE:host:")
    assert root.findtext("meta/columns") == str(len(legend))

    answer = await asked(path, "GET", f"/rrd_updates?start=-60&vm_uuid={vm.id}&json=true")
    document = json.loads(answer.body)
    assert answer.headers["content-type"] == "application/json"
    assert all(entry.split(":")[2] == vm.id for entry in document["meta"]["legend"])
    times = [int(row["t"]) for row in document["data"]]
    assert times == sorted(times, reverse=True)
    assert document["meta"]["rows"] == str(len(times))

    for target in ("/host_rrd", "/host_rrds", f"/vm_rrd?uuid={vm.id}", f"/vm_rrds?uuid={vm.id}"):
        answer = await asked(path, "GET", target, XML)
        assert (answer.status, answer.headers["content-type"]) == (200, "text/xml")
        root = ElementTree.fromstring(answer.body)
        assert (root.tag, root.findtext("step")) == ("rrd", "5")
        assert len(root.findall("rra")) == (10 if target.startswith("/host") else 4)
    answer = await asked(path, "GET", "/host_rrd", {"Accept": "application/json"})
    assert set(json.loads(answer.body)) >= {"version", "step", "lastupdate", "ds", "rra"}

    answer = await asked(path, "GET", "/metrics")
    families = list(text_string_to_metric_families(answer.body.decode()))  # type: ignore[no-untyped-call] # has no types
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert any("vm" in sample.labels for family in families for sample in family.samples)

    answer = await asked(path, "GET", f"/graph?kind=vm&uuid={vm.id}&width=300&height=100")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    assert answer.body.startswith(b"\x89PNG")
    for target in ("/graph", "/graph?kind=host&names=loadavg,cpu0&start=-3600"):
        assert (await asked(path, "GET", target)).body.startswith(b"\x89PNG")

    for method, target, status in (
        ("GET", "/rrd_updates", 400),
        ("GET", "/rrd_updates?start=x", 400),
        ("GET", "/vm_rrd", 400),
        ("GET", "/vm_rrd?uuid=../../etc", 400),
        ("GET", f"/vm_rrd?uuid={NOBODY}", 404),
        ("GET", f"/sr_rrd?uuid={NOBODY}", 404),
        ("POST", f"/rrd_unarchive?uuid={NOBODY}", 404),
        ("GET", "/graph?kind=vm", 400),
        ("GET", f"/graph?kind=vm&uuid={NOBODY}", 404),
        ("GET", "/graph?names=nothing", 400),
        ("GET", "/graph?width=100000", 400),
        ("GET", "/elsewhere", 404),
        ("DELETE", "/rrd_updates?start=0", 405),
        ("PUT", "/metrics", 405),
    ):
        found = await asked(path, method, target)
        assert (found.status, target) == (status, target), found.body

    # a VM that halts is asked for in its file, and comes back with its past
    await client.done(client.vms.ShutdownVm(ShutdownVmRequest(id=vm.id)))
    await asyncio.sleep(0.5)
    kept = await asked(path, "GET", f"/vm_rrd?uuid={vm.id}", XML)
    assert kept.status == 200
    assert (await asked(path, "POST", f"/rrd_unarchive?uuid={vm.id}", XML)).status == 200
    there = {ds.findtext("name") for ds in ElementTree.fromstring(kept.body).findall("ds")}
    assert "memory" in there or "cpu0" in there


async def put(path: Path, target: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    answer = await asked(path, "PUT", target, headers, body)
    return answer.status, answer.body


async def test_databases_are_taken_from_other_hosts(agent: Agent, client: Client) -> None:
    path = agent.config.metrics.socket
    await measured(client)
    document = (await asked(path, "GET", "/host_rrd", XML)).body
    target = f"/rrd?uuid={NOBODY}&archive=true"
    length = {"Content-Length": str(len(document))}
    assert await put(path, target, document, length) == (200, b"")
    found = await asked(path, "POST", f"/rrd_unarchive?uuid={NOBODY}", XML)
    assert found.status == 200
    names = [ds.findtext("name") for ds in ElementTree.fromstring(found.body).findall("ds")]
    assert "loadavg" in names

    for uuid, body in ((NOBODY, b"<rrd/>"), (NOBODY, b"\x1f\x8b nonsense"), (NOBODY, b"")):
        headers = {"Content-Length": str(len(body))}
        assert (await put(path, f"/rrd?uuid={uuid}&archive=true", body, headers))[0] == 400
    own = agent.engine.host_id
    assert (await put(path, f"/rrd?uuid={own}", document, length))[0] == 400
    assert (await put(path, "/rrd", document, length))[0] == 400
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(f"PUT {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {65 << 20}\r\n\r\n".encode())
    assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 413")
    writer.close()


async def test_xenserver_waits_for_the_answer_and_writes_then(agent: Agent, client: Client) -> None:
    path = agent.config.metrics.socket
    await measured(client)
    document = (await asked(path, "GET", "/host_rrd", XML)).body
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(f"PUT /rrd?uuid={NOBODY}&archive=true HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    writer.write(document)
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), 20) == b""
    writer.close()
    found = await asked(path, "POST", f"/rrd_unarchive?uuid={NOBODY}", XML)
    assert found.status == 200


@pytest.fixture
def pool(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "pki", "pool CA")


def secured(files: TlsFiles, allow: str = "") -> str:
    keys = [f'cert = "{files.cert}"', f'key = "{files.key}"', f'ca = "{files.ca}"']
    api = ["[api]", 'listen = ["127.0.0.1:0"]', *keys, f'allow = ["{allow}"]' if allow else ""]
    return "\n".join([*api, "[metrics]", "enabled = true", 'listen = ["127.0.0.1:0"]', *keys, ""])


async def answered(agent: Agent, files: TlsFiles | None, ca: Path) -> int:
    """The status of a GET /metrics over TLS; raises if there is no answer."""
    assert agent.host.metrics_servers is not None
    host, _, port = agent.host.metrics_servers.addresses[0].rpartition(":")
    context = ssl.create_default_context(cafile=str(ca))
    if files is not None:
        context.load_cert_chain(files.cert, files.key)
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
    return (await asked_by(reader, writer, "/host_rrd")).status


async def test_over_tls_only_the_pool_is_answered(tmp_path: Path, pool: Authority) -> None:
    stranger = Authority(tmp_path / "other", "other CA").issue("master")
    async with running(tmp_path, secured(pool.issue("agent"), "master")) as agent:
        assert await answered(agent, pool.issue("master"), pool.ca) == 200
        for files in (None, stranger, pool.issue("guest"), pool.issue("old", valid_days=-1)):
            with pytest.raises((OSError, h11.RemoteProtocolError)):  # no answer at all
                await answered(agent, files, pool.ca)


async def test_a_listener_without_certificates_is_a_configuration_error(tmp_path: Path) -> None:
    async with AgentProcess(tmp_path, '[metrics]\nlisten = ["127.0.0.1:0"]\n') as process:
        status, said = await process.run()
    assert status == 78
    assert "TLS needs a certificate" in said
