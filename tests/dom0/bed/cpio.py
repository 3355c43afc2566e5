"""Write an initial ramdisk: a cpio archive in the kernel's "newc" form (Documentation/driver-api/early-userspace)."""

import gzip
import stat
from collections.abc import Mapping

DIRECTORY_MODE = stat.S_IFDIR | 0o755
FILE_MODE = stat.S_IFREG | 0o755


def archive(files: Mapping[str, bytes], directories: tuple[str, ...] = ()) -> bytes:
    """The archive with these directories (parents are added) and files, all owned by root and executable."""
    names = set(directories)
    for name in (*files, *directories):
        parts = name.split("/")[:-1]
        names.update("/".join(parts[: n + 1]) for n in range(len(parts)))
    out = bytearray()
    for number, name in enumerate(sorted(names), start=1):
        out += _member(number, name, DIRECTORY_MODE, b"")
    for number, (name, data) in enumerate(sorted(files.items()), start=len(names) + 1):
        out += _member(number, name, FILE_MODE, data)
    out += _member(0, "TRAILER!!!", 0, b"")
    return bytes(out)


def compressed(files: Mapping[str, bytes], directories: tuple[str, ...] = (), level: int = 9) -> bytes:
    """The archive, gzipped without a time stamp."""
    return gzip.compress(archive(files, directories), level, mtime=0)


def _member(number: int, name: str, mode: int, data: bytes) -> bytes:
    raw_name = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (number, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(raw_name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + raw_name) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
