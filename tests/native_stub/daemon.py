"""Starts the stock xenstored or oxenstored on a plain Linux, with xen_stub.c in Xen's place."""

import hashlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
BUILD: Final = HERE.parents[1] / "build" / "native_stub"
KINDS: Final = ("xenstored", "oxenstored")
START_SECONDS: Final = 10.0


def find_program(kind: str) -> Path | None:
    """Where the daemon is installed (Debian: xen-utils-*), None if it is not."""
    places = sorted(Path("/usr/lib").glob(f"xen-*/bin/{kind}"), reverse=True)
    found = shutil.which(kind)
    return places[0] if places else Path(found) if found else None


def build_stub() -> Path:
    """The compiled stub; compiled only if its source changed."""
    source = HERE / "xen_stub.c"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    library = BUILD / f"xen_stub-{digest}.so"
    if not library.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        made = library.with_suffix(f".{os.getpid()}")
        flags = ("-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror")
        subprocess.run(["cc", *flags, "-o", str(made), str(source), "-ldl"], check=True)
        made.replace(library)
    return library


class Daemon:
    """A running daemon; its socket is `address`."""

    def __init__(self, kind: str, folder: Path) -> None:
        program = find_program(kind)
        assert program is not None, f"{kind} is not installed"
        self.kind: Final = kind
        self.folder: Final = folder
        self.address: Final = str(folder / "socket")
        self._program: Final = program
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until its socket answers."""
        with suppress(FileNotFoundError):
            Path(self.address).unlink()
        environ = {
            **os.environ,
            "XENSTORED_RUNDIR": str(self.folder),
            "LD_PRELOAD": str(build_stub()),
        }
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [str(self._program), *self._arguments()],
                env=environ,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                text = (self.folder / "output").read_text(errors="replace")
                raise RuntimeError(f"{self.kind} did not start: {text[-2000:]}")
            time.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL; no-op if it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    @property
    def pid(self) -> int:
        """Of the running daemon."""
        assert self._process is not None
        return self._process.pid

    def _arguments(self) -> list[str]:
        pidfile = str(self.folder / "pid")
        if self.kind == "xenstored":
            return ["-N", "--internal-db=on", "-F", pidfile]
        config = self.folder / "oxenstored.conf"
        config.write_text(
            f"pid-file = {pidfile}\npersistent = false\n"
            f"xenstored-log-file = {self.folder}/log\naccess-log-file = {self.folder}/access-log\n"
        )
        return ["--no-fork", f"--config-file={config}", "--no-domain-init"]

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.connect(self.address)
            return True
        return False


@contextmanager
def running(kind: str, folder: Path) -> Iterator[Daemon]:
    """A daemon for the length of a with block."""
    daemon = Daemon(kind, folder)
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.kill()
