"""Documents that go into a file, or to standard output as `-`."""

import os
from collections.abc import Iterable
from pathlib import Path

import click

from xenhost.agent.cli.failure import ExitCode, Failure


def write_out(file: str, parts: Iterable[bytes], force: bool, mode: int = 0o666) -> int:
    """Write it all to a file, which appears when it is whole; bytes. `mode` is before the umask. Raises Failure."""
    if file == "-":
        out = click.get_binary_stream("stdout")
        return sum(out.write(part) for part in parts)
    if os.path.lexists(file) and not force:
        raise Failure(f"{file} exists", ExitCode.USAGE, "--force overwrites it")
    unfinished = Path(f"{file}.part")
    try:
        try:
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as out:
                count = sum(out.write(part) for part in parts)
            os.replace(unfinished, file)
            return count
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise Failure(f"cannot write {file}: {error.strerror}", ExitCode.FAILED) from None
