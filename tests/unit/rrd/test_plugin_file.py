"""Files of plugins: replaced, cut short, hostile."""

import os
import threading
import time
from pathlib import Path

import pytest

from xenhost.core.metrics import Source
from xenhost.rrd.plugin.file import PluginFile, is_plugin_name
from xenhost.rrd.plugin.metadata import BadPlugin
from xenhost.rrd.sdk import Plugin, encode, gauge

NOW = 1_700_000_000.0
A = gauge("a")


def test_a_plugin_is_followed_through_replacement_and_removal(tmp_path: Path) -> None:
    file = PluginFile("p", tmp_path)
    with Plugin("p", tmp_path) as plugin:
        for step in range(3):
            plugin.write([(A, float(step))], NOW + step)
            reading = file.read()
            assert reading is not None
            assert (reading.timestamp, reading.values) == (NOW + step, (float(step),))
            assert file.read() is None
    with pytest.raises(FileNotFoundError):
        file.read()


def test_a_write_in_the_middle_is_waited_for(tmp_path: Path) -> None:
    data = encode([(A, 1.0)], NOW)
    path = tmp_path / "p"
    path.write_bytes(data[:40])

    def rest() -> None:
        time.sleep(0.001)
        path.write_bytes(data)

    file = PluginFile("p", tmp_path)
    for _ in range(100):  # the moment is not ours to choose
        path.write_bytes(data[:40])
        writer = threading.Thread(target=rest)
        writer.start()
        try:
            reading = file.read()
        except BadPlugin:
            reading = None
        writer.join()
        if reading is not None:
            return
    raise AssertionError("a write that took a millisecond was never read")


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(encode([(A, 1.0)], NOW))
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate(1 << 40)
    for name in ("link", "folder", "pipe", "huge"):
        with pytest.raises(BadPlugin):
            PluginFile(name, tmp_path).read()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", ".hidden", "a.tmp", "tap-7", "a\n", "x" * 300])
def test_names_that_lead_elsewhere_are_refused(name: str, tmp_path: Path) -> None:
    assert not is_plugin_name(name)
    with pytest.raises(BadPlugin):
        PluginFile(name, tmp_path)
    with pytest.raises(ValueError, match="not a name"):
        Plugin(name, tmp_path)


def test_a_program_publishes_until_it_is_told_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xenhost.rrd.sdk.STEP", 0.02)
    monkeypatch.setattr("xenhost.rrd.sdk._EARLY", 0.01)
    plugin = Plugin("p", tmp_path)
    seen: list[int] = []

    def collect() -> list[tuple[Source, float]]:
        seen.append(len(seen))
        if len(seen) == 3:
            plugin.stop()
        return [(A, float(len(seen)))]

    plugin.run(collect)
    reading = PluginFile("p", tmp_path).read()
    assert reading is not None
    assert (len(seen), reading.values) == (3, (3.0,))
    plugin.close()
    assert not list(tmp_path.iterdir())
