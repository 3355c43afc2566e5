"""The command-line client against a running agent: what it prints, and how it ends."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from component.harness.agent import Agent
from component.harness.command import CommandLine
from xenhost.core.errors import DomainBuildFailed
from xenhost.core.ids import DomId, VmId

KERNEL = ("--kernel", "/boot/kernel")


@pytest.fixture
def xenhost(agent: Agent) -> Iterator[CommandLine]:
    # The agent's log must not go where the runner catches what the client prints
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield CommandLine(str(agent.config.api.socket))
    structlog.reset_defaults()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("disk", "second", "cd.iso"):
        (tmp_path / name).write_bytes(bytes(4096))
    return tmp_path


async def test_a_vm_lives_its_life(xenhost: CommandLine, files: Path) -> None:
    said = await xenhost.ok(
        *("vm", "create", "web1", "--type", "pv", "--memory", "256M", "--vcpus", "2", *KERNEL),
        *("--disk", f"{files / 'disk'}", "--nic", "bridge=xenbr0,mac=00:16:3e:00:00:01"),
    )
    assert "web1 is created, UUID" in said
    assert await xenhost.ok("vm", "start", "web1") == "web1 is running, domain 1\n"
    listed = (await xenhost.ok("vm", "list")).splitlines()
    assert listed[0].split() == ["NAME", "STATE", "DOMAIN", "TYPE", "MEMORY", "VCPUS", "DISKS", "NICS", "UUID"]
    assert listed[1].split()[:8] == ["web1", "running", "1", "pv", "256", "MiB", "2", "1"]
    shown = await xenhost.ok("vm", "show", "web1")
    assert f"disks       xvda  attached  rw  {files / 'disk'}" in shown
    assert "NICs        0  attached  00:16:3e:00:00:01  xenbr0  mtu 1500" in shown
    assert "name: SimOS 1.0" in (await xenhost.ok("vm", "guest", "web1"))
    assert await xenhost.ok("vm", "pause", "web1") == "web1 is paused\n"
    assert await xenhost.ok("vm", "unpause", "web1") == "web1 is running\n"
    assert await xenhost.ok("vm", "reboot", "web1") == "web1 is running, domain 2\n"
    assert await xenhost.ok("vm", "suspend", "web1") == "web1 is suspended\n"
    assert ".image" in await xenhost.ok("vm", "show", "web1")
    assert await xenhost.ok("vm", "resume", "web1", "--paused") == "web1 is paused, domain 3\n"
    assert await xenhost.ok("vm", "unpause", "web1") == "web1 is running\n"
    assert await xenhost.ok("vm", "shutdown", "web1") == "web1 is halted\n"
    assert await xenhost.ok("vm", "delete", "web1") == "web1 is deleted; its disks stay\n"
    ended = await xenhost.run("vm", "list")
    assert (ended.exit_code, ended.stdout) == (0, "")
    assert "no VMs yet" in ended.stderr


async def test_devices_come_and_go(xenhost: CommandLine, files: Path) -> None:
    await make(xenhost)
    await xenhost.ok("vm", "start", "a")
    assert await xenhost.ok("vbd", "plug", "a", str(files / "disk")) == "xvda of a is plugged\n"
    assert await xenhost.ok("vbd", "plug", "a", f"{files / 'second'},ro") == "xvdb of a is plugged\n"
    assert await xenhost.ok("vbd", "plug", "a", ",device=xvdd,cd") == "xvdd of a is plugged\n"
    await xenhost.ok("vbd", "insert", "a", "xvdd", str(files / "cd.iso"))
    assert await xenhost.ok("vif", "plug", "a", "xenbr0") == "network card 0 of a is plugged\n"
    assert await xenhost.ok("vif", "plug", "a", "bridge=xenbr0,rate=1M") == "network card 1 of a is plugged\n"
    vm = await xenhost.one("vm", "show", "a")
    assert [(vbd["device"], vbd["mode"], vbd["type"], vbd["source"]["path"]) for vbd in vm["vbds"]] == [
        ("xvda", "rw", "disk", str(files / "disk")),
        ("xvdb", "ro", "disk", str(files / "second")),
        ("xvdd", "ro", "cd", str(files / "cd.iso")),
    ]
    assert [(vif["index"], vif["state"], vif["rate_kbps"]) for vif in vm["vifs"]] == [
        (0, "attached", 0),
        (1, "attached", 1024),
    ]
    assert await xenhost.ok("vbd", "eject", "a", "xvdd") == "xvdd of a is empty\n"
    assert await xenhost.ok("vbd", "unplug", "a", "xvdb") == "xvdb of a is unplugged\n"
    assert await xenhost.ok("vif", "unplug", "a", "0") == "network card 0 of a is unplugged\n"
    vm = await xenhost.one("vm", "show", "a")
    assert ([vbd["device"] for vbd in vm["vbds"]], [vif["index"] for vif in vm["vifs"]]) == (["xvda", "xvdd"], [1])


async def test_a_vm_is_changed_only_where_something_is_said(xenhost: CommandLine) -> None:
    await make(xenhost, "--platform", "acpi=1", "--platform", "nx=1", "--cmdline", "quiet")
    before = await xenhost.one("vm", "show", "a")
    await xenhost.ok(
        *("vm", "update", "a", "--weight", "512", "--memory", "512M", "--after-crash", "preserve"),
        *("--platform", "nx=", "--platform", "pae=1", "--ramdisk", "/boot/initrd", "--affinity", "0-1"),
    )
    after = await xenhost.one("vm", "show", "a")
    assert (after["vcpus"]["weight"], after["memory"]["dynamic_min_bytes"]) == (512, 512 << 20)
    assert (after["platform"], after["after_crash"]) == ({"acpi": "1", "pae": "1"}, "preserve")
    assert after["direct"] == {"kernel": "/boot/kernel", "ramdisk": "/boot/initrd", "cmdline": "quiet"}
    assert after["vcpus"]["affinity"] == [{"cpus": [0, 1]}]
    same = ("id", "name", "type", "after_shutdown", "after_reboot", "vbds", "vifs", "xenstore_data")
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
    await xenhost.ok("vm", "update", "a", "--name", "b")
    assert (await xenhost.one("vm", "show", "b"))["id"] == before["id"]
    ended = await xenhost.run("vm", "update", "b")
    assert ended.exit_code == 2


async def test_json_has_the_documented_shape(xenhost: CommandLine) -> None:
    await make(xenhost)
    vm = await xenhost.one("vm", "show", "a")
    assert (vm["type"], vm["memory"]["static_max_bytes"], vm["after_reboot"]) == ("pv", 64 << 20, "restart")
    assert vm["status"]["power_state"] == "halted"
    assert vm["status"]["started"] is None
    assert "firmware" not in vm
    assert await xenhost.json("vm", "list") == [vm]
    started = await xenhost.one("vm", "start", "a")
    assert set(started) == {
        *("id", "state", "kind", "target", "vm_name", "progress", "step", "started", "ended", "request_id"),
        *("error", "vm", "target_kind", "target_name"),
    }
    assert (started["state"], started["kind"], started["error"], started["progress"]) == (
        "succeeded",
        "vm.start",
        None,
        1.0,
    )
    assert started["vm"]["status"]["power_state"] == "running"
    assert started["ended"].endswith("Z")
    assert (await xenhost.one("operation", "show", started["id"]))["kind"] == "vm.start"
    (domain,) = await xenhost.json("host", "domains")
    assert (domain["domid"], domain["vm_id"], domain["managed"], domain["type"]) == (1, vm["id"], True, "pv")
    host = await xenhost.one("host", "show")
    assert (host["hypervisor"], host["cpus"]) == ("sim", 8)


async def test_foreign_domains_are_shown_and_cannot_drive_the_terminal(agent: Agent, xenhost: CommandLine) -> None:
    agent.world.add_foreign_domain("evil\x1b[2J")
    shown = await xenhost.ok("host", "domains")
    assert "\x1b" not in shown
    assert "other" in shown
    assert "sim" in await xenhost.ok("host", "show")


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("vm", "show", "nobody"), 4, "there is no VM"),
        (("vm", "start", "00000000-0000-0000-0000-000000000000"), 4, ""),
        (("operation", "show", "nothing"), 4, ""),
        (("vm", "pause", "a"), 5, "halted"),
        (("vm", "console", "a"), 5, ""),
        (("vbd", "unplug", "a", "xvdz"), 4, ""),
        (("vbd", "unplug", "a", "sda"), 2, "xvda"),
        (("vm", "update", "a", "--memory", "1K"), 2, "memory"),
        (("vm", "create", "b", "--memory", "64M", *KERNEL, "--nic", "bridge=x,mac=01:00:00:00:00:00"), 2, "MAC"),
        (("event", "follow", "--token", "00000000-0000-0000-0000-000000000000.1"), 5, ""),
    ],
)
async def test_an_error_is_one_line_with_the_documented_exit_code(
    xenhost: CommandLine, words: tuple[str, ...], code: int, error: str
) -> None:
    await make(xenhost)
    ended = await xenhost.run(*words)
    assert (ended.exit_code, ended.stdout) == (code, ""), ended.stderr
    lines = ended.stderr.splitlines()
    assert lines[0].startswith("error: ")
    assert error in lines[0]
    assert all(line.startswith("hint: ") for line in lines[1:])


async def test_an_operation_that_fails_is_exit_1_with_its_reason(agent: Agent, xenhost: CommandLine) -> None:
    await make(xenhost)
    agent.world.faults.fail(
        "build_domain", error=DomainBuildFailed("no kernel there", vm="x", function="open", msg="no kernel there")
    )
    ended = await xenhost.run("vm", "start", "a")
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "error: no kernel there" in ended.stderr
    (operation,) = await xenhost.json("operation", "list")
    assert (operation["state"], operation["error"]["reason"]) == ("failed", "DOMAIN_BUILDER_ERROR")
    assert (await xenhost.run("operation", "wait", operation["id"])).exit_code == 1


async def test_a_guest_that_refuses_is_quoted_and_force_is_hinted(
    agent: Agent, xenhost: CommandLine, files: Path
) -> None:
    await make(xenhost, "--disk", str(files / "disk"))
    await xenhost.ok("vm", "start", "a")
    agent.world.guest(DomId(1)).refuse_unplug("it is mounted")
    ended = await xenhost.run("vbd", "unplug", "a", "xvda")
    assert ended.exit_code == 1
    assert "it is mounted" in ended.stderr
    assert "--force" in ended.stderr
    await xenhost.ok("vbd", "unplug", "--force", "a", "xvda")


async def test_no_wait_prints_an_id_that_can_be_waited_for(xenhost: CommandLine) -> None:
    await make(xenhost)
    name = (await xenhost.ok("vm", "start", "a", "--no-wait")).strip()
    assert (await xenhost.one("operation", "wait", name))["state"] == "succeeded"
    assert "vm.start" in await xenhost.ok("operation", "list")


async def test_a_repeated_request_id_does_nothing_twice(xenhost: CommandLine) -> None:
    await make(xenhost)
    request = ("--request-id", "6a1f4d0e-0000-4000-8000-00000000000a")
    first = await xenhost.one("vm", "start", "a", *request)
    again = await xenhost.one("vm", "start", "a", *request)
    assert first["id"] == again["id"]


async def test_events_are_followed_and_resumed(xenhost: CommandLine) -> None:
    following = await xenhost.start("event", "follow", "--json", "--kind", "vm")
    vm: dict[str, Any] = {}

    async def create_until_heard() -> None:  # the stream has begun when the first change is heard
        number = 0
        while True:
            vm.update(await make(xenhost, name=f"vm{number}"))
            number += 1
            await asyncio.sleep(0.2)

    creating = asyncio.create_task(create_until_heard())
    line = await following.line()
    creating.cancel()
    await asyncio.gather(creating, return_exceptions=True)
    assert '"kind": "vm"' in line
    assert '"change": "added"' in line
    following.interrupt()
    assert await following.end() == 130
    token = following.errors.split("--token ")[1].split("`")[0]
    await xenhost.ok("vm", "delete", "vm0")
    resumed = await xenhost.start("event", "follow", "--json", "--kind", "vm", "--token", token)
    while '"deleted"' not in (line := await resumed.line()):
        assert line
    resumed.interrupt()
    assert await resumed.end() == 130


async def test_the_first_interrupt_cancels_the_operation(agent: Agent, xenhost: CommandLine) -> None:
    vm = await make(xenhost)
    await xenhost.ok("vm", "start", "a")
    agent.world.guest(DomId(1)).silent()
    waiting = await xenhost.start("vm", "shutdown", "a")
    await waiting.error("...")
    waiting.interrupt()
    assert await waiting.end() == 130
    assert "cancelling; press Ctrl-C again to leave it running" in waiting.errors
    assert "vm.shutdown was cancelled" in waiting.errors
    states = {each["kind"]: each["state"] for each in await xenhost.json("operation", "list")}
    assert states == {"vm.start": "succeeded", "vm.shutdown": "cancelled"}
    assert agent.engine.vm(VmId(vm["id"])).status.power_state == "running"


async def make(xenhost: CommandLine, *words: str, name: str = "a") -> dict[str, Any]:
    """A halted VM."""
    vm: dict[str, Any] = await xenhost.one("vm", "create", name, "--type", "pv", "--memory", "64M", *KERNEL, *words)
    return vm
