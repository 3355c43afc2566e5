"""Maps are found in sysfs, each LUN counts once, and what multipathd answers is checked."""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.storage_host import StorageHost
from xenhost.core.storage import LunPaths, SrStat
from xenhost.core.storage_errors import SrBackendFailure
from xenhost.sm.context import SmContext
from xenhost.sm.scsi.multipath import Map, Multipath, is_on, maps, one_each, parse_paths
from xenhost.sm.scsi.sysfs import Disk

ID = "360000000000000000e00000000010001"


@pytest.fixture
async def sm(tmp_path: Path) -> AsyncIterator[SmContext]:
    host = StorageHost(tmp_path)
    yield await host.context()
    await host.close()


def path(name: str, dm: str = "active", check: str = "ready", device: str = "running") -> dict[str, str]:
    return {"dev": name, "dm_st": dm, "chk_st": check, "dev_st": device}


def answer(*paths: dict[str, str]) -> str:
    groups = [{"group": number, "paths": [each]} for number, each in enumerate(paths, 1)]
    return json.dumps({"major_version": 0, "maps": [{"name": ID, "uuid": ID, "path_groups": groups}]})


@pytest.mark.parametrize(
    ("paths", "current"),
    [
        ((path("sda"), path("sdb")), 2),
        ((path("sda"), path("sdb", check="ghost")), 2),
        ((path("sda"), path("sdb", dm="failed")), 1),
        ((path("sda"), path("sdb", check="faulty")), 1),
        ((path("sda", dm="failed"), path("sdb", device="offline")), 0),
    ],
)
def test_ways_that_work_are_counted_over_all_groups(paths: tuple[dict[str, str], ...], current: int) -> None:
    assert parse_paths(answer(*paths)) == {ID: LunPaths(ID, current, 2)}


@given(
    st.text()
    | st.recursive(st.none() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)).map(
        lambda value: json.dumps({"maps": value})
    )
)
def test_whatever_else_is_answered_is_no_more_than_a_failure(text: str) -> None:
    with contextlib.suppress(SrBackendFailure):
        assert all(each.current <= each.maximum for each in parse_paths(text).values())


def test_what_is_no_list_of_maps_is_refused() -> None:
    with pytest.raises(SrBackendFailure) as caught:
        parse_paths("timeout")
    assert caught.value.number == 431


def test_maps_are_found_by_what_device_mapper_says_of_them(tmp_path: Path) -> None:
    for name, uuid, alias in (("dm-0", f"mpath-{ID}", ID), ("dm-1", "LVM-abc", "vg-lv"), ("dm-2", "mpath-3x", "../x")):
        folder = tmp_path / "block" / name / "dm"
        folder.mkdir(parents=True)
        (folder / "uuid").write_text(f"{uuid}\n")
        (folder / "name").write_text(f"{alias}\n")
    (tmp_path / "block/dm-3").mkdir()
    assert maps(tmp_path) == {ID: Map("dm-0", ID)}


def test_each_lun_counts_once_and_as_its_map_if_it_has_one() -> None:
    disks = (Disk("sda", 8, ID), Disk("sdb", 8, ID), Disk("sdc", 8, "3x"), Disk("sdd", 8), Disk("sde", 8))
    assert [disk.name for disk in one_each(disks, {})] == ["sda", "sdc", "sdd", "sde"]
    mapped = one_each(disks, {ID: Map("dm-4", ID)})
    assert [disk.path for disk in mapped] == ["/dev/dm-4", "/dev/sdc", "/dev/sdd", "/dev/sde"]


def test_only_device_mapper_is_taken_for_it() -> None:
    assert is_on({"multipathing": "true", "multipathhandle": "dmp"})
    assert not is_on({"multipathing": "true", "multipathhandle": "null"})
    assert not is_on({"multipathing": "false", "multipathhandle": "rdac"})
    with pytest.raises(SrBackendFailure, match="rdac") as caught:
        is_on({"multipathing": "true", "multipathhandle": "rdac"})
    assert caught.value.number == 431


def test_only_true_is_on() -> None:
    assert is_on({"multipathing": "True"})
    assert not any(is_on({"multipathing": text}) for text in ("", "false", "1"))
    assert not is_on({})


@asynccontextmanager
async def daemon(folder: Path, reply: Callable[[str], bytes]) -> AsyncIterator[str]:
    """Something that listens as multipathd does; the path of its socket."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("N", await reader.readexactly(struct.calcsize("N")))
        writer.write(reply((await reader.readexactly(length)).rstrip(b"\0").decode()))
        writer.close()

    path = str(folder / "multipathd")
    async with await asyncio.start_unix_server(serve, path):
        yield path


def framed(text: str) -> bytes:
    return struct.pack("N", len(text) + 1) + text.encode() + b"\0"


STAT = SrStat(10, 5, 5)


async def test_a_look_at_an_sr_shows_its_luns_alone_and_what_is_wrong_with_them(sm: SmContext, tmp_path: Path) -> None:
    asked = []

    def reply(command: str) -> bytes:
        asked.append(command)
        return framed(answer(path("sda"), path("sdb", check="faulty")))

    async with daemon(tmp_path, reply) as socket:
        found = Multipath(sm, tmp_path, (str(tmp_path / "none"), socket))
        seen = await found.seen(STAT, [ID, "3other"])
        assert seen == replace(STAT, paths=(LunPaths(ID, 1, 2),), problem=f"1 of 2 ways to LUN {ID} work")
        assert (await found.seen(replace(STAT, problem="worse"), [ID])).problem == "worse"
        assert (await found.seen(STAT, ["3other"])) == STAT
    assert asked == ["show maps json"] * 3


@pytest.mark.parametrize("reply", [b"", b"\1", struct.pack("N", 1 << 40), struct.pack("N", 9) + b"short"])
async def test_an_answer_that_is_none_is_a_problem_and_no_more(reply: bytes, sm: SmContext, tmp_path: Path) -> None:
    async with daemon(tmp_path, lambda _: reply) as socket:
        seen = await Multipath(sm, tmp_path, (socket,)).seen(STAT, [ID])
    assert seen.paths == ()
    assert "multipathd" in seen.problem


async def test_without_a_daemon_it_is_said_what_to_start(sm: SmContext, tmp_path: Path) -> None:
    seen = await Multipath(sm, tmp_path, (str(tmp_path / "none"),)).seen(STAT, [ID])
    assert "start multipathd" in seen.problem


@pytest.mark.parametrize("scsi_id", ["", "3600 remove map x", "-F", "a" * 200])
async def test_what_is_no_scsi_id_is_told_nobody(scsi_id: str, sm: SmContext, tmp_path: Path) -> None:
    with pytest.raises(SrBackendFailure) as caught:
        await Multipath(sm, tmp_path, ()).open(scsi_id)
    assert caught.value.number == 434
