"""Images on their way: from a file or standard input to the agent, and from the agent to a file or standard output.

No more than one chunk is held: a slow end holds up the other through gRPC's flow control.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import click

from xenhost.agent.cli.failure import ExitCode, Failure
from xenhost.core.units import human_size

CHUNK: Final = 256 * 1024
MAX_ZEROS: Final = 64 * 1024 * 1024
"""In one message: an interrupted stream is to be noticed."""
_ZEROS: Final = bytes(2 * 1024 * 1024)
_FORMATS: Final = {".raw": "raw", ".img": "raw", ".iso": "raw", ".vhd": "vhd", ".qcow2": "qcow2"}


def format_of(file: str) -> str:
    """By the end of the name. The content is not looked at: a guest may have written it. Raises UsageError."""
    known = _FORMATS.get(Path(file).suffix.lower())
    if known is None:
        raise click.UsageError("say which --format it is: raw, vhd or qcow2")
    return known


def stem_of(file: str) -> str:
    """What to call a VDI that comes from a file."""
    return "" if file == "-" else Path(file).stem


class Source:
    """An image to be imported. Use as a context manager."""

    def __init__(self, file: str, quiet: bool) -> None:
        self._file: Final = file
        self._quiet: Final = quiet
        self._fd = -1
        self.length = 0
        """Bytes of the image; 0: not known."""
        self.problem = ""
        """Why it could not be read to its end."""
        self._over = False

    def __enter__(self) -> Self:
        self._fd = sys.stdin.fileno() if self._file == "-" else os.open(self._file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.length = os.lseek(self._fd, 0, os.SEEK_END)  # of block devices, too
            os.lseek(self._fd, 0, os.SEEK_SET)
        except OSError:
            self.length = 0  # a pipe
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        if self._file != "-":
            os.close(self._fd)

    def messages(self, spec: Any) -> Iterator[Any]:
        """The stream of ImportVdi. Runs in a thread of gRPC."""
        from xenhost.api.host.v1.vdi_service_pb2 import ImportVdiRequest

        yield ImportVdiRequest(spec=spec)
        with _Meter(f"import {stem_of(self._file) or 'standard input'}", self._quiet) as meter:
            sent = zeros = 0
            while not self._over and (piece := self._next(sent)):
                data = piece if isinstance(piece, bytes) else b""
                length = len(data) if isinstance(piece, bytes) else piece
                sent += length
                zeros += 0 if data else length
                if data or zeros >= MAX_ZEROS:
                    if zeros:
                        yield ImportVdiRequest(zeros_bytes=zeros)
                        zeros = 0
                    if data:
                        yield ImportVdiRequest(data=data)
                meter.show(sent, sent / self.length if self.length else None)
            if zeros:
                yield ImportVdiRequest(zeros_bytes=zeros)

    def _next(self, at: int) -> bytes | int:
        """What comes next: bytes, or how many zeros; empty at the end."""
        if at < self.length and (hole := min(self._data_after(at) - at, MAX_ZEROS)) >= CHUNK:
            os.lseek(self._fd, at + hole, os.SEEK_SET)
            return hole
        data = self._read()
        return len(data) if data == _ZEROS[: len(data)] else data

    def _data_after(self, at: int) -> int:
        """Where the file has data again, from there on."""
        try:
            found = os.lseek(self._fd, at, os.SEEK_DATA)
        except OSError as error:
            found = self.length if error.errno == errno.ENXIO else at  # ENXIO: a hole up to the end
        os.lseek(self._fd, at, os.SEEK_SET)
        return found

    def _read(self) -> bytes:
        try:
            return os.read(self._fd, CHUNK)
        except OSError as error:
            self.problem = str(error.strerror)
            raise  # gRPC breaks the stream off, so that what was read so far is not taken for the whole


class Sink:
    """Where an image is exported to. A file appears under its name when it is whole; otherwise nothing is left."""

    def __init__(self, file: str, force: bool, quiet: bool) -> None:
        self._file: Final = file
        self._part: Final = f"{file}.part"
        self._force: Final = force
        self._quiet: Final = quiet
        self._fd = -1
        self._whole = False
        self.written = 0

    def __enter__(self) -> Self:
        if self._file == "-":
            if sys.stdout.isatty():
                raise Failure("an image is not for a terminal; send it to a file or a pipe", ExitCode.USAGE)
            self._fd = sys.stdout.fileno()
            return self
        if os.path.lexists(self._file) and not self._force:
            raise Failure(f"{self._file} exists", ExitCode.USAGE, "--force overwrites it")
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
            self._fd = os.open(self._part, flags, 0o600)
        except OSError as error:
            raise Failure(f"cannot write {self._part}: {error.strerror}", ExitCode.FAILED) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file == "-":
            return
        os.close(self._fd)
        if self._whole:
            os.replace(self._part, self._file)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._part)

    def take(self, responses: Iterator[Any]) -> None:
        """Write the stream of ExportVdi. Raises Failure."""
        regular = self._file != "-"
        with _Meter(f"export to {self._file}", self._quiet or not regular) as meter:
            for response in responses:
                try:
                    self._write(response.data, regular)
                    self._write_zeros(response.zeros_bytes, regular)
                except OSError as error:
                    raise Failure(f"cannot write {self._file}: {error.strerror}", ExitCode.FAILED) from None
                meter.show(self.written, response.progress)
        if regular:
            os.ftruncate(self._fd, self.written)
            os.fsync(self._fd)
        self._whole = True

    def _write(self, data: bytes, regular: bool) -> None:
        if regular and data == _ZEROS[: len(data)]:
            self._write_zeros(len(data), regular)
            return
        self.written += len(data)
        while data:
            data = data[os.write(self._fd, data) :]

    def _write_zeros(self, length: int, regular: bool) -> None:
        if regular:
            self.written += length
            os.lseek(self._fd, length, os.SEEK_CUR)  # a hole
            return
        for done in range(0, length, CHUNK):
            self._write(bytes(min(CHUNK, length - done)), regular)


class _Meter:
    """How far it is: a bar on a terminal, nothing elsewhere."""

    def __init__(self, what: str, quiet: bool) -> None:
        self._what: Final = what
        self._progress: Any = None
        self._shown: Final = sys.stderr.isatty() and not quiet

    def __enter__(self) -> Self:
        if self._shown:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
            self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._progress.add_task(self._what, total=None)
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, done: int, fraction: float | None) -> None:
        """So many bytes, and what part of all that is (None: not known)."""
        if self._progress is not None:
            total = None if fraction is None else 1.0
            text = f"{self._what}: {human_size(done)}"
            self._progress.update(self._task, description=text, total=total, completed=fraction or 0.0)
