#!/usr/bin/python3
"""The dom0 end of the bed's command channel: JSON lines on a virtio-serial port (or a TCP connection).

From the host:
    {"op": "run", "id": 1, "argv": [...], "env": {...}, "cwd": "/", "timeout": 60.0, "pty": [24, 80]}
    {"op": "input", "id": 1, "data": BASE64}, {"op": "size", "id": 1, "pty": [24, 80]}
    {"op": "kill", "id": 1, "signal": 15}, {"op": "reset"} (end everything that runs), {"op": "wake", ...} (see wake())
To the host: {"id": 1, "out": BASE64} and {"id": 1, "exit": 0, "seconds": 0.5}. A command that outlives its time-out is
killed with exit 124.
"""

import base64
import contextlib
import ctypes
import fcntl
import gc
import importlib
import json
import os
import pty
import runpy
import selectors
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import traceback
from typing import Any

CHUNK = 32768
TIMED_OUT = 124
WARM = (
    *("asyncio", "sqlite3", "xml.etree.ElementTree", "unittest.mock", "email.message", "tarfile"),
    *("pytest", "_pytest.main", "_pytest.unraisableexception"),
    *("pytest_asyncio.plugin", "pytest_timeout", "_hypothesis_pytestplugin", "hypothesis", "hypothesis.strategies"),
    *("grpc", "grpc.aio", "google.protobuf.message", "google.protobuf.json_format", "google.rpc.status_pb2"),
    *("pyroute2", "pyudev", "psutil", "structlog", "click", "rich.console", "rich.table", "cffi"),
)
RNDADDENTROPY = 0x40085203  # linux/random.h
RNDRESEEDCRNG = 0x5207


class WarmModule:
    """``python -m MODULE ...`` in a fork of this process, which has imported the slow things already.

    The saved state holds this process: a test run that would take 7 s to import pytest starts in one.
    """

    def __init__(self, argv: list[str], env: dict[str, str], cwd: str, output: int) -> None:
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            code = 70
            try:
                code = self._run(argv, env, cwd, output)
            finally:
                os._exit(code)

    def poll(self) -> int | None:
        """Exit status (negative: signal); None while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    @staticmethod
    def _run(argv: list[str], env: dict[str, str], cwd: str, output: int) -> int:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.closerange(3, 256)
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        sys.path[:0] = [cwd, *filter(None, env.get("PYTHONPATH", "").split(":"))]
        sys.argv = list(argv)
        try:
            runpy.run_module(argv[0], run_name="__main__", alter_sys=True)
        except SystemExit as end:
            sys.stdout.flush()
            return end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:  # noqa: BLE001 - the top of a process
            traceback.print_exc()
            return 1
        return 0


class Job:
    """One running command."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.id = request["id"]
        self.started = time.monotonic()  # not the wall clock: it jumps when the machine is restored
        self.deadline = self.started + float(request.get("timeout", 600))
        self.timed_out = False
        size = request.get("pty")
        env = {**os.environ, **request.get("env", {})}
        cwd = request.get("cwd", "/root")
        options: dict[str, Any] = {"env": env, "cwd": cwd, "start_new_session": True}
        if size:
            self.fd, tty = pty.openpty()
            self.resize(size)
            options.update(stdin=tty, stdout=tty, stderr=tty, preexec_fn=_own_terminal)
        else:
            self.fd, tty = os.pipe()
            options.update(stdin=subprocess.DEVNULL, stdout=tty, stderr=tty)
        os.set_blocking(self.fd, False)
        self.process: subprocess.Popen[bytes] | WarmModule
        try:
            if request.get("warm"):
                self.process = WarmModule(request["argv"], env, cwd, tty)
            else:
                self.process = subprocess.Popen(request["argv"], **options)
        except OSError:
            os.close(self.fd)
            raise
        finally:
            os.close(tty)
        self.open = True

    def resize(self, size: list[int]) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", size[0], size[1], 0, 0))

    def kill(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def read(self) -> bytes | None:
        """Output that is there; b"" when there is no more to come."""
        try:
            data = os.read(self.fd, CHUNK)
        except BlockingIOError:
            return None
        except OSError:  # a pty whose other side is closed
            data = b""
        if not data:
            self.open = False
        return data


def wake(request: dict[str, Any]) -> None:
    """After a restore: set the clock, make random numbers differ from those of other restores, mount the share."""
    time.clock_settime(time.CLOCK_REALTIME, request["time"])
    seed = base64.b64decode(request["seed"])
    with open("/dev/urandom", "wb", buffering=0) as device:
        # struct rand_pool_info: bits of entropy, bytes, data
        fcntl.ioctl(device, RNDADDENTROPY, struct.pack("ii", len(seed) * 8, len(seed)) + seed)
        fcntl.ioctl(device, RNDRESEEDCRNG)
    if request["share"]:
        libc = ctypes.CDLL(None, use_errno=True)
        options = b"trans=virtio,version=9p2000.L,msize=262144"
        if libc.mount(b"host", b"/mnt/host", b"9p", 0, options) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"mount of the host's directory: {os.strerror(number)}")


def _own_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Agent:
    """Runs commands for whoever is at the other end of one file descriptor."""

    def __init__(self, fd: int, ends: bool) -> None:
        self.fd = fd
        self.ends = ends  # whether end of file means that the other end is gone for good
        self.jobs: dict[int, Job] = {}
        self.buffer = b""

    def serve(self) -> None:
        """Until the other end goes away (never, for a virtio-serial port)."""
        os.set_blocking(self.fd, True)
        while True:
            watched = {job.fd: job for job in self.jobs.values() if job.open}
            ready = self._wait(watched)
            if self.fd in ready:
                data = os.read(self.fd, 65536)
                if not data:
                    if self.ends:
                        break
                    time.sleep(0.02)  # a port without a host end reads as end of file
                self._take(data)
            for fd, job in watched.items():
                if fd in ready:
                    self._forward(job)
            self._reap()
        for job in self.jobs.values():
            job.kill(signal.SIGKILL)

    def _wait(self, watched: dict[int, Job]) -> set[int]:
        with selectors.PollSelector() as selector:
            for fd in (self.fd, *watched):
                selector.register(fd, selectors.EVENT_READ)
            busy = any(not job.open for job in self.jobs.values())
            return {key.fd for key, _ in selector.select(0.005 if busy else 0.1)}

    def _take(self, data: bytes) -> None:
        self.buffer += data
        *lines, self.buffer = self.buffer.split(b"\n")
        for line in lines:
            try:
                request = json.loads(line)
            except ValueError:
                continue
            if isinstance(request, dict):
                self._do(request)

    def _do(self, request: dict[str, Any]) -> None:
        op = request.get("op")
        if op == "reset":
            for job in self.jobs.values():
                job.kill(signal.SIGKILL)
            self.jobs.clear()
            self._send({"id": request.get("id", 0), "exit": 0, "seconds": 0.0})
            return
        if op == "wake":
            answer = {"id": request["id"]}
            try:
                wake(request)
            except OSError as error:
                answer["error"] = str(error)
            self._send(answer)
            return
        if op == "run":
            try:
                self.jobs[request["id"]] = Job(request)
            except OSError as error:
                text = f"{error.filename or request['argv'][0]}: {error.strerror}\n"
                self._send({"id": request["id"], "out": base64.b64encode(text.encode()).decode()})
                self._send({"id": request["id"], "exit": 127, "seconds": 0.0})
            return
        if request.get("id") not in self.jobs:
            return
        job = self.jobs[request["id"]]
        if op == "input":
            with contextlib.suppress(OSError):
                os.write(job.fd, base64.b64decode(request["data"]))
        elif op == "size":
            job.resize(request["pty"])
        elif op == "kill":
            job.kill(request["signal"])

    def _forward(self, job: Job) -> bool:
        data = job.read()
        if data:
            self._send({"id": job.id, "out": base64.b64encode(data).decode()})
        return bool(data)

    def _reap(self) -> None:
        now = time.monotonic()
        for job in list(self.jobs.values()):
            if now > job.deadline and not job.timed_out:
                job.timed_out = True
                job.kill(signal.SIGKILL)
            code = job.process.poll()
            if code is None:
                continue
            while job.open and self._forward(job):  # what is left; a daemon may keep the pipe itself open
                pass
            os.close(job.fd)
            del self.jobs[job.id]
            if job.timed_out:
                code = TIMED_OUT
            elif code < 0:
                code = 128 - code
            self._send({"id": job.id, "exit": code, "seconds": round(now - job.started, 2)})

    def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode() + b"\n"
        while data:
            data = data[os.write(self.fd, data) :]


def main() -> None:
    if sys.argv[1] == "--tcp":
        host, port = sys.argv[2].rsplit(":", 1)
        with socket.create_server((host, int(port))) as server:
            while True:
                connection, _ = server.accept()
                if os.fork() == 0:
                    Agent(connection.detach(), ends=True).serve()
                    os._exit(0)
                connection.close()
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(-1, os.WNOHANG)
    for name in WARM:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()
    Agent(os.open(sys.argv[1], os.O_RDWR), ends=False).serve()


if __name__ == "__main__":
    main()
