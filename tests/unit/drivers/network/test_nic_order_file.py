"""The file with the order of the cards."""

from pathlib import Path

import pytest

from xenhost.drivers.network.nics import order_file
from xenhost.drivers.network.nics.order import Placed
from xenhost.drivers.network.nics.order_file import OrderUnreadable

ORDER = [
    Placed(0, "eth0", "52:54:00:00:00:01", "0000:03:00.0"),
    Placed(2, "usb0", "52:54:00:00:00:02", present=False),
]


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "new/folder"
    assert order_file.load(folder) == []
    order_file.save(folder, ORDER[:1])
    order_file.save(folder, ORDER)
    assert order_file.load(folder) == ORDER
    assert [path.name for path in folder.iterdir()] == [order_file.NAME]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"version": 2, "nics": []}',
        '{"version": 1}',
        '{"version": 1, "nics": [{"position": 0}]}',
        '{"version": 1, "nics": [{"position": "0", "device": "a", "mac": "b"}]}',
        '{"version": 1, "nics": [{"position": -1, "device": "a", "mac": "b"}]}',
        '{"version": 1, "nics": [{"position": 1, "device": "a", "mac": "b", "x": 1}]}',
        '{"version": 1, "nics": [{"position": 1, "device": "a", "mac": "b"}, '
        '{"position": 1, "device": "b", "mac": "c"}]}',
        "[" * 100_000,
    ],
)
def test_a_damaged_file_is_told_apart_from_none(tmp_path: Path, text: str) -> None:
    (tmp_path / order_file.NAME).write_text(text)
    with pytest.raises(OrderUnreadable):
        order_file.load(tmp_path)


def test_a_damaged_file_is_kept_aside(tmp_path: Path) -> None:
    (tmp_path / order_file.NAME).write_bytes(b"\xff\xfe")
    with pytest.raises(OrderUnreadable):
        order_file.load(tmp_path)
    assert order_file.set_aside(tmp_path).read_bytes() == b"\xff\xfe"
    assert order_file.load(tmp_path) == []
