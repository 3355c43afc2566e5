"""`xenhost sr` and `xenhost vdi` against a running agent."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from component.harness.agent import Agent
from component.harness.command import CommandLine
from xenhost.core.units import MIB

KERNEL = ("--type", "pv", "--memory", "64M", "--kernel", "/boot/kernel")


@pytest.fixture
async def local(xenhost: CommandLine, place: Path) -> dict[str, Any]:
    made: dict[str, Any] = (await xenhost.one("sr", "create", "local", "--type", "file", "-c", f"location={place}"))[
        "sr"
    ]
    return made


async def vdi(xenhost: CommandLine, name: str, size: str = "1MiB", *words: str) -> dict[str, Any]:
    made: dict[str, Any] = (await xenhost.one("vdi", "create", "local", name, size, *words))["vdi"]
    return made


async def test_the_types_of_srs_and_their_keys_are_shown(xenhost: CommandLine) -> None:
    assert [line.split()[0] for line in (await xenhost.ok("sr", "types")).splitlines()] == ["TYPE", "dummy", "file"]
    assert "location (required): " in await xenhost.ok("sr", "types", "file")
    assert (await xenhost.run("sr", "types", "nothing")).exit_code == 4
    assert [row["type"] for row in await xenhost.json("sr", "types")] == ["dummy", "file"]


async def test_a_probe_ends_with_the_command_that_comes_next(xenhost: CommandLine, place: Path) -> None:
    said = await xenhost.ok("sr", "probe", "file")
    assert "choose location" in said
    assert "  xenhost sr probe file -c location=..." in said
    said = await xenhost.ok("sr", "probe", "file", "-c", f"location={place}")
    command = said.splitlines()[-1].partition("xenhost ")[2].replace("NAME", "local").split()
    assert command[:2] == ["sr", "create"]
    assert "local is created and attached" in await xenhost.ok(*command)
    found = await xenhost.one("sr", "probe", "file", "-c", f"location={place}")
    assert set(found) == {"entries", "missing", "code", "document"}


async def test_an_sr_lives_its_life(xenhost: CommandLine, place: Path) -> None:
    said = await xenhost.ok("sr", "create", "local", "--type", "file", "-c", f"location={place}")
    assert "local is created and attached, UUID" in said
    listed = (await xenhost.ok("sr", "list")).splitlines()
    assert listed[0].split() == ["NAME", "TYPE", "STATE", "USED", "UUID"]
    assert listed[1].split()[:3] == ["local", "file", "attached"]
    shown = await xenhost.ok("sr", "show", "local")
    assert f"device config  location={place}" in shown
    assert await xenhost.ok("sr", "scan", "local") == "local is scanned\n"
    assert await xenhost.ok("sr", "update", "local", "--name", "fast", "--other-config", "a=b") == "fast is changed\n"
    await xenhost.ok("sr", "update", "fast", "--other-config", "a=", "--other-config", "c=d")
    sr = await xenhost.one("sr", "show", "fast")
    assert sr["other_config"] == {"c": "d"}
    assert await xenhost.ok("sr", "coalesce", "fast", "--rate", "10M") == "fast is tidied up\n"
    assert (await xenhost.run("sr", "chores", "fast")).stderr == "nothing to delete or merge\n"
    assert await xenhost.ok("sr", "detach", "fast") == "fast is detached\n"
    assert await xenhost.ok("sr", "forget", "fast") == "fast is forgotten; what is on it stays\n"
    words = ("sr", "introduce", sr["id"], "--name", "again", "--type", "file", "-c", f"location={place}")
    assert f"attach it with `xenhost sr attach {sr['id']}`" in await xenhost.ok(*words)
    assert await xenhost.ok("sr", "attach", "again") == "again is attached\n"
    assert await xenhost.ok("sr", "destroy", "again") == "again is destroyed\n"
    assert "no SRs yet" in (await xenhost.run("sr", "list")).stderr


async def test_a_vdi_lives_its_life(xenhost: CommandLine, local: dict[str, Any]) -> None:
    assert "root is created, UUID" in await xenhost.ok("vdi", "create", "local", "root", "10MiB")
    listed = (await xenhost.ok("vdi", "list")).splitlines()
    assert listed[0].split() == ["NAME", "SR", "SIZE", "USED", "KIND", "USERS", "UUID"]
    assert listed[1].split()[:4] == ["root", "local", "10", "MiB"]
    assert "size" in await xenhost.ok("vdi", "show", "root")
    assert await xenhost.ok("vdi", "resize", "root", "20MiB") == "root is bigger now\n"
    assert await xenhost.ok("vdi", "update", "root", "--name", "disk", "--description", "d") == "disk is changed\n"
    assert "monday is taken, UUID" in await xenhost.ok("vdi", "snapshot", "disk", "--name", "monday")
    assert "twin is cloned, UUID" in await xenhost.ok("vdi", "clone", "monday", "--name", "twin")
    assert await xenhost.ok("vdi", "revert", "monday") == "disk is as it was\n"
    assert "copy is copied, UUID" in await xenhost.ok("vdi", "copy", "disk", "--name", "copy", "--rate", "100M")
    assert await xenhost.ok("vdi", "compare", "disk", "copy") == "both hold the same\n"
    assert await xenhost.ok("vdi", "forget", "twin") == "twin is forgotten; what it holds stays\n"
    for name in ("copy", "monday", "disk"):
        assert await xenhost.ok("vdi", "destroy", name) == f"{name} is destroyed\n"
    shown = await xenhost.json("vdi", "list", "local")
    assert shown == []
    assert (await xenhost.run("vdi", "update", "disk")).exit_code == 2


async def test_chains_are_drawn(xenhost: CommandLine, local: dict[str, Any]) -> None:
    await vdi(xenhost, "root")
    await xenhost.ok("vdi", "snapshot", "root", "--name", "monday")
    drawn = (await xenhost.ok("vdi", "tree", "local")).splitlines()
    assert drawn[0] == "local"
    assert any("monday" in line and "snapshot of root" in line for line in drawn)
    assert len(await xenhost.json("vdi", "tree")) == 2


async def test_differences_are_exit_1_with_the_first_of_them(
    xenhost: CommandLine, local: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "one.raw").write_bytes(bytes(MIB))
    (tmp_path / "two.raw").write_bytes(bytes(MIB - 1) + b"x")
    for name in ("one", "two"):
        assert f"{name} is imported, UUID" in await xenhost.ok("vdi", "import", "local", str(tmp_path / f"{name}.raw"))
    ended = await xenhost.run("vdi", "compare", "one", "two")
    assert ended.exit_code == 1
    assert "differ" in ended.stderr


async def test_tracking_is_switched_and_listed(xenhost: CommandLine, local: dict[str, Any]) -> None:
    await vdi(xenhost, "root")
    assert await xenhost.ok("vdi", "cbt", "enable", "root") == "root is tracked\n"
    for name in ("one", "two"):
        await xenhost.ok("vdi", "snapshot", "root", "--name", name)
    ended = await xenhost.run("vdi", "cbt", "list", "one", "two")
    assert (ended.exit_code, ended.stderr) == (0, "nothing has changed\n")
    assert await xenhost.ok("vdi", "cbt", "list", "one", "two", "--base64") == "AAA=\n"
    assert (await xenhost.one("vdi", "cbt", "list", "one", "two"))["granularity_bytes"] == 65536
    assert "the data of one is gone" in await xenhost.ok("vdi", "cbt", "data-destroy", "one")
    assert await xenhost.ok("vdi", "cbt", "disable", "root") == "root is not tracked\n"


async def test_a_vm_gets_a_vdi_with_limits(xenhost: CommandLine, local: dict[str, Any]) -> None:
    root = await vdi(xenhost, "root")
    await vdi(xenhost, "data")
    await xenhost.ok("vm", "create", "web", *KERNEL, "--disk", "vdi:root,iops=500,rate=50M")
    shown = await xenhost.ok("vm", "show", "web")
    assert f"xvda  detached  rw  vdi:{root['id']}  500 IOPS  50 MiB/s" in shown
    await xenhost.ok("vm", "start", "web")
    changed = await xenhost.ok("vbd", "limit", "web", "xvda", "--iops", "0", "--rate", "1G")
    assert changed == "the limits of xvda of web are changed\n"
    await xenhost.ok("vbd", "limit", "web", "xvda", "--iops", "20")
    assert f"rw  vdi:{root['id']}  20 IOPS  1 GiB/s" in await xenhost.ok("vm", "show", "web")
    assert (await xenhost.run("vbd", "limit", "web", "xvda")).exit_code == 2
    assert await xenhost.ok("vbd", "plug", "web", "vdi:data") == "xvdb of web is plugged\n"
    paths = (await xenhost.ok("sr", "datapaths")).splitlines()
    assert sorted(line.split()[1:4] for line in paths[1:]) == [["data", "rw", "activated"], ["root", "rw", "activated"]]
    ended = await xenhost.run("vdi", "destroy", "root")
    assert ended.exit_code == 5
    assert "hint: `xenhost sr datapaths` shows who uses it" in ended.stderr
    await xenhost.ok("vm", "shutdown", "--hard", "web")


async def test_an_image_comes_in_and_goes_out(xenhost: CommandLine, local: dict[str, Any], tmp_path: Path) -> None:
    content = os.urandom(MIB) + bytes(3 * MIB)
    (tmp_path / "web1.img").write_bytes(content)
    assert "web1 is imported, UUID" in await xenhost.ok("vdi", "import", "local", str(tmp_path / "web1.img"))
    out = tmp_path / "out.raw"
    assert await xenhost.ok("vdi", "export", "web1", str(out)) == f"web1 is exported to {out}\n"
    assert out.read_bytes() == content
    assert out.stat().st_blocks * 512 < 2 * MIB
    ended = await xenhost.run("vdi", "export", "web1", str(out))
    assert (ended.exit_code, "--force" in ended.stderr) == (2, True)
    described = await xenhost.one("vdi", "export", "web1", str(tmp_path / "web1.qcow2"))
    assert described["bytes"] == (tmp_path / "web1.qcow2").stat().st_size
    assert "back is imported" in await xenhost.ok(
        "vdi", "import", "local", str(tmp_path / "web1.qcow2"), "--name", "back"
    )
    assert await xenhost.ok("vdi", "compare", "web1", "back") == "both hold the same\n"
    assert not list(tmp_path.glob("*.part"))
    ended = await xenhost.run("vdi", "export", "nothing", str(tmp_path / "n.raw"))
    assert ended.exit_code == 4
    assert not (tmp_path / "n.raw").exists()


async def test_an_import_from_a_pipe_that_is_interrupted_leaves_no_vdi(
    xenhost: CommandLine, local: dict[str, Any]
) -> None:
    words = ("vdi", "import", "local", "-", "--format", "raw", "--size", "4MiB", "--name", "piped")
    running = await xenhost.start(*words, stdin=True)
    await running.write(bytes(MIB))
    while not await xenhost.json("vdi", "list"):
        pass
    running.interrupt()
    assert await running.end() == 130
    assert "interrupted; no VDI was made" in running.errors
    while await xenhost.json("vdi", "list"):
        pass
    running = await xenhost.start(*words, "--json", stdin=True)
    await running.write(bytes(4 * MIB))
    running.close()
    assert json.loads(await running.line())["name"] == "piped"
    assert await running.end() == 0


async def test_an_export_to_a_pipe_is_the_image(xenhost: CommandLine, local: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(b"x" * MIB)
    await xenhost.ok("vdi", "import", "local", str(tmp_path / "a.raw"))
    running = await xenhost.start("vdi", "export", "a", "-", "--format", "raw")
    assert await running.output() == b"x" * MIB
    assert await running.end() == 0


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("sr", "show", "nothing"), 4, "hint: `xenhost sr list` shows what there is"),
        (("vdi", "show", "nothing"), 4, "hint: `xenhost vdi list` shows what there is"),
        (("sr", "create", "a", "--type", "nothing"), 4, "hint: `xenhost sr types`"),
        (("sr", "create", "a", "--type", "file", "-c", "location"), 2, "must be KEY=VALUE"),
        (("vdi", "create", "local", "a", "big"), 2, "is not a size"),
        (("vdi", "create", "local", "a", "0"), 2, "is required"),
        (("vdi", "import", "local", "/dev/null"), 2, "say which --format"),
        (("vdi", "import", "local", "/dev/null", "--format", "raw"), 2, "say --size"),
        (("vdi", "export", "a", "x"), 2, "say which --format"),
        (("sr", "destroy", "local"), 5, "error: "),
        (("sr", "update", "local"), 2, "nothing to change"),
    ],
    ids=str,
)
async def test_errors_are_a_line_a_hint_and_an_exit_code(
    xenhost: CommandLine, local: dict[str, Any], words: tuple[str, ...], code: int, error: str
) -> None:
    await vdi(xenhost, "root")
    ended = await xenhost.run(*words)
    assert ended.exit_code == code, ended.stderr
    assert error in ended.stderr


async def test_names_are_completed(agent: Agent, xenhost: CommandLine, local: dict[str, Any]) -> None:
    await vdi(xenhost, "root-disk")
    for words, wanted in (
        ("xenhost sr show ", "local"),
        ("xenhost vdi show ro", "root-disk"),
        ("xenhost sr probe f", "file"),
    ):
        assert wanted in await xenhost.completed(words)
