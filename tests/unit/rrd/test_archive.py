"""Durable files: what stock rrdtool says of them, restarts, kills, damage, and files from elsewhere."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy
import pytest
import structlog

from unit.rrd.store_kit import HOST_UUID, MIDDLE, OTHER_VM, START, VM, Bench, counter, gauge
from xenhost.core.errors import InvalidValue
from xenhost.core.metrics import HOST, Owner, OwnerKind
from xenhost.rrd import rrd_file
from xenhost.rrd.archive import Archive
from xenhost.rrd.document import Document
from xenhost.rrd.rrd_file import column_name
from xenhost.rrd.store import Store

ROOT = Path(__file__).resolve().parents[3]


def archive_in(folder: Path) -> Archive:
    made = Archive(folder / "rrds", structlog.get_logger())
    made.open()
    return made


def rrdtool(*words: str | Path) -> str:
    return subprocess.run(["rrdtool", *map(str, words)], capture_output=True, text=True, check=True).stdout


def same(one: Document, two: Document, rtol: float = 1e-6) -> None:
    assert one.updated == two.updated
    assert [(each.name, each.type, each.min, each.max) for each in one.sources] == [
        (each.name, each.type, each.min, each.max) for each in two.sources
    ]
    for first, second in zip(one.archives, two.archives, strict=True):
        numpy.testing.assert_allclose(first.values, second.values, rtol=rtol)
        numpy.testing.assert_allclose(first.pending, second.pending, rtol=1e-4)
        numpy.testing.assert_array_equal(first.unknown, second.unknown)


def filled(ticks: int, archive: Archive, gap: range = range(0)) -> Bench:
    """The host and a VM, saved once a minute."""
    bench = Bench(now=MIDDLE + 5)
    bench.store.load(VM)
    values = [gauge("cpu0"), counter("memory_internal_free", VM), gauge("a/b: c", VM), gauge("loadavg", min=0.0)]
    for number in range(ticks):
        if gap and number == gap.start:  # the agent ends
            bench.tick({})
            archive.save(bench.store)
            continue
        if number in gap:
            bench.now += 5
            continue
        bench.tick({each: number * (at + 1.5) for at, each in enumerate(values)})
        if number % 12 == 11:
            archive.save(bench.store)
    archive.save(bench.store)
    return bench


def test_after_a_restart_everything_is_there(tmp_path: Path) -> None:
    bench = filled(1500, archive_in(tmp_path), gap=range(700, 720))
    again = archive_in(tmp_path)
    assert again.open() == (HOST, VM)
    store = Store(HOST_UUID, bench.now)
    for owner in (HOST, VM):
        before, document = bench.store.document(owner), again.load(owner)
        assert document is not None
        same(before, document)
        store.load(owner, document)
    store.tick(bench.now, [bench.reading({gauge("cpu0"): 1.0})])
    values = store.document(HOST).archives[0].values
    assert numpy.isfinite(values[-30:-1]).all(), "no gap but the tick that the restart took"


def test_a_long_absence_is_unknown_and_not_made_up(tmp_path: Path) -> None:
    archive = archive_in(tmp_path)
    bench = filled(600, archive, gap=range(300, 500))
    document = archive.load(HOST)
    assert document is not None
    same(bench.store.document(HOST), document)
    assert numpy.isnan(document.archives[1].values[-20:-9]).all()


def test_stock_rrdtool_reads_the_files(tmp_path: Path) -> None:
    archive = archive_in(tmp_path)
    bench = filled(100, archive)
    info = rrdtool("info", archive.path(HOST))
    assert "step = 5\n" in info
    assert 'ds[cpu0].type = "GAUGE"' in info
    assert "rra[9].rows = 366" in info
    end = int(bench.store.document(HOST).updated)
    rows = [
        line.split()
        for line in rrdtool("fetch", archive.path(HOST), "AVERAGE", "-s", str(end - 20), "-e", str(end)).splitlines()
    ]
    assert rows[0] == ["cpu0", "loadavg"]
    found = {int(row[0].rstrip(":")): float(row[1]) for row in rows[2:] if "nan" not in row[1]}
    assert found[end] == 98 * 1.5
    dump = rrdtool("dump", archive.path(VM))
    assert f"<name> {column_name('memory_internal_free')} </name>" in dump


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("cpu0", "cpu0"),
        ("vif_0_rx", "vif_0_rx"),
        ("cpu0-C1", "cpu0-C1"),
        ("memory_internal_fre", "memory_internal_fre"),
        ("memory_internal_free", "memory_inter-51eee2"),
        ("statefile/1/latency", "statefile_1_-0c8f5d"),
    ],
)
def test_names_that_librrd_takes_are_kept(name: str, column: str) -> None:
    assert column_name(name)[:13] == column[:13]
    assert (column_name(name) == name) == (name == column)
    assert len(column_name(name)) <= 19


def test_a_name_that_looks_like_one_made_here_gets_one_of_its_own() -> None:
    made = column_name("memory_internal_free")
    assert column_name(made) != made


def test_sources_come_and_go_without_the_others_losing_anything(tmp_path: Path) -> None:
    archive, bench = archive_in(tmp_path), Bench(now=MIDDLE + 5)
    one, two = gauge("one"), gauge("two")
    for sources in ((one,), (one, two), (one, two)):
        for _ in range(12):
            bench.tick(dict.fromkeys(sources, 1.0))
        archive.save(bench.store)
    same(bench.store.document(HOST), _loaded(archive, HOST))
    bench.store.forget(HOST, "one")
    bench.tick({two: 1.0})
    bench.tick({two: 1.0})
    archive.save(bench.store)
    found = _loaded(archive, HOST)
    assert [each.name for each in found.sources] == ["two"]
    same(bench.store.document(HOST), found)


def test_a_vm_that_halted_is_on_disk_and_returns(tmp_path: Path) -> None:
    archive = archive_in(tmp_path)
    bench = filled(100, archive)
    bench.tick({})
    archive.save(bench.store, VM)
    document = bench.store.unload(VM)
    assert document is not None
    same(document, _loaded(archive, VM))
    archive.remove(VM)
    assert archive.load(VM) is None
    assert not list((tmp_path / "rrds").glob("vm-*"))
    archive.remove(VM)


def test_a_document_from_elsewhere_becomes_a_file(tmp_path: Path) -> None:
    archive = archive_in(tmp_path)
    bench = filled(1000, archive)
    document = bench.store.document(VM)
    archive.put(OTHER_VM, document)
    same(document, _loaded(archive, OTHER_VM))
    bench.store.load(OTHER_VM, document)
    for _ in range(30):
        bench.tick({gauge("a/b: c", OTHER_VM): 5.0})
    archive.save(bench.store)
    same(bench.store.document(OTHER_VM), _loaded(archive, OTHER_VM))
    hours = rrdtool(
        "fetch", archive.path(OTHER_VM), "AVERAGE", "-r", "3600", "-s", str(int(START)), "-e", str(int(START) + 3600)
    )
    assert "nan" not in hours.splitlines()[2]


def test_a_file_that_vanished_is_made_again_with_its_past(tmp_path: Path) -> None:
    archive = archive_in(tmp_path)
    bench = filled(100, archive)
    archive.path(HOST).unlink()
    for _ in range(12):
        bench.tick({gauge("cpu0"): 1.0})
    archive.save(bench.store)
    for _ in range(12):
        bench.tick({gauge("cpu0"): 1.0})
    archive.save(bench.store)
    same(bench.store.document(HOST), _loaded(archive, HOST))


def test_a_clock_that_was_put_back_rewrites_the_files(tmp_path: Path) -> None:
    archive = archive_in(tmp_path)
    bench = filled(900, archive)
    bench.now -= 1800
    for number in range(24):
        bench.tick({gauge("cpu0"): float(number), gauge("loadavg", min=0.0): 1.0})
    archive.save(bench.store)
    same(bench.store.document(HOST), _loaded(archive, HOST))


@pytest.mark.parametrize("damage", ["empty", "garbage", "cut", "head", "folder"])
def test_a_damaged_file_is_set_aside(tmp_path: Path, damage: str) -> None:
    archive = archive_in(tmp_path)
    bench = filled(50, archive)
    path = archive.path(HOST)
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        made = {"empty": b"", "garbage": os.urandom(5000), "cut": content[:3000], "head": b"x" * 60 + content[60:]}
        path.write_bytes(made[damage])
    again = archive_in(tmp_path)
    assert again.load(HOST) is None
    assert path.with_suffix(".bad").exists()
    assert again.load(VM) is not None
    again.save(bench.store)
    assert [each.name for each in _loaded(again, HOST).sources] == ["cpu0", "loadavg"]


def test_a_lost_sidecar_loses_long_names_only(tmp_path: Path) -> None:
    archive = archive_in(tmp_path)
    filled(50, archive)
    archive.path(VM).with_suffix(".json").write_text("{")
    archive.path(HOST).with_suffix(".json").unlink()
    assert [each.name for each in _loaded(archive, HOST).sources] == ["cpu0", "loadavg"]
    assert [each.name for each in _loaded(archive, VM).sources] == [
        column_name("memory_internal_free"),
        column_name("a/b: c"),
    ]


def test_an_owner_whose_file_cannot_be_written_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = archive_in(tmp_path)
    bench = filled(24, archive)
    real = rrd_file.update

    def fail(path: Path, *rest: object) -> None:
        if path == archive.path(HOST):
            raise rrd_file.BadFile("no space left on device")
        real(path, *rest)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(rrd_file, "update", fail)
    sources = {gauge("cpu0"): 1.0, gauge("a/b: c", VM): 2.0, gauge("loadavg", min=0.0): 1.0}
    for _ in range(2):
        for _ in range(12):
            bench.tick(sources)
        archive.save(bench.store)
    monkeypatch.undo()
    bench.tick(sources)
    archive.save(bench.store)
    for owner in (HOST, VM):
        same(bench.store.document(owner), _loaded(archive, owner))


@pytest.mark.parametrize("uuid", ["", "../../etc/passwd", "9d2f0000-0000-4000-8000-000000000001/..", "x" * 36])
def test_a_uuid_leads_nowhere_else(tmp_path: Path, uuid: str) -> None:
    with pytest.raises(InvalidValue):
        archive_in(tmp_path).path(Owner(OwnerKind.VM, uuid))


def test_what_a_crash_left_half_done_is_cleared(tmp_path: Path) -> None:
    archive = archive_in(tmp_path)
    filled(13, archive)
    for name in ("host.new", "vm-x.xml", "host.json.new"):
        (tmp_path / "rrds" / name).write_text("half")
    (tmp_path / "rrds" / "notes.rrd").write_text("somebody's")
    assert archive_in(tmp_path).open() == (HOST, VM)
    assert sorted(path.name for path in (tmp_path / "rrds").iterdir()) == sorted(
        ["host.json", "host.rrd", "notes.rrd", f"vm-{VM.uuid}.json", f"vm-{VM.uuid}.rrd"]
    )


def test_a_writer_that_is_killed_at_any_time_leaves_files_that_can_be_read(tmp_path: Path) -> None:
    folder, now = tmp_path / "rrds", START + 2.5
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])}
    for round in range(5):
        words = [sys.executable, str(Path(__file__).with_name("archive_writer.py")), str(folder), str(now)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=env) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            said = [writer.stdout.readline() for _ in range(round * 3 + 1)]
            time.sleep(0.005 * round)
            writer.kill()
            said += writer.stdout.read().splitlines()
        saved = max(int(line) for line in said if line.strip().isdigit())
        document = _loaded(archive_in(tmp_path), VM)
        assert document.updated >= saved, "what was saved is there"
        assert not list(folder.glob("*.bad"))
        last = document.archives[0].values[-1]
        assert numpy.isfinite(last).any()
        now = document.updated + 12.5


def test_a_file_that_is_read_while_it_is_written_is_not_taken_for_damaged(tmp_path: Path) -> None:
    archive = archive_in(tmp_path)
    bench = filled(24, archive)
    done = threading.Event()
    found: list[Document | None] = []

    def read() -> None:
        reader = archive_in(tmp_path)
        while not done.is_set():
            found.append(reader.load(HOST))

    thread = threading.Thread(target=read)
    thread.start()
    for _ in range(40):
        bench.tick({gauge("cpu0"): 1.0, gauge("loadavg", min=0.0): 1.0})
        archive.save(bench.store)
    done.set()
    thread.join()
    assert not list((tmp_path / "rrds").glob("*.bad"))
    assert any(document is not None for document in found)
    same(bench.store.document(HOST), _loaded(archive, HOST))


def _loaded(archive: Archive, owner: Owner) -> Document:
    document = archive.load(owner)
    assert document is not None
    return document
