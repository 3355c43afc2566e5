"""Running other programs: bounded in time and output, killed with their children, never through a shell."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Final

MAX_OUTPUT: Final = 4 << 20
"""Bytes kept of each stream; the rest is read and thrown away."""
_CHUNK: Final = 65536
_LINGER: Final = 0.3
"""Seconds to read on after it has ended: all it wrote is there at once, but a daemon of its may hold a pipe open."""


class CommandError(Exception):
    """A program could not be run, failed, or took too long. The text says which, with the end of its stderr."""

    def __init__(self, message: str, result: "Result | None" = None) -> None:
        super().__init__(message)
        self.result = result


class CommandTimeout(CommandError):
    """It took too long, and was killed. `result` holds what it had written until then."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a program left. Untrusted."""

    status: int
    """Exit status; negative: the signal that ended it."""
    stdout: bytes
    stderr: bytes

    def text(self) -> str:
        """Standard output as text; what is not UTF-8 is replaced."""
        return self.stdout.decode(errors="replace")

    def complaint(self) -> str:
        """The end of what it wrote to stderr, on one line."""
        return " ".join(self.stderr.decode(errors="replace").split())[-500:]


class Commands:
    """Runs programs. One object for a daemon, so that tests can stand in."""

    async def run(
        self,
        *argv: str,
        timeout: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        check: bool = True,
        on_output: Callable[[bytes], None] | None = None,
        max_output: int = MAX_OUTPUT,
    ) -> Result:
        """Run it to its end. `on_output` sees stdout as it comes (progress); of each stream, `max_output` are kept.

        A daemon that it leaves behind with its stdout or stderr open is not waited for.

        Raises CommandError if there is no such program, or `check` and it failed; CommandTimeout after so many seconds.
        Cancelled or timed out: its whole process group is killed first; a process that hangs in the kernel is left
        behind, not waited for.
        """
        out, err = bytearray(), bytearray()
        async with _reading(out, max_output, on_output) as stdout, _reading(err, max_output, None) as stderr:
            try:
                process = await asyncio.create_subprocess_exec(
                    *argv,
                    stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    env=None if env is None else {**os.environ, **env},
                    start_new_session=True,
                )
            except OSError as error:
                raise CommandError(f"{argv[0]} cannot be run: {error.strerror}") from error
            finally:
                os.close(stdout)
                os.close(stderr)
            try:
                async with asyncio.timeout(timeout):
                    await _feed(process.stdin, stdin)
                    status = await process.wait()
            except TimeoutError as error:
                partial = Result(-signal.SIGKILL, bytes(out), bytes(err))
                raise CommandTimeout(f"{argv[0]} did not end within {timeout:g} s and was killed", partial) from error
            finally:
                if process.returncode is None:
                    await _kill(process)
        result = Result(status, bytes(out), bytes(err))
        if check and status:
            ended = f"failed with status {status}" if status > 0 else f"was ended by signal {-status}"
            raise CommandError(f"{argv[0]} {ended}: {result.complaint() or 'no reason given'}", result)
        return result


@contextlib.asynccontextmanager
async def _reading(kept: bytearray, most: int, on_output: Callable[[bytes], None] | None) -> AsyncIterator[int]:
    """The writing end of a pipe that is read into `kept`. A pipe of our own: asyncio's wait() waits for its pipes."""
    read, write = os.pipe()
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read, "rb", buffering=0)
    )
    pump = asyncio.create_task(_drain(reader, kept, most, on_output))
    try:
        yield write
        await asyncio.wait([pump], timeout=_LINGER)
    finally:
        pump.cancel()
        transport.close()


async def _drain(
    stream: asyncio.StreamReader, kept: bytearray, most: int, on_output: Callable[[bytes], None] | None
) -> None:
    while data := await stream.read(_CHUNK):
        kept += data[: most - len(kept)]
        if on_output is not None:
            on_output(data)


async def _feed(stream: asyncio.StreamWriter | None, data: bytes) -> None:
    if stream is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.write(data)
        await stream.drain()
    stream.close()


async def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            await process.wait()
