"""Plugins: found, read when they are due, bounded each for itself."""

import os
import struct
import threading
import time
from pathlib import Path

import pytest
import structlog

from kit.clock import FakeClock
from xenhost.agent.metrics.plugins.owners import KnownOwners
from xenhost.agent.metrics.plugins.plugin import MAX_REST, Plugin
from xenhost.agent.metrics.plugins.table import MAX_ABSENT, MAX_PLUGINS, PluginTable
from xenhost.core.errors import TooBusy
from xenhost.core.metrics import Owner, OwnerKind, Reading, Source
from xenhost.rrd.plugin import protocol
from xenhost.rrd.plugin.metadata import BadPlugin
from xenhost.rrd.sdk import encode, gauge

UUID = "0b9a0a4c-4f1c-4f5f-8a5d-0d8c6b1f2a3b"
OTHER = "1b9a0a4c-4f1c-4f5f-8a5d-0d8c6b1f2a3b"
LOG = structlog.get_logger("test")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(auto=False)


@pytest.fixture
def table(tmp_path: Path, clock: FakeClock) -> PluginTable:
    return PluginTable(tmp_path / "metrics", clock, LOG)


def write(folder: Path, name: str, value: float, now: float = 1.7e9, source: str = "fan") -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(encode([(gauge(source), value)], now))


def test_files_that_are_there_and_files_that_come_are_found(table: PluginTable, tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    write(folder, "old", 1.0)
    table.read()
    assert {name: reading.values for name, reading in table.take().items()} == {"old": (1.0,)}
    write(folder, "new.tmp", 2.0)
    write(folder, "tap-1", 2.0)
    os.rename(folder / "new.tmp", folder / "new")
    table.read()
    assert set(table.take()) == {"new"}  # the old one has nothing new to say
    assert [view.name for view in table.views()] == ["new", "old"]
    (folder / "old").unlink()
    table.read()
    assert [view.name for view in table.views()] == ["new"]


def test_the_folder_is_made_and_made_again(table: PluginTable, tmp_path: Path) -> None:
    table.read()
    assert (tmp_path / "metrics").is_dir()
    (tmp_path / "metrics").rmdir()
    table.read()
    write(tmp_path / "metrics", "fans", 1.0)
    table.read()
    assert set(table.take()) == {"fans"}


def test_a_plugin_that_announces_itself_may_have_its_file_later(
    table: PluginTable, tmp_path: Path, clock: FakeClock
) -> None:
    table.register("late")
    assert table.registered("late")
    table.read()
    assert [view.problem for view in table.views()] == ["its file is not there"]
    clock.advance(5)
    write(tmp_path / "metrics", "late", 4.0)
    table.read()
    assert table.take()["late"].values == (4.0,)
    table.deregister("late")
    assert not table.registered("late")
    table.read()
    assert table.registered("late"), "its file is still in the folder"


def test_one_that_announced_itself_and_never_came_is_forgotten(table: PluginTable, clock: FakeClock) -> None:
    table.register("never")
    table.read()
    clock.advance(MAX_ABSENT)
    table.read()
    assert table.registered("never")
    clock.advance(5)
    table.read()
    assert not table.registered("never")


def test_names_that_lead_elsewhere_are_refused(table: PluginTable) -> None:
    for name in ("../etc/passwd", "", "a/b", ".hidden", "tap-3", "x.tmp", "a\nb", "x" * 300):
        with pytest.raises(BadPlugin):
            table.register(name)


def test_only_so_many_announce_themselves(table: PluginTable) -> None:
    for number in range(MAX_PLUGINS):
        table.register(f"p{number}")
    table.register("p0")
    with pytest.raises(TooBusy):
        table.register("one-more")


def test_a_flood_of_files_is_bounded(table: PluginTable, tmp_path: Path) -> None:
    for number in range(MAX_PLUGINS + 50):
        write(tmp_path / "metrics", f"p{number:04}", 1.0)
    table.read()
    assert len(table.views()) == MAX_PLUGINS


def test_a_broken_plugin_is_left_alone_for_longer_each_time_and_comes_back(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"DATASOURCES" + bytes(100))
    plugin = Plugin("bad", tmp_path)
    now, rests = 0.0, []
    for _ in range(7):
        assert plugin.read(now) is None
        assert plugin.problem
        rest = next(seconds for seconds in range(600) if plugin.due(now + seconds))
        rests.append(rest)
        now += max(rest, 5)
    assert rests == [0, 5, 15, 35, 60, 60, 60]
    write(tmp_path, "bad", 3.0)
    reading = plugin.read(now)
    assert reading is not None
    assert reading.values == (3.0,)
    assert plugin.due(now + 5)
    assert not plugin.problem
    assert MAX_REST == 60


def test_a_fault_that_a_plugin_leads_to_is_its_own_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(data: bytes) -> bool:
        raise struct.error("unpack_from requires a buffer")

    write(tmp_path, "odd", 1.0)
    plugin = Plugin("odd", tmp_path)
    monkeypatch.setattr(protocol, "is_text", fault)
    assert plugin.read(0.0) is None
    assert plugin.problem == "internal error: error: unpack_from requires a buffer"
    assert plugin.read(5.0) is None
    assert not plugin.due(9.0), "it is left alone for longer"
    monkeypatch.undo()
    assert plugin.read(15.0) is not None
    assert not plugin.problem


def test_one_that_has_nothing_new_is_asked_at_each_tick(tmp_path: Path) -> None:
    write(tmp_path, "slow", 1.0)
    plugin = Plugin("slow", tmp_path)
    assert plugin.read(0.0) is not None
    assert plugin.read(5.0) is None
    assert plugin.due(10.0)
    assert not plugin.problem


def test_a_plugin_that_costs_much_is_read_less_often(tmp_path: Path) -> None:
    many = [(gauge(f"source-{number}"), 1.0) for number in range(20_001)]
    (tmp_path / "many").write_bytes(encode(many, 1.7e9))
    plugin = Plugin("many", tmp_path)
    assert plugin.read(0.0) is None
    assert plugin.problem == "it has 20001 data sources; 20000 at most"
    assert plugin.cost > 0
    assert not plugin.due(min(plugin.cost / 0.05, 5.0) - 0.1) or plugin.cost < 0.25


def test_the_cheap_ones_are_read_before_those_that_are_not_known_yet(table: PluginTable, tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    write(folder, "z-known", 1.0)
    table.read()
    write(folder, "a-new", 1.0)
    write(folder, "z-known", 2.0, 1.7e9 + 5)
    table.read()
    assert list(table.take()) == ["z-known", "a-new"]


def test_a_fifo_a_socket_a_link_and_a_folder_hang_nobody(table: PluginTable, tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    write(folder, "good", 1.0)
    os.mkfifo(folder / "fifo")
    (folder / "link").symlink_to("/dev/zero")
    (folder / "folder").mkdir()
    thread = threading.Thread(target=table.read)
    begun = time.monotonic()
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    assert time.monotonic() - begun < 2
    assert set(table.take()) == {"good"}
    assert {view.name: bool(view.problem) for view in table.views()}["fifo"]


def test_a_plugin_that_shrinks_or_lies_harms_no_other(table: PluginTable, tmp_path: Path, clock: FakeClock) -> None:
    folder = tmp_path / "metrics"
    write(folder, "good", 1.0)
    write(folder, "shrinks", 1.0)
    table.read()
    whole = (folder / "shrinks").read_bytes()
    (folder / "shrinks").write_bytes(whole[:20])
    (folder / "huge").write_bytes(b"DATASOURCES" + struct.pack(">III", 0, 0, 0xFFFFFFFF) + bytes(64))
    write(folder, "good", 2.0, 1.7e9 + 5)
    clock.advance(5)
    table.take()
    table.read()
    assert {name: reading.values for name, reading in table.take().items()} == {"good": (2.0,)}
    assert {view.name for view in table.views() if view.problem} == {"shrinks", "huge"}


def test_a_plugin_brings_nothing_of_srs_that_are_not_here() -> None:
    sr, other = Owner(OwnerKind.SR, UUID), Owner(OwnerKind.SR, OTHER)
    sources = (Source("a"), Source("b", sr), Source("c", other), Source("d", Owner(OwnerKind.VM, OTHER)))
    reading = Reading(1.7e9, sources, (1.0, 2.0, 3.0, 4.0))
    owners, srs = KnownOwners(), frozenset({UUID})
    (found,) = owners.known((), {"p": reading}, srs)
    assert found.values == (1.0, 2.0, 4.0)
    (again,) = owners.known((), {"p": Reading(1.7e9 + 5, sources, (5.0, 6.0, 7.0, 8.0))}, srs)
    assert again.sources is found.sources, "the store goes by identity"
    assert again.values == (5.0, 6.0, 8.0)
    (all_of_it,) = owners.known((), {"p": reading}, frozenset({UUID, OTHER}))
    assert all_of_it is reading


def test_a_plugin_takes_no_name_of_the_agents_own() -> None:
    own = (Source("cpu0"), Source("cpu1"))
    theirs = (Source("cpu0"), Source("fan"), Source("cpu1", Owner(OwnerKind.VM, UUID)))
    owners, srs = KnownOwners(), frozenset[str]()
    mine = [Reading(1.7e9, own, (0.1, 0.2))]
    (found,) = owners.known(mine, {"p": Reading(1.7e9, theirs, (9.0, 1.0, 2.0))}, srs)
    assert (found.values, [source.name for source in found.sources]) == ((1.0, 2.0), ["fan", "cpu1"])
    more = [*mine, Reading(1.7e9, (Source("disk"),), (1.0,))]
    (again,) = owners.known(more, {"p": Reading(1.7e9 + 5, theirs, (9.0, 3.0, 4.0))}, srs)
    assert again.sources is found.sources, "what stays the same stays the same object"
    (taken,) = owners.known(
        [*more, Reading(1.7e9, (Source("fan"),), (1.0,))], {"p": Reading(1.7e9, theirs, (9.0, 5.0, 6.0))}, srs
    )
    assert taken.values == (6.0,)
