"""Pictures: arguments for rrdtool, and a PNG that it makes of them."""

import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog

from unit.rrd.store_kit import HOST_UUID, MIDDLE, START, Bench, counter, gauge
from xenhost.core.errors import InvalidValue
from xenhost.core.metrics import HOST, Source, SourceType
from xenhost.rrd.archive import Archive
from xenhost.rrd.graph import MAX_LINES, Graph, Line, arguments, choose, draw
from xenhost.rrd.resolution import Cf
from xenhost.rrd.store import Store

HOUR = Graph("host xen-1", int(START), int(START) + 3600)


@pytest.fixture
def rrd(tmp_path: Path) -> Path:
    bench = Bench(Store(HOST_UUID, MIDDLE))
    values = {counter(f"cpu{number}", high=1.0): 0.0 for number in range(12)}
    values |= {
        Source("memory_free_kib", type=SourceType.GAUGE, units="KiB", default=True): 1.0,
        gauge("a:b <i>%s</i>"): 1.0,
    }
    for tick in range(720):
        bench.tick({each: tick * 2.5 if each.name.startswith("cpu") else 5.0 for each in values})
        if tick % 100 == 99:
            archive = Archive(tmp_path, structlog.get_logger())
            archive.open()
            archive.save(bench.store)
    return archive.path(HOST)


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_a_picture_is_a_png_of_the_size_wanted(rrd: Path) -> None:
    width, height = size(draw(HOUR, rrd))
    assert 800 <= width < 1000
    assert 300 < height < 700
    assert size(draw(Graph("", int(START), int(START) + 60, width=100, height=50), rrd))[0] < 300


def test_awkward_names_and_titles_are_drawn(rrd: Path) -> None:
    names = ("a:b <i>%s</i>", "memory_free_kib")
    assert size(draw(Graph("%s \\n : <b>\x00\n", int(START), int(START) + 3600, names, Cf.MAX), rrd))[0] > 800


def test_pictures_are_drawn_one_after_the_other_from_many_threads(rrd: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        sizes = {size(png) for png in pool.map(lambda _: draw(HOUR, rrd), range(8))}
    assert len(sizes) == 1


def test_usual_ones_share_a_unit_and_are_in_the_order_of_their_numbers() -> None:
    known = {
        name: Line(name, name, units)
        for name, units in (("cpu10", ""), ("cpu2", ""), ("loadavg", "(fraction)"), ("x", ""))
    }
    assert [line.name for line in choose((), known)] == ["cpu2", "cpu10"]
    assert [line.name for line in choose((), {"x": known["x"]})] == ["x"]
    assert [line.name for line in choose(("x", "cpu2", "x"), known)] == ["x", "cpu2"]
    with pytest.raises(InvalidValue, match="'y' is recorded"):
        choose(("y",), known)
    with pytest.raises(InvalidValue, match="nothing is recorded"):
        choose((), {})


def test_arguments_name_columns_colours_and_units() -> None:
    words = arguments(HOUR, Path("/var/a:b/host.rrd"), [Line("cpu0", "cpu0", "(fraction)"), Line("a:b", "a_b-12", "")])
    assert "DEF:v1=/var/a\\:b/host.rrd:a_b-12:AVERAGE" in words
    assert "LINE1.5:v0#1f77b4: cpu0" in words
    assert "LINE1.5:v1#d62728: a\\:b " in words
    assert words[words.index("--vertical-label") + 1] == "(fraction)"


@pytest.mark.parametrize(
    "graph",
    [
        Graph("", 10, 10),
        Graph("", -5, 10),
        Graph("", 0, 1 << 50),
        Graph("", 0, 10, width=99),
        Graph("", 0, 10, height=100_000),
        Graph("", 0, 10, tuple(f"n{number}" for number in range(MAX_LINES + 1))),
    ],
)
def test_pictures_have_bounds(graph: Graph) -> None:
    with pytest.raises(InvalidValue):
        arguments(graph, Path("/x.rrd"), [Line(name, name, "") for name in graph.names or ("cpu0",)])


def test_there_is_no_picture_of_nothing(tmp_path: Path, rrd: Path) -> None:
    with pytest.raises(FileNotFoundError):
        draw(HOUR, tmp_path / "vm-x.rrd")
    with pytest.raises(InvalidValue, match="no LAST is kept"):
        draw(Graph("", 0, 10, cf=Cf.LAST), rrd)
