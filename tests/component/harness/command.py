"""The command-line client as a process of its own, and quicker ones in a thread of this one."""

import asyncio
import json
import os
import signal
import sys
from typing import Any

from click.testing import CliRunner, Result

from xenhost.agent.cli.main import cli

SECONDS = 15.0


class CommandLine:
    """Runs `xenhost` against one agent."""

    def __init__(self, socket: str) -> None:
        self._socket = socket

    async def run(self, *words: str) -> Result:
        """In a thread of this process; standard output and error are apart."""
        runner = CliRunner(mix_stderr=False)
        return await asyncio.to_thread(runner.invoke, cli, ["--socket", self._socket, *words])

    async def ok(self, *words: str) -> str:
        """Its output, having succeeded."""
        ended = await self.run(*words)
        assert ended.exit_code == 0, f"{words}: {ended.stderr}{ended.stdout}{ended.exception!r}"
        return ended.stdout

    async def json(self, *words: str) -> list[Any]:
        """What it says with --json, one value for each line."""
        return [json.loads(line) for line in (await self.ok(*words, "--json")).splitlines()]

    async def one(self, *words: str) -> Any:
        """The only line of it."""
        (only,) = await self.json(*words)
        return only

    async def completed(self, line: str) -> str:
        """What the shell is told when TAB is pressed at the end of that line."""
        words = line.replace("xenhost", f"xenhost --socket {self._socket}", 1)
        env = {"_XENHOST_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
        runner = CliRunner(mix_stderr=False, env=env)
        return (await asyncio.to_thread(runner.invoke, cli, [], prog_name="xenhost")).stdout

    async def start(self, *words: str, stdin: bool = False) -> "Running":
        """As a process of its own, for signals and streams."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "xenhost.agent.cli.main", "--socket", self._socket, *words),
            stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        return Running(process)


class Running:
    """A client under way."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.errors = ""

    async def line(self) -> str:
        """The next line of its output."""
        assert self._process.stdout is not None
        return (await asyncio.wait_for(self._process.stdout.readline(), SECONDS)).decode()

    async def output(self) -> bytes:
        """All of its output."""
        assert self._process.stdout is not None
        return await asyncio.wait_for(self._process.stdout.read(), SECONDS)

    async def error(self, text: str) -> None:
        """Wait until it has said that on standard error."""
        assert self._process.stderr is not None
        while text not in self.errors:
            line = await asyncio.wait_for(self._process.stderr.readline(), SECONDS)
            assert line, f"it ended, and never said {text!r}; it said {self.errors!r}"
            self.errors += line.decode()

    async def write(self, data: bytes) -> None:
        """Feed its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        await asyncio.wait_for(self._process.stdin.drain(), SECONDS)

    def close(self) -> None:
        """End its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    async def end(self) -> int:
        """Wait for its end; the exit status."""
        _, errors = await asyncio.wait_for(self._process.communicate(), SECONDS)
        self.errors += errors.decode()
        assert self._process.returncode is not None
        return self._process.returncode
