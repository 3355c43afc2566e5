"""`xenhost try` as a process: both daemons, and a pool of one simulated host."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

USER = "root"
PASSWORD = "secret"


def free_port() -> int:
    """Of the loopback interface; nobody keeps it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def trial() -> Iterator[tuple[str, Path]]:
    """Address and port of the API, and the folder of both daemons, which leave nothing behind."""
    with TemporaryDirectory(prefix="xt-") as folder:
        address = f"127.0.0.1:{free_port()}"
        words = ("try", "--http", address, "--user", USER, "--password", PASSWORD, "--dir", folder)
        command = [sys.executable, "-m", "xenhost.agent.cli.main", *words]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert process.stdout is not None
        first = process.stdout.readline()
        try:
            assert first.startswith("ready after"), first + process.stdout.read()
            yield address, Path(folder)
        finally:
            process.send_signal(signal.SIGINT)
            rest = process.communicate(timeout=60)[0]
        assert process.returncode == 0, rest
        assert running_below(folder) == {}


def running_below(folder: str) -> dict[int, str]:
    """Processes, with their command lines, that were started with that folder."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                words = Path(f"/proc/{entry}/cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if folder in words and int(entry) != os.getpid():
                found[int(entry)] = words
    return found
