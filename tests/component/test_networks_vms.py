"""VMs on networks: a real `xenhostd` on the simulated hypervisor, asked by the command line."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from component.harness.command import CommandLine
from component.harness.process import AgentProcess

SECONDS = 30.0


@pytest.fixture
async def xenhost(tmp_path: Path) -> AsyncIterator[CommandLine]:
    """With a VM that is called web1, on a network that is called LAN."""
    (tmp_path / "vmlinuz").write_bytes(bytes(4096))
    async with AgentProcess(tmp_path, '[storage]\ntypes = ["dummy"]\n[sim]\nsriov = 4\n') as process:
        await process.start()
        xenhost = CommandLine(process.target.removeprefix("unix:"))
        await xenhost.ok("network", "create", "LAN")
        kernel = ("--type", "pv", "--memory", "64M", "--kernel", str(tmp_path / "vmlinuz"))
        await xenhost.ok("vm", "create", "web1", *kernel, "--nic", "LAN,mac=00:16:3e:00:00:01")
        yield xenhost


async def shown(xenhost: CommandLine, network: str, text: str, there: bool = True) -> str:
    """The network, drawn, once that is in it, or no more."""
    async with asyncio.timeout(SECONDS):
        while (text in (drawn := await xenhost.ok("network", "show", network))) is not there:
            await asyncio.sleep(0.1)
    return drawn


async def bridge_of(xenhost: CommandLine, network: str) -> Any:
    return (await xenhost.one("network", "show", network))["bridge"]


async def test_a_vif_is_drawn_on_its_network_which_is_up_while_it_is_there(xenhost: CommandLine) -> None:
    assert (await xenhost.ok("network", "show", "LAN")).startswith("LAN  xapi1  down")
    await xenhost.ok("vm", "start", "web1")
    drawn = await shown(xenhost, "LAN", "web1  VIF 0  00:16:3e:00:00:01  vif1.0")
    assert drawn.startswith("LAN  xapi1  up")
    ended = await xenhost.run("network", "destroy", "LAN")
    assert (ended.exit_code, "`xenhost network show` shows them" in ended.stderr) == (5, True), ended.stderr
    await xenhost.ok("vif", "set", "web1", "0", "--locking", "locked", "--allow", "10.0.0.5")
    await shown(xenhost, "LAN", "vif1.0  locked")
    await xenhost.ok("vm", "shutdown", "--hard", "web1")
    await shown(xenhost, "LAN", "web1", there=False)


async def test_a_vif_moves_to_another_network_while_its_guest_runs(xenhost: CommandLine) -> None:
    await xenhost.ok("network", "create", "WAN")
    await xenhost.ok("vm", "start", "web1")
    await xenhost.ok("vif", "set", "web1", "0", "--network", "WAN")
    await shown(xenhost, "WAN", "web1  VIF 0")
    await shown(xenhost, "LAN", "web1", there=False)


async def test_vifs_follow_their_card_into_a_bond_and_out_of_it(xenhost: CommandLine) -> None:
    await xenhost.ok("pif", "plug", "eth1")
    await xenhost.ok("vif", "plug", "web1", await bridge_of(xenhost, "xenbr1"))
    await xenhost.ok("vm", "start", "web1")
    await shown(xenhost, "xenbr1", "web1  VIF 1")
    await xenhost.ok("network", "create", "bonded")
    await xenhost.ok("bond", "create", "bonded", "eth1", "eth2")
    await shown(xenhost, "bonded", "web1  VIF 1")
    await xenhost.ok("bond", "destroy", "bond0")
    await shown(xenhost, "xenbr1", "web1  VIF 1")


async def test_a_vm_has_virtual_functions_while_it_runs(xenhost: CommandLine) -> None:
    async def free(count: int) -> None:
        async with asyncio.timeout(SECONDS):
            while (await xenhost.json("sriov", "list"))[0]["status"] != {"capacity": 4, "remaining": count}:
                await asyncio.sleep(0.1)

    await xenhost.ok("network", "create", "fast")
    await xenhost.ok("sriov", "create", "eth3", "fast")
    await xenhost.ok("vif", "plug", "web1", "fast")
    await xenhost.ok("vm", "start", "web1")
    await free(3)
    for words in (("vif", "plug", "web1", "fast"), ("vif", "unplug", "web1", "1"), ("vm", "suspend", "web1")):
        ended = await xenhost.run(*words)
        assert (ended.exit_code, "SR-IOV network" in ended.stderr) == (1, True), ended.stderr
    await xenhost.ok("vm", "shutdown", "--hard", "web1")
    await free(4)
    for _ in range(4):
        await xenhost.ok("vif", "plug", "web1", "fast")
    ended = await xenhost.run("vm", "start", "web1")
    assert (ended.exit_code, "no virtual function of eth3 is free" in ended.stderr) == (1, True), ended.stderr
    assert (await xenhost.one("vm", "show", "web1"))["status"]["power_state"] == "halted"
    await free(4)


async def test_a_pvs_proxy_is_made_for_a_vif(xenhost: CommandLine) -> None:
    await xenhost.ok("pvs", "site-introduce", "Paris", "--pvs-uuid", "paris-1")
    ports = ("--first-port", "6910", "--last-port", "6930")
    assert await xenhost.ok("pvs", "server-introduce", "Paris", "--address", "10.7.0.9,fd00::9", *ports) == (
        "the server is introduced\n"
    )
    assert await xenhost.ok("pvs", "proxy-create", "Paris", "web1") == "the proxy is created\n"
    (site,) = await xenhost.json("pvs", "list")
    (proxy,) = site["proxies"]
    assert (proxy["mac"], proxy["status"]["state"]) == ("00:16:3e:00:00:01", "stopped")
    assert "while no VIF needs it" in proxy["status"]["problem"]
    await xenhost.ok("vm", "start", "web1")
    async with asyncio.timeout(SECONDS):
        while not (await xenhost.json("pvs", "list"))[0]["proxies"][0]["status"]["attached"]:
            await asyncio.sleep(0.1)
    shown = await xenhost.ok("pvs", "list")
    assert "10.7.0.9, fd00::9  ports 6910 to 6930" in shown
    assert "00:16:3e:00:00:01 on xapi1  initialised" in shown
    await xenhost.ok("network", "create", "WAN")
    await xenhost.ok("vif", "set", "web1", "0", "--network", "WAN")
    async with asyncio.timeout(SECONDS):
        while "on xapi2  initialised" not in (shown := await xenhost.ok("pvs", "list")):
            await asyncio.sleep(0.1)
    ended = await xenhost.run("pvs", "proxy-create", "Paris", "web1")
    assert (ended.exit_code, "has a proxy" in ended.stderr) == (5, True)
    assert (await xenhost.run("pvs", "proxy-create", "Paris", "web1", "7")).exit_code == 4
    ended = await xenhost.run("pvs", "site-forget", "Paris")
    assert (ended.exit_code, "destroy them first" in ended.stderr) == (5, True)
    assert (await xenhost.run("pvs", "site-forget", "Rome")).exit_code == 4
    await xenhost.ok("pvs", "proxy-destroy", proxy["id"])
    await xenhost.ok("pvs", "server-forget", site["servers"][0]["id"])
    assert await xenhost.ok("pvs", "site-forget", "Paris") == "the site is forgotten\n"
    assert await xenhost.json("pvs", "list") == []
