"""The command-line client and the daemon as processes: a terminal, signals, and a daemon that goes away."""

import asyncio
import os
import pty
import signal
import sys
import termios
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from component.harness.command import CommandLine
from component.harness.process import AgentProcess

VM = ("--type", "pv", "--memory", "64M")


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[AgentProcess]:
    daemon = AgentProcess(tmp_path, "[sim]\ncheck_paths = false\ndelays = { build = 2, destroy = 0.2 }\n")
    await daemon.start()
    yield daemon
    os.kill(daemon.pid, signal.SIGCONT)
    await daemon.kill()


@pytest.fixture
async def xenhost(daemon: AgentProcess) -> CommandLine:
    xenhost = CommandLine(daemon.target.removeprefix("unix:"))
    await xenhost.ok("vm", "create", "a", *VM, "--kernel", "/boot/kernel")
    return xenhost


async def test_the_second_interrupt_leaves_the_operation_running(daemon: AgentProcess, xenhost: CommandLine) -> None:
    waiting = await xenhost.start("vm", "start", "a")
    await waiting.error("...")
    os.kill(daemon.pid, signal.SIGSTOP)  # the cancel cannot be answered, and so the second interrupt comes first
    waiting.interrupt()
    await waiting.error("cancelling; press Ctrl-C again")
    waiting.interrupt()
    assert await waiting.end() == 130
    os.kill(daemon.pid, signal.SIGCONT)
    assert "was left running" in waiting.errors
    name = waiting.errors.split("xenhost operation wait ")[1].split()[0]
    await xenhost.run("operation", "wait", name)
    assert (await xenhost.one("operation", "show", name))["state"] in {"succeeded", "cancelled"}


async def test_a_daemon_that_is_killed_while_we_wait_is_waited_for(daemon: AgentProcess, xenhost: CommandLine) -> None:
    waiting = await xenhost.start("vm", "start", "a")
    await waiting.error("...")
    await daemon.kill()
    await daemon.start()
    code = await waiting.end()
    assert "cannot be reached" not in waiting.errors
    (operation,) = await xenhost.json("operation", "list")
    assert operation["state"] in {"succeeded", "failed"}
    assert code == (0 if operation["state"] == "succeeded" else 1)


async def test_events_go_on_when_the_daemon_comes_back_and_say_that_some_were_lost(
    daemon: AgentProcess, xenhost: CommandLine
) -> None:
    following = await xenhost.start("event", "follow", "--json", "--kind", "vm")
    renaming = asyncio.create_task(_rename_for_ever(xenhost))
    assert '"modified"' in await following.line()
    renaming.cancel()
    await asyncio.gather(renaming, return_exceptions=True)
    await daemon.kill()
    await daemon.start()
    while '"lost": true' not in (line := await following.line()):
        assert '"modified"' in line
    renaming = asyncio.create_task(_rename_for_ever(xenhost))
    assert '"modified"' in await following.line()
    renaming.cancel()
    await asyncio.gather(renaming, return_exceptions=True)
    following.interrupt()
    assert await following.end() == 130


async def test_the_console_is_a_raw_terminal_until_the_escape_key(daemon: AgentProcess, xenhost: CommandLine) -> None:
    await xenhost.ok("vm", "start", "a")
    terminal = Terminal()
    before = termios.tcgetattr(terminal.far)
    process = await terminal.run("--socket", daemon.target.removeprefix("unix:"), "vm", "console", "a")
    await terminal.sees("a:~# ")
    assert termios.tcgetattr(terminal.far)[3] & termios.ICANON == 0
    os.write(terminal.near, b"\x03uname\r")
    await terminal.sees("SimOS a 1.0 pv\r\na:~# ")
    process.send_signal(signal.SIGWINCH)
    os.write(terminal.near, b"nproc\r")
    await terminal.sees("nproc\r\n1\r\n")
    os.write(terminal.near, b"\x1d")
    assert await asyncio.wait_for(process.wait(), 10) == 0
    assert termios.tcgetattr(terminal.far) == before
    terminal.close()


async def test_the_console_ends_with_the_guest(daemon: AgentProcess, xenhost: CommandLine) -> None:
    await xenhost.ok("vm", "start", "a")
    terminal = Terminal()
    process = await terminal.run("--socket", daemon.target.removeprefix("unix:"), "vm", "console", "a")
    await terminal.sees("a:~# ")
    os.write(terminal.near, b"poweroff\r")
    assert await asyncio.wait_for(process.wait(), 10) == 0
    terminal.close()


class Terminal:
    """A terminal with a client on it, and someone in front."""

    def __init__(self) -> None:
        self.near, self.far = pty.openpty()
        os.set_blocking(self.near, False)
        self._seen = b""

    async def run(self, *words: str) -> asyncio.subprocess.Process:
        """The client, with this terminal as all three standard streams."""
        command = (sys.executable, "-m", "xenhost.agent.cli.main", *words)
        return await asyncio.create_subprocess_exec(*command, stdin=self.far, stdout=self.far, stderr=self.far)

    async def sees(self, text: str) -> None:
        """Wait until that is on the screen, and look only at what follows."""
        async with asyncio.timeout(10):
            while text.encode() not in self._seen:
                try:
                    self._seen += os.read(self.near, 4096)
                except BlockingIOError:
                    await asyncio.sleep(0.02)
        self._seen = self._seen.split(text.encode(), 1)[1]

    def close(self) -> None:
        """Hang up."""
        os.close(self.near)
        os.close(self.far)


async def _rename_for_ever(xenhost: CommandLine) -> None:
    vm = (await xenhost.one("vm", "list"))["id"]
    number = 0
    while True:
        await xenhost.run("vm", "update", vm, "--name", f"a{number}")
        number += 1
        await asyncio.sleep(0.2)
