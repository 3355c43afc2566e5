"""Supervision of QEMU: one process for each HVM domain, found again after a restart of the agent."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from xenhost.core.devices import Source
from xenhost.core.errors import DeviceAttachFailed, EmulatorFailed
from xenhost.core.ids import DevId, DomId, device_name
from xenhost.core.vm import VmSpec
from xenhost.drivers.xen.devices.wiring import completed
from xenhost.drivers.xen.emulator.command_line import EmulatorPlaces, cd_device, emulator_command
from xenhost.drivers.xen.emulator.state import read_state, write_state
from xenhost.system.process import LongLivedProcess
from xenhost.system.qmp import Qmp, QmpError

READY_TIMEOUT: Final = 60.0
"""Seconds until QMP must answer; xl's device-model start time-out."""
LOG_TAIL: Final = 2000
_READING_PAUSE: Final = 0.02
"""Seconds between two looks whether it has read its state."""

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EmulatorConfig:
    """Where things are."""

    binary: str = "/usr/libexec/xen-qemu-system-i386"
    run_dir: Path = Path("/run/xenhost/emulator")
    log_dir: Path = Path("/var/log/xenhost")


@dataclass(slots=True)
class _Running:
    process: LongLivedProcess
    qmp: Qmp
    stopping: bool = False


class Emulators:
    """All device models of this host. `on_lost(domid)` is called when one ends that was not told to."""

    def __init__(self, config: EmulatorConfig, on_lost: Callable[[DomId], None]) -> None:
        self._config = config
        self._on_lost = on_lost
        self._running: dict[DomId, _Running] = {}

    async def start(
        self, domid: DomId, vm: VmSpec, media: Mapping[DevId, Source], functions: Mapping[DevId, str]
    ) -> None:
        """Start the emulator of a built domain and wait until it serves it. No-op if it runs.

        `media`: what is in each VBD; `functions`: PCI addresses of VIFs that are virtual functions. Raises
        EmulatorFailed with the end of QEMU's log. Cancelled or failed: not running, nothing left.
        """
        if await self.adopt(domid):
            return
        process = LongLivedProcess(self._folder(domid))
        log = self._config.log_dir / f"qemu-{vm.id}.log"

        def command(places: EmulatorPlaces) -> list[str]:
            return emulator_command(self._config.binary, domid, vm, places, media, functions)

        try:
            await self._spawn(process, domid, command, log)
            async with asyncio.timeout(READY_TIMEOUT):
                qmp = await Qmp.connect(str(self._qmp(domid)), READY_TIMEOUT)
                await _begin(qmp)
        except (OSError, QmpError, TimeoutError) as error:
            await process.stop()
            said = await asyncio.to_thread(_tail, log)
            why = str(error) or "no answer in time"
            raise EmulatorFailed(
                f"the emulator of {vm.name} did not start: {why}; it said: {said or 'nothing'}",
                vm=vm.id,
                name="qemu",
                msg=said or why,
            ) from error
        except BaseException:
            await asyncio.shield(process.stop())
            raise
        self._state(domid).unlink(missing_ok=True)
        self._supervise(domid, process, qmp)

    async def adopt(self, domid: DomId) -> bool:
        """Take up the emulator that an earlier life of the agent started; whether one runs."""
        if domid in self._running:
            return self._running[domid].process.alive()
        process = LongLivedProcess(self._folder(domid))
        try:
            if not await process.find():
                return False
            qmp = await Qmp.connect(str(self._qmp(domid)))
        except (QmpError, TimeoutError) as error:
            logger.warning(
                "an emulator does not answer; it will be stopped with its domain", domid=domid, error=str(error)
            )
            process.forget()
            return False
        # one that was started but never let go on: its domain is still paused
        with contextlib.suppress(QmpError):
            await qmp.run("cont")
        self._supervise(domid, process, qmp)
        return True

    async def stop(self, domid: DomId) -> None:
        """End the emulator and remove what it left. No-op if there is none, whoever started it.

        Raises EmulatorFailed if one runs and cannot be told from other processes (yet): it has written no pid.
        """
        running = self._running.pop(domid, None)
        if running is None:
            process = LongLivedProcess(self._folder(domid))
        else:
            running.stopping = True
            process = running.process
            await running.qmp.close()
        try:
            await process.stop()
        except TimeoutError as error:
            raise EmulatorFailed(str(error), vm="", name="qemu", msg=str(error)) from error

    async def save(self, domid: DomId, fd: int) -> None:
        """Stop emulating and write the state to a descriptor, for `restore`. Until `resume`, or the end.

        Raises EmulatorFailed, OSError.
        """
        state = self._folder(domid) / "saving"
        await self._tell(domid, "stop")
        try:
            # not live: nobody else opens the disks while it can go on with them
            await self._tell(domid, "xen-save-devices-state", {"filename": str(state), "live": False})
            await completed(asyncio.to_thread(write_state, fd, state))  # the descriptor may be another's afterwards
        finally:
            state.unlink(missing_ok=True)

    async def resume(self, domid: DomId) -> None:
        """Go on emulating. No-op if it does. Raises EmulatorFailed."""
        await self._tell(domid, "cont")

    async def restore(self, domid: DomId, fd: int) -> None:
        """Have the next `start` go on from the state that `save` wrote. Raises OSError. `stop` forgets it."""
        await completed(asyncio.to_thread(read_state, fd, self._state(domid)))

    async def _tell(self, domid: DomId, command: str, arguments: Mapping[str, object] | None = None) -> None:
        running = self._running.get(domid)
        try:
            if running is None:
                raise QmpError("it does not run")
            await running.qmp.run(command, arguments)
        except QmpError as error:
            message = f"the emulator of domain {domid}: {error}"
            raise EmulatorFailed(message, vm="", name="qemu", msg=str(error)) from error

    async def close(self) -> None:
        """Let go of every emulator; they run on."""
        for running in self._running.values():
            running.stopping = True
            await running.qmp.close()
            running.process.forget()
        self._running.clear()

    async def change_medium(self, domid: DomId, devid: DevId, path: str | None) -> None:
        """Put the file or block device into the emulated drive, or empty it (None). No-op if the VBD is not emulated.

        Raises DeviceAttachFailed with QEMU's words.
        """
        running = self._running.get(domid)
        if running is None:
            return
        id = cd_device(devid)
        try:
            if path is None:
                await running.qmp.run("eject", {"id": id, "force": True})
            else:
                medium = {"id": id, "filename": path, "format": "raw", "read-only-mode": "read-only"}
                await running.qmp.run("blockdev-change-medium", medium)
        except QmpError as error:
            name = device_name(devid)
            raise DeviceAttachFailed(f"the emulated drive {name}: {error}", device=name, msg=str(error)) from error

    async def serial_tty(self, domid: DomId) -> str:
        """The pseudo-terminal of the emulated serial port, empty if there is none."""
        running = self._running.get(domid)
        if running is None:
            return ""
        try:
            untrusted_chardevs = await running.qmp.run("query-chardev")
        except QmpError:
            return ""
        for chardev in untrusted_chardevs if isinstance(untrusted_chardevs, list) else []:
            match chardev:
                case {"label": "serial0", "filename": str() as name} if name.startswith("pty:/dev/pts/"):
                    return name.removeprefix("pty:") if name.removeprefix("pty:/dev/pts/").isdigit() else ""
        return ""

    def vnc_socket(self, domid: DomId) -> str:
        """The unix socket that speaks RFB, empty if no emulator runs."""
        return str(self._folder(domid) / "vnc") if domid in self._running else ""

    async def _spawn(
        self, process: LongLivedProcess, domid: DomId, command: Callable[[EmulatorPlaces], list[str]], log: Path
    ) -> None:
        folder = self._folder(domid)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as files:
            state = files.enter_context(self._state(domid).open("rb")) if self._state(domid).exists() else None
            inherited = [listener.fileno(), *([] if state is None else [state.fileno()])]
            self._qmp(domid).unlink(missing_ok=True)
            listener.bind(str(self._qmp(domid)))
            os.chmod(self._qmp(domid), 0o600)
            listener.listen(1)
            state_fd = None if state is None else state.fileno()
            words = command(EmulatorPlaces(listener.fileno(), state_fd, str(folder / "vnc"), str(process.pidfile)))
            logger.debug("starting the emulator", domid=domid, command=words)
            starting = asyncio.ensure_future(asyncio.to_thread(process.start, words, log, inherited))
            try:
                await asyncio.shield(starting)
            except asyncio.CancelledError:
                # the thread may be about to fork: what it starts must be there to be stopped, and inherit this socket
                await asyncio.wait([starting])
                starting.cancelled() or starting.exception()
                raise

    def _supervise(self, domid: DomId, process: LongLivedProcess, qmp: Qmp) -> None:
        running = _Running(process, qmp)
        self._running[domid] = running

        def ended() -> None:
            if not running.stopping:
                logger.error("an emulator ended by itself", domid=domid)
                self._running.pop(domid, None)
                process.forget()
                self._on_lost(domid)

        process.watch(ended)

    def _folder(self, domid: DomId) -> Path:
        return self._config.run_dir / str(domid)

    def _qmp(self, domid: DomId) -> Path:
        return self._folder(domid) / "qmp"

    def _state(self, domid: DomId) -> Path:
        return self._folder(domid) / "state"


async def _begin(qmp: Qmp) -> None:
    """Let it emulate, which it does not (-S) before this, and wait until it has read the state it goes on from."""
    await qmp.run("cont")
    while True:
        match await qmp.run("query-status"):
            case {"status": "inmigrate"}:
                await asyncio.sleep(_READING_PAUSE)
            case _:
                return


def _tail(log: Path) -> str:
    try:
        text = log.read_bytes()[-LOG_TAIL:].decode(errors="replace")
    except OSError:
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
