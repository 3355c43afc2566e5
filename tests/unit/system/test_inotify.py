"""Entries of a folder, from the kernel."""

import os
from pathlib import Path

import pytest

from xenhost.system.inotify import EntryChange, EntryEvent, FolderWatch, Lost


def test_entries_are_told_of_as_they_come_and_go(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path)
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b.tmp").write_bytes(b"2")
    os.rename(tmp_path / "b.tmp", tmp_path / "b")
    (tmp_path / "a").unlink()
    assert watch.events() == [
        EntryEvent("a", EntryChange.APPEARED),
        EntryEvent("b.tmp", EntryChange.APPEARED),
        EntryEvent("b.tmp", EntryChange.GONE),
        EntryEvent("b", EntryChange.APPEARED),
        EntryEvent("a", EntryChange.GONE),
    ]
    assert watch.events() == []
    watch.close()


def test_writes_in_place_and_folders_are_not_told_of(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    watch = FolderWatch(tmp_path)
    with (tmp_path / "a").open("r+b") as file:
        file.write(b"2")
    (tmp_path / "folder").mkdir()
    assert watch.events() == []
    watch.close()


def test_a_folder_that_goes_is_lost(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    watch = FolderWatch(folder)
    folder.rmdir()
    with pytest.raises(Lost):
        watch.events()
    watch.close()


def test_more_events_than_the_kernel_keeps_are_lost_and_not_silently(tmp_path: Path) -> None:
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    watch = FolderWatch(tmp_path)
    (tmp_path / "a").touch()
    for number in range(most + 1):
        os.rename(tmp_path / f"{'ab'[number % 2]}", tmp_path / f"{'ba'[number % 2]}")
    with pytest.raises(Lost):
        watch.events()
    watch.close()


def test_a_folder_that_is_none_cannot_be_watched(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        FolderWatch(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Not a directory"):
        FolderWatch(tmp_path / "file")
