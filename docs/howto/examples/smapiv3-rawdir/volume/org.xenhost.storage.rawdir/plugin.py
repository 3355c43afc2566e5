#!/usr/bin/env python3
"""A type of SR: a directory of raw files. Each volume is `<key>.raw`, with what is known of it in `<key>.json`."""

import fcntl
import json
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from xenhost.sm.sdk import (
    BackendFailure,
    PluginInfo,
    ProbeResult,
    SrDoesNotExist,
    SrStat,
    Volume,
    VolumeDoesNotExist,
    VolumePlugin,
    main,
)

FICLONE = 0x40049409


class RawDirectory(VolumePlugin):
    """`sr`, our name for an SR, is its directory."""

    info = PluginInfo(
        plugin="rawdir",
        name="Directory of raw files",
        description="An example: plain files in a directory that is there already",
        vendor="xenhost",
        features=["VDI_REVERT", "VDI_RESIZE_ONLINE"],
        configuration={"path": "directory, absolute; it must exist"},
    )

    def sr_probe(self, configuration: Mapping[str, str]) -> Sequence[ProbeResult]:
        """Is there an SR in the directory?"""
        if "path" not in configuration:
            return [ProbeResult({}, complete=False, extra_info={"missing": "path"})]
        path = directory(configuration)
        if not (path / "sr.json").exists():
            return [ProbeResult(configuration, complete=True)]
        stat = self.sr_stat(str(path))
        return [ProbeResult({**configuration, "sr_uuid": stat.uuid or ""}, complete=True, sr=stat)]

    def sr_create(self, uuid: str, configuration: Mapping[str, str], name: str, description: str) -> Mapping[str, str]:
        """Write `sr.json` into an empty directory."""
        path = directory(configuration)
        there = [each.name for each in path.iterdir() if each.name != "lost+found"]
        if there:
            raise BackendFailure(42, f"{path} holds {there[0]}; an empty directory is needed")
        write(path / "sr.json", {"uuid": uuid, "name": name, "description": description})
        return configuration

    def sr_attach(self, configuration: Mapping[str, str]) -> str:
        """There is nothing to prepare."""
        path = directory(configuration)
        there = read_sr(path)["uuid"]
        if configuration.get("sr_uuid", there) != there:
            raise BackendFailure(47, f"{path} holds another SR: {there}")
        return str(path)

    def sr_detach(self, sr: str) -> None:
        """Nor to undo."""

    def sr_destroy(self, sr: str) -> None:
        """Remove our file; the directory is not ours."""
        (Path(sr) / "sr.json").unlink(missing_ok=True)

    def sr_stat(self, sr: str) -> SrStat:
        """Space of the file system."""
        fields = read_sr(Path(sr))
        space = os.statvfs(sr)
        free, total = space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize
        return SrStat(sr, fields["name"], fields["description"], free, total, uuid=fields["uuid"])

    def sr_set_name(self, sr: str, new_name: str) -> None:
        """Store its name."""
        write(Path(sr) / "sr.json", {**read_sr(Path(sr)), "name": new_name})

    def sr_set_description(self, sr: str, new_description: str) -> None:
        """Store its description."""
        write(Path(sr) / "sr.json", {**read_sr(Path(sr)), "description": new_description})

    def sr_ls(self, sr: str) -> Sequence[Volume]:
        """Every `<key>.json` beside `sr.json`."""
        read_sr(Path(sr))  # if the directory is not mounted, fail: an empty list would mean that all is gone
        keys = [path.stem for path in sorted(Path(sr).glob("*.json")) if path.name != "sr.json"]
        return [self.volume_stat(sr, key) for key in keys]

    def volume_create(self, sr: str, name: str, description: str, size: int, sharable: bool) -> Volume:
        """A sparse file. `.json` is written last: only then there is a volume."""
        key = str(uuid.uuid4())
        with data(sr, key).open("xb") as file:
            try:
                file.truncate(size)
            except OSError:
                data(sr, key).unlink()
                raise
        write(record(sr, key), {"name": name, "description": description, "sharable": sharable, "keys": {}})
        return self.volume_stat(sr, key)

    def volume_snapshot(self, sr: str, key: str) -> Volume:
        """A copy that may not be written to."""
        return self.copied(sr, key, read_write=False)

    def volume_clone(self, sr: str, key: str) -> Volume:
        """A copy that may."""
        return self.copied(sr, key, read_write=True)

    def copied(self, sr: str, key: str, read_write: bool) -> Volume:
        """Copy a volume under a new key."""
        fields = read_record(sr, key)
        new = str(uuid.uuid4())
        copy(data(sr, key), data(sr, new))
        write(record(sr, new), {**fields, "read_write": read_write})
        return self.volume_stat(sr, new)

    def volume_revert(self, sr: str, snapshot: str, key: str) -> None:
        """Put a copy of the snapshot's file in the place of the volume's."""
        read_record(sr, key)
        temporary = data(sr, f"{key}.revert")
        temporary.unlink(missing_ok=True)
        copy(data(sr, snapshot), temporary)
        temporary.rename(data(sr, key))

    def volume_destroy(self, sr: str, key: str) -> None:
        """`.json` first: a crash leaves a file that nobody lists, not a volume without data."""
        read_record(sr, key)
        if active(data(sr, key)):
            raise BackendFailure(24, f"volume {key} is in use")
        record(sr, key).unlink()
        data(sr, key).unlink(missing_ok=True)

    def volume_resize(self, sr: str, key: str, new_size: int) -> None:
        """Let the file grow."""
        if new_size < self.volume_stat(sr, key).virtual_size:
            raise BackendFailure(79, "a volume cannot shrink")
        os.truncate(data(sr, key), new_size)

    def volume_set_name(self, sr: str, key: str, new_name: str) -> None:
        """Store its name."""
        write(record(sr, key), {**read_record(sr, key), "name": new_name})

    def volume_set_description(self, sr: str, key: str, new_description: str) -> None:
        """Store its description."""
        write(record(sr, key), {**read_record(sr, key), "description": new_description})

    def volume_set(self, sr: str, key: str, k: str, v: str) -> None:
        """Store a key."""
        fields = read_record(sr, key)
        write(record(sr, key), {**fields, "keys": {**fields["keys"], k: v}})

    def volume_unset(self, sr: str, key: str, k: str) -> None:
        """Remove a key."""
        fields = read_record(sr, key)
        write(record(sr, key), {**fields, "keys": {name: v for name, v in fields["keys"].items() if name != k}})

    def volume_stat(self, sr: str, key: str) -> Volume:
        """What `.json` says, and the size of the file."""
        fields = read_record(sr, key)
        found = data(sr, key).stat()
        return Volume(
            key=key,
            uuid=key,
            name=fields["name"],
            description=fields["description"],
            read_write=fields.get("read_write", True),
            sharable=fields["sharable"],
            virtual_size=found.st_size,
            physical_utilisation=found.st_blocks * 512,
            uri=[f"rawdir://{quote(str(data(sr, key)))}"],
            keys=fields["keys"],
        )


def directory(configuration: Mapping[str, str]) -> Path:
    """The SR's directory."""
    if not configuration.get("path", "").startswith("/"):
        raise BackendFailure(90, "device-config needs path, an absolute directory")
    path = Path(configuration["path"])
    if not path.is_dir():
        raise BackendFailure(91, f"{path} is not a directory")
    return path


def data(sr: str, key: str) -> Path:
    """The file of a volume."""
    return Path(sr) / f"{key}.raw"


def record(sr: str, key: str) -> Path:
    """The file with what is known of a volume."""
    if "/" in key or key in ("", "sr"):
        raise VolumeDoesNotExist(key)
    return Path(sr) / f"{key}.json"


def read_sr(path: Path) -> Any:
    """What is known of an SR."""
    try:
        return json.loads((path / "sr.json").read_text())
    except FileNotFoundError:
        raise SrDoesNotExist(str(path)) from None


def read_record(sr: str, key: str) -> Any:
    """What is known of a volume."""
    try:
        return json.loads(record(sr, key).read_text())
    except FileNotFoundError:
        read_sr(Path(sr))
        raise VolumeDoesNotExist(key) from None


def write(path: Path, fields: Mapping[str, object]) -> None:
    """Replace a file, so that a crash leaves the old one or the new one."""
    temporary = path.with_suffix(".new")
    with temporary.open("w") as file:
        json.dump(fields, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def active(path: Path) -> bool:
    """Has the datapath marked it as in use?"""
    return any(path.parent.glob(f"{path.name}.*.active"))


def copy(source: Path, target: Path) -> None:
    """At once where the file system can share blocks; else byte by byte, which is right only if nobody writes."""
    with source.open("rb") as old, target.open("xb") as new:
        try:
            fcntl.ioctl(new, FICLONE, old.fileno())
        except OSError:
            if active(source):
                new.close()
                target.unlink()
                raise BackendFailure(82, "this file system cannot copy a volume that is in use") from None
            size = os.fstat(old.fileno()).st_size
            new.truncate(size)
            at = 0
            while at < size:
                try:
                    at = os.lseek(old.fileno(), at, os.SEEK_DATA)
                except OSError:  # there is no more data
                    break
                end = os.lseek(old.fileno(), at, os.SEEK_HOLE)
                os.lseek(new.fileno(), at, os.SEEK_SET)
                while at < end:
                    at += os.sendfile(new.fileno(), old.fileno(), at, end - at)
        os.fsync(new.fileno())


if __name__ == "__main__":
    main(RawDirectory())
