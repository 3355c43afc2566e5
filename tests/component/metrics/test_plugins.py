"""Programs that bring data sources, beside a running agent: found, registered, seen in the store."""

import asyncio
import os
import shutil
import subprocess
import sys
import xmlrpc.client
from pathlib import Path
from typing import Any

import pytest

from component.harness.agent import Agent
from component.harness.client import Client
from component.metrics.ground import PATIENCE, owned, posted, seen
from xenhost.api.host.v1 import metrics_pb2, metrics_service_pb2
from xenhost.api.host.v1.vm_service_pb2 import StartVmRequest

EXAMPLES = Path(__file__).resolve().parents[3] / "docs/howto/examples/data-source"
LIBRARY = "XENHOST_RRD_CLIENT"
"""Path of rrd-client-lib's unmodified program `rrdclient`, which is not part of this project."""
ITS_VM = "931388d6-559e-11e6-ab0a-73658ca1c515"
"""Whose data source that program brings."""


async def test_plugins_in_c_and_python_and_one_that_lies(agent: Agent, client: Client, tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "no C compiler"
    folder = agent.config.metrics.folder
    program = tmp_path / "entropy"
    subprocess.run([compiler, "-o", str(program), str(EXAMPLES / "entropy.c"), "-lz"], check=True)
    subprocess.run([str(program), str(folder / "in-c")], check=True)
    script = f"""
import sys
sys.path.insert(0, {str(EXAMPLES)!r})
import entropy
from pathlib import Path
from xenhost.rrd.sdk import Plugin, gauge, sr
SOURCES = [gauge("entropy_in_python"), gauge("cpu0"), gauge("ours", owner=sr("{"0" * 8}-0000-0000-0000-{"0" * 12}"))]
values = lambda: [(source, float(entropy.FILE.read_text())) for source in SOURCES]
with Plugin("in-python", Path({str(folder)!r})) as plugin:
    plugin.write(values())
    plugin.run(values)
"""
    (folder / "liar").write_bytes(b"DATASOURCES" + b"\xff" * 100)
    os.mkfifo(folder / "fifo")
    python = subprocess.Popen([sys.executable, "-c", script])
    try:
        found = await seen(client, lambda each: "entropy_available" in each and "entropy_in_python" in each)
        assert found["entropy_available"].units == "bits"
        await seen(client, lambda each: each["cpu0"].units == "(fraction)")  # its own goes before a plugin's
        answer = await client.metrics.ListPlugins(metrics_service_pb2.ListPluginsRequest())
        plugins = {plugin.name: plugin for plugin in answer.plugins}
        assert set(plugins) == {"in-c", "in-python", "liar", "fifo"}
        assert {name for name, plugin in plugins.items() if plugin.problem} == {"liar", "fifo"}
        assert plugins["in-python"].data_sources == 3
        values = await seen(client, lambda each: each["entropy_available"].HasField("value"))
        assert 0 <= values["entropy_available"].value <= 4096
    finally:
        python.terminate()
        python.wait(20)
    assert not (folder / "in-python").exists(), "it takes its file away"


async def test_a_plugin_announces_itself(agent: Agent) -> None:
    path = agent.config.metrics.rpc_sockets[0]
    info = {"uid": "announced", "info": "Five_Seconds", "protocol": "V2"}
    answer = await posted(path, xmlrpc.client.dumps((info,), "Plugin.Local.register").encode())
    (reply,), _ = xmlrpc.client.loads(answer)
    found: Any = reply
    assert found["Status"] == "Success"
    assert -1 < found["Value"] <= 5
    assert agent.host.metrics is not None
    assert agent.host.metrics.plugins.registered("announced")


async def test_rrd_client_lib_unmodified(agent: Agent, client: Client) -> None:
    program = os.environ.get(LIBRARY, "")
    if not program:
        pytest.skip(f"{LIBRARY} does not name rrd-client-lib's program rrdclient")
    vm = await client.create(id=ITS_VM)
    await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))
    words = [program, str(agent.config.metrics.folder / "client-lib")]
    plugin = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert plugin.stdin is not None
    try:
        async with asyncio.timeout(PATIENCE):
            number = 0
            while "stdin" not in await owned(client, metrics_pb2.METRICS_KIND_VM, vm.id):
                number += 1
                print(number, file=plugin.stdin, flush=True)
                await asyncio.sleep(1)
    finally:
        plugin.stdin.close()
        plugin.wait(10)
    answer = await client.metrics.ListPlugins(metrics_service_pb2.ListPluginsRequest())
    assert [(each.name, each.problem, each.data_sources) for each in answer.plugins] in (
        [("client-lib", "", 1)],
        [],  # it takes its file away at its end
    )
