"""xenhost try: a pool of one simulated host, for people who write clients."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from xenhost.agent.cli.failure import ExitCode, Failure
from xenhost.agent.cli.pool_api import PoolApi

READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0
LONGEST_FOLDER: Final = 40
"""Bytes: sockets lie in it, and their names are limited."""
CONFIGURATION: Final = """\
[master]
address = "unix:{root}/run/xenhost/xenpoold-link.sock"
endpoints = ["unix:{root}/run/xenhost/xenhostd.sock"]
[sim]
check_paths = false
"""


@click.command("try")
@click.option("--http", default="127.0.0.1:8080", show_default=True, metavar="ADDRESS:PORT", help="The API over HTTP.")
@click.option("--https", default="", metavar="ADDRESS:PORT", help="The API over HTTPS, with a certificate of its own.")
@click.option("--user", default="root", show_default=True, help="Who may log in.")
@click.option("--password", default="xenhost", show_default=True, help="With which password.")
@click.option("--dir", "folder", type=click.Path(path_type=Path), help="Keep everything here, for the next time too.")
def try_(http: str, https: str, user: str, password: str, folder: Path | None) -> None:
    """Serve the XenServer Management API over a simulated host, until Ctrl-C.

    With templates, a file SR and networks. Nothing is left behind, unless --dir is given.
    """
    signal.signal(signal.SIGTERM, _as_ctrl_c)
    with contextlib.ExitStack() as stack:
        root = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="xenhost-")))
        root = root.absolute()
        if len(os.fsencode(root)) > LONGEST_FOLDER:
            message = f"{root} is too long for the sockets in it; use a folder of {LONGEST_FOLDER} bytes at most"
            raise Failure(message, ExitCode.USAGE)
        begun = time.monotonic()
        file = root / "etc/xenhost/xenhostd.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(CONFIGURATION.format(root=root))
        pool = [*_python("xenhost.pool"), "--root", str(root), "--user", user, "--http", http]
        if https:
            pool += ["--https", https]
        processes = [
            stack.enter_context(_running(root / "xenpoold.log", pool, password)),
            stack.enter_context(
                _running(
                    root / "xenhostd.log",
                    [*_python("xenhost.agent"), "--root", str(root), "--hypervisor", "sim"],
                )
            ),
        ]
        url = f"http://{http}/"
        _furnish(_Api(url, user, password, processes), root)
        click.echo(f"ready after {time.monotonic() - begun:.1f} s; Ctrl-C ends it")
        click.echo(f"  {url}")
        if https:
            click.echo(f"  https://{https}/")
        click.echo(f"  user {user}, password {password}")
        click.echo(f"  everything is in {root}")
        with contextlib.suppress(KeyboardInterrupt):
            while all(process.poll() is None for process in processes):
                time.sleep(0.2)
            raise Failure(f"a daemon has ended; its log is in {root}\n{_tails(root)}", ExitCode.FAILED)


class _Api(PoolApi):
    """Of daemons that are coming up."""

    def __init__(self, url: str, user: str, password: str, processes: list[subprocess.Popen[bytes]]) -> None:
        super().__init__(url, user, password)
        self._processes: Final = processes

    def wait(self, method: str) -> list[Any]:
        """Until that lists something."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            with contextlib.suppress(OSError, xmlrpc.client.ProtocolError):
                if found := self(method):
                    return list(found)
            if any(process.poll() is not None for process in self._processes):
                raise Failure("a daemon has ended at once; see its log", ExitCode.FAILED)
            if time.monotonic() > deadline:
                raise Failure(f"{method} found nothing within {READY_SECONDS:g} s", ExitCode.FAILED)
            time.sleep(0.02)


def _furnish(api: _Api, root: Path) -> None:
    """The first time: an SR for disks, which is the default."""
    api.wait("PIF.get_all")
    host = api("host.get_all")[0]
    if not api("SR.get_by_name_label", "Local storage"):
        disks = root / "sr"
        disks.mkdir(exist_ok=True)
        config = {"location": str(disks)}
        sr = api("SR.create", host, config, "0", "Local storage", "", "file", "user", False, {})
        api("pool.set_default_SR", api("pool.get_all")[0], sr)


@contextlib.contextmanager
def _running(log: Path, command: list[str], said: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """A daemon, until it is no more needed. A Ctrl-C at the terminal is for us, not for it."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True)
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(f"{said}\n".encode())
        process.stdin.close()
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _as_ctrl_c(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", module]


def _tails(root: Path) -> str:
    logs = (root / "xenpoold.log", root / "xenhostd.log")
    return "\n".join(line for log in logs for line in log.read_text(errors="replace").splitlines()[-5:])
