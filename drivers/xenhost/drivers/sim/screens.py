"""The screens that are open: those of domains with an emulator that somebody has asked for."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Final

from xenhost.core.errors import HypervisorUnavailable
from xenhost.core.ids import DomId
from xenhost.drivers.sim.domain import SimDomain
from xenhost.drivers.sim.screen import SimScreen


class SimScreens:
    """By domain. Their sockets lie in a folder, or in one of their own that goes with them."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._own: Path | None = None
        self._screens: Final[dict[DomId, SimScreen]] = {}
        self._making: Final = asyncio.Lock()

    async def of(self, domain: SimDomain) -> str:
        """The socket of a domain's screen. Raises HypervisorUnavailable."""
        async with self._making:
            screen = self._screens.get(domain.domid)
            if screen is None:
                if self._folder is None:
                    self._own = self._folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="xenhost-sim-"))
                screen = SimScreen(domain.name, self._folder / f"{domain.domid}.vnc")
                try:
                    await screen.open()
                except OSError as error:
                    raise HypervisorUnavailable(f"no screen: {error}", msg=str(error)) from error
                if not domain.emulator or not domain.in_xen:
                    screen.close()  # it has ended meanwhile
                    return ""
                self._screens[domain.domid] = screen
            return screen.path

    def hang_up(self, domid: DomId) -> None:
        """The domain has none any more."""
        screen = self._screens.pop(domid, None)
        if screen is not None:
            screen.close()

    def hang_up_all(self) -> None:
        """The driver has ended, or was killed."""
        for screen in self._screens.values():
            screen.close()
        self._screens.clear()

    async def close(self) -> None:
        """Take the folder of our own away."""
        if self._own is not None:
            await asyncio.to_thread(shutil.rmtree, self._own, ignore_errors=True)
            self._own = self._folder = None
