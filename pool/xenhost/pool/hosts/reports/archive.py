"""Files as one archive: tar, bzip2 of it, or zip. It is made in a file of its own, of which there is no name."""

import io
import tarfile
import tempfile
import zipfile
from enum import StrEnum
from typing import IO, Final, assert_never

MAX_BYTES: Final = 256 << 20
"""Of all files of an archive, before they are compressed."""


class Format(StrEnum):
    """What xapi makes, too."""

    TAR = "tar"
    TAR_BZ2 = "tar.bz2"
    ZIP = "zip"


MIME: Final = {
    Format.TAR: "application/x-tar",
    Format.TAR_BZ2: "application/x-bzip2",
    Format.ZIP: "application/zip",
}


class Full(Exception):
    """There is no room for more."""


class Archive:
    """Add files, then `finish`. All of it blocks: call it in a thread. Raises OSError."""

    def __init__(self, kind: Format, folder: str, now: float) -> None:
        """`folder`: what all names begin with."""
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `drop`, or by who takes it
        self._folder: Final = folder
        self._now: Final = int(now)
        self._left = MAX_BYTES
        self._tar: tarfile.TarFile | None = None
        self._zip: zipfile.ZipFile | None = None
        match kind:
            case Format.TAR:
                self._tar = tarfile.open(fileobj=self._file, mode="w")  # noqa: SIM115 - closed by `finish`
            case Format.TAR_BZ2:
                self._tar = tarfile.open(fileobj=self._file, mode="w:bz2")  # noqa: SIM115 - the same
            case Format.ZIP:
                self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED)
            case _:
                assert_never(kind)

    def add(self, name: str, content: bytes) -> None:
        """Raises Full; the archive is as it was."""
        if len(content) > self._left:
            raise Full
        self._left -= len(content)
        path = f"{self._folder}/{name}"
        if self._tar is not None:
            entry = tarfile.TarInfo(path)
            entry.size, entry.mtime, entry.mode = len(content), self._now, 0o600
            self._tar.addfile(entry, io.BytesIO(content))
        elif self._zip is not None:
            self._zip.writestr(path, content)

    def finish(self) -> IO[bytes]:
        """The file, from its beginning; whoever closes it removes it."""
        for each in (self._tar, self._zip):
            if each is not None:
                each.close()
        self._file.seek(0)
        return self._file

    def drop(self) -> None:
        """It is not wanted any more."""
        self._file.close()
