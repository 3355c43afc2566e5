"""One instance, and what systemd is told."""

import asyncio
import json
import logging
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from xenhost.system.clock import SystemClock
from xenhost.system.journald import JournaldHandler
from xenhost.system.lifecycle import AlreadyRunning, single_instance
from xenhost.system.notify import Notifier


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(5)
        yield sock


def test_a_second_instance_is_refused_and_told_who_runs(tmp_path: Path) -> None:
    with (
        single_instance(tmp_path, "xenhostd"),
        pytest.raises(AlreadyRunning, match=str(os.getpid())),
        single_instance(tmp_path, "xenhostd"),
    ):
        pass
    with single_instance(tmp_path, "xenhostd"):
        pass


def test_systemd_is_told_ready_status_and_stopping(listener: socket.socket) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": str(listener.getsockname())})
    notifier.ready("3 VMs")
    notifier.stopping()
    assert listener.recv(500) == b"READY=1\nSTATUS=3 VMs"
    assert listener.recv(500).startswith(b"STOPPING=1")


async def test_the_watchdog_is_fed_often_enough(listener: socket.socket) -> None:
    environ = {"NOTIFY_SOCKET": str(listener.getsockname()), "WATCHDOG_USEC": "60000"}
    feeding = asyncio.create_task(Notifier.from_environment(environ).watchdog(SystemClock()))
    await asyncio.sleep(0.1)
    feeding.cancel()
    assert listener.recv(500) == listener.recv(500) == b"WATCHDOG=1"


async def test_a_watchdog_for_another_process_is_not_fed() -> None:
    environ = {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}
    await Notifier.from_environment(environ).watchdog(SystemClock())


def test_without_systemd_nothing_is_told_and_nothing_fails() -> None:
    Notifier.from_environment({}).ready("ok")
    Notifier.from_environment({"NOTIFY_SOCKET": "/nowhere/at/all"}).ready("ok")


def test_journald_gets_fields(listener: socket.socket) -> None:
    handler = JournaldHandler("xenpoold", str(listener.getsockname()))
    line = {"message": "plugged", "vm": "v1", "level": "info", "trace back": "a\nb"}
    handler.emit(logging.LogRecord("x", logging.WARNING, "f", 1, json.dumps(line), None, None))
    handler.close()
    raw = listener.recv(10_000)
    assert b"MESSAGE\n" in raw  # it holds a line break, for the traceback is part of the line
    assert b"PRIORITY=4\n" in raw
    assert b"SYSLOG_IDENTIFIER=xenpoold\n" in raw
    assert b"XENHOST_VM=v1\n" in raw
    assert b"XENHOST_TRACE_BACK\n" + struct.pack("<Q", 3) + b"a\nb\n" in raw


def test_a_journal_that_is_away_costs_the_line_only() -> None:
    handler = JournaldHandler("x", "/nowhere/socket")
    handler.emit(logging.LogRecord("x", logging.INFO, "f", 1, '{"message": "m"}', None, None))
    handler.close()


SECOND_SIGNAL = """
import asyncio, os, signal, structlog
from xenhost.system.lifecycle import StopSignals
async def main():
    signals = StopSignals(structlog.get_logger())
    signals.install()
    os.kill(os.getpid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGTERM)
    await signals.asked()
    print("asked", flush=True)
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_the_first_signal_asks_and_the_second_ends_the_process_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", SECOND_SIGNAL], capture_output=True, text=True, timeout=15)
    assert done.returncode == 128 + signal.SIGTERM
    assert "asked" in done.stdout
