"""A SMAPIv1 plugin, tried through the agent's host for such plugins. It needs the agent's packages."""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from uuid import uuid4

import structlog

from xenhost.sm.command import Commands
from xenhost.sm.context import SmContext
from xenhost.sm.datapath.images import ImageServers
from xenhost.sm.sdk.conformance import promises
from xenhost.sm.sdk.conformance.driver_place import DriverPlace, event_loop
from xenhost.sm.sdk.conformance.report import Outcome
from xenhost.sm.sdk.conformance.suite import CannotRun, named, run
from xenhost.sm.smapiv1.discovery import Broken
from xenhost.sm.smapiv1.driver import PluginHost
from xenhost.sm.smapiv1.service import Settings

_SOCKET: Final = Path("/var/lib/xcp/xapi")
"""Where XenServer's own drivers look for the Management API."""
_USUAL_SECONDS: Final = 60.0


class _Clock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def of_program(
    program: Path, configuration: Mapping[str, str], seconds: float, only: Sequence[str] = ()
) -> Iterator[Outcome]:
    """Try the promises on one plugin. Raises CannotRun if it does not say what it is."""
    if not program.name.endswith("SR"):
        raise CannotRun(f"{program.name}: the name of a SMAPIv1 plugin ends in SR")
    with tempfile.TemporaryDirectory(prefix="conformance-") as name, event_loop() as loop:
        folder = Path(name)
        (folder / "plugins").mkdir()
        (folder / "plugins" / program.name).symlink_to(program)
        socket = _SOCKET if _SOCKET.parent.is_dir() and not _SOCKET.exists() else folder / "xapi"
        os.environ["XAPI_SOCKET"] = str(socket)
        settings = Settings(
            folder=folder / "plugins",
            socket=socket,
            host_plugins=folder / "none",
            timeout_factor=seconds / _USUAL_SECONDS,
        )
        host = PluginHost(_context(folder), settings)
        try:
            drivers = asyncio.run_coroutine_threadsafe(host.drivers(), loop).result()
            if not drivers:
                examined = asyncio.run_coroutine_threadsafe(host.examine(), loop).result()
                raise CannotRun(
                    "; ".join(each.problem for each in examined if isinstance(each, Broken)) or "not a plugin"
                )
            place = DriverPlace(next(iter(drivers.values())), configuration, loop)
            yield from run(place, named(promises.PROMISES, place), only)
        finally:
            asyncio.run_coroutine_threadsafe(host.close(), loop).result()


def _context(folder: Path) -> SmContext:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    log = structlog.get_logger()
    for name in ("state", "run", "mounts", "log"):
        (folder / name).mkdir()
    return SmContext(
        host_id=str(uuid4()),
        state_dir=folder / "state",
        run_dir=folder / "run",
        mount_dir=folder / "mounts",
        log_dir=folder / "log",
        clock=_Clock(),
        commands=Commands(),
        images=ImageServers(folder / "run", folder / "log", _Clock(), log),
        log=log,
    )
