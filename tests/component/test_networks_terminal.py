"""`xenhost network show` and `host reset-networking` at a terminal."""

import asyncio
import os
import pty
import re
import sys
from contextlib import suppress

import pytest

from component.harness.agent import Agent

SECONDS = 30.0
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """`xenhost` with a pseudo-terminal of 80 columns for all it reads and writes."""

    def __init__(self, socket: str) -> None:
        self._socket = socket

    async def run(self, *words: str, typed: str = "") -> tuple[int, str]:
        """Its exit status, and all that was on the screen. `typed` follows the first question."""
        ours, theirs = pty.openpty()
        command = (sys.executable, "-m", "xenhost.agent.cli.main", "--socket", self._socket, *words)
        env = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
        process = await asyncio.create_subprocess_exec(*command, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
        os.close(theirs)
        screen = ""
        async with asyncio.timeout(SECONDS):
            with suppress(OSError):  # the other end of a pseudo-terminal is gone
                while some := await asyncio.to_thread(os.read, ours, 65536):
                    screen += some.decode()
                    if typed and "[y/N]" in screen:
                        os.write(ours, typed.encode())
                        typed = ""
            code = await process.wait()
        os.close(ours)
        return code, screen.replace("\r\n", "\n")


@pytest.fixture
def terminal(agent: Agent) -> Terminal:
    return Terminal(str(agent.config.api.socket))


async def test_networks_are_drawn_in_colour_within_80_columns(terminal: Terminal) -> None:
    assert (await terminal.run("network", "create", "a network whose name is much longer than anybody wants"))[0] == 0
    code, screen = await terminal.run("network", "show")
    assert (code, COLOUR.search(screen) is not None) == (0, True)
    assert "\x1b[31m! no management interface" in screen
    assert max(len(line) for line in COLOUR.sub("", screen).splitlines()) <= 80
    for table in ("network", "pif"):
        code, screen = await terminal.run(table, "list")
        assert (code, "eth0" in screen) == (0, True)


async def test_a_reset_asks_first(terminal: Terminal) -> None:
    words = ("host", "reset-networking", "eth1", "--mode", "static", "--ip", "10.9.0.2/16")
    code, screen = await terminal.run(*words, typed="n\n")
    assert (code, "no way back" in screen) == (130, True), screen
    assert "! no management interface" in (await terminal.run("network", "show"))[1]
    code, screen = await terminal.run(*words, typed="y\n")
    assert (code, "networking is reset; the host is managed through eth1" in screen) == (0, True), screen
    assert "managed through eth1" in (await terminal.run("network", "show"))[1]
