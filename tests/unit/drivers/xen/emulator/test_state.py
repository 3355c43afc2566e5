"""The state of an emulator in an image."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenhost.drivers.xen.emulator.state import MAX_STATE, read_state, write_state


def image(folder: Path, data: bytes = b"") -> int:
    fd = os.open(folder / "image", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


@pytest.mark.parametrize("size", [1, 4096, (1 << 20) + 1])
def test_what_was_written_is_read_and_the_memory_follows(tmp_path: Path, size: int) -> None:
    (tmp_path / "saved").write_bytes(os.urandom(size))
    fd = image(tmp_path)
    write_state(fd, tmp_path / "saved")
    os.write(fd, b"memory")
    os.lseek(fd, 0, os.SEEK_SET)
    read_state(fd, tmp_path / "folder" / "state")
    assert (tmp_path / "folder" / "state").read_bytes() == (tmp_path / "saved").read_bytes()
    assert os.read(fd, 100) == b"memory"
    os.close(fd)


def test_an_emulator_that_wrote_nothing_or_far_too_much_is_no_state(tmp_path: Path) -> None:
    fd = image(tmp_path)
    for size in (0, MAX_STATE + 1):
        with (tmp_path / "saved").open("wb") as file:
            file.truncate(size)
        with pytest.raises(OSError, match=f"has {size} bytes"):
            write_state(fd, tmp_path / "saved")
    assert os.fstat(fd).st_size == 0
    os.close(fd)


def test_a_full_image_is_told(tmp_path: Path) -> None:
    (tmp_path / "saved").write_bytes(bytes(1 << 20))
    full = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError, match="No space left"):
        write_state(full, tmp_path / "saved")
    os.close(full)


@given(st.binary(max_size=64) | st.binary(max_size=64).map(lambda rest: b"xenhostQ" + rest))
def test_whatever_stands_in_an_image_is_a_state_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, untrusted: bytes
) -> None:
    folder = tmp_path_factory.mktemp("image")
    fd = image(folder, untrusted)
    try:
        read_state(fd, folder / "state")
        length = int.from_bytes(untrusted[8:16], "little")
        assert (folder / "state").read_bytes() == untrusted[16 : 16 + length]
    except OSError:
        pass
    finally:
        os.close(fd)
