"""The types of SR there are, by name: ours, and those of the plugins of this host.

Nothing of a driver of ours is imported before its type is asked for: an idle agent carries none of them.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xenhost.core.events import ChangeKind
from xenhost.core.ports.storage import SrDriver
from xenhost.sm.context import SmContext

if TYPE_CHECKING:
    from xenhost.sm.smapiv1.driver import PluginHost

BUILT_IN: Final[Mapping[str, str]] = {
    "cephfs": "xenhost.sm.drivers.cephfs:CephfsDriver",
    "dummy": "xenhost.sm.drivers.dummy:DummyDriver",
    "ext": "xenhost.sm.drivers.ext:ExtDriver",
    "file": "xenhost.sm.drivers.file:FileDriver",
    "hba": "xenhost.sm.drivers.hba:HbaDriver",
    "iscsi": "xenhost.sm.drivers.iscsi:RawIscsiDriver",
    "iso": "xenhost.sm.drivers.iso:IsoDriver",
    "lvm": "xenhost.sm.drivers.lvm:LvmLocalDriver",
    "lvmohba": "xenhost.sm.drivers.lvmohba:LvmOverHbaDriver",
    "lvmoiscsi": "xenhost.sm.drivers.lvmoiscsi:LvmOverIscsiDriver",
    "nfs": "xenhost.sm.drivers.nfs:NfsDriver",
    "rawhba": "xenhost.sm.drivers.rawhba:RawHbaDriver",
    "rbd": "xenhost.sm.drivers.rbd:RbdDriver",
    "smb": "xenhost.sm.drivers.smb:SmbDriver",
    "udev": "xenhost.sm.drivers.udev:UdevDriver",
    "zfs": "xenhost.sm.drivers.zfs:ZfsDriver",
}
"""Type -> "module:class". A class takes the SmContext, and does no I/O."""
Changed = Callable[[str, ChangeKind], object]
"""Told of a type whose driver came, went, or is another one now."""


@dataclass(frozen=True, slots=True)
class SmSettings:
    """What of the drivers can be set."""

    types: frozenset[str] = frozenset()
    """Types that may be used; empty: all."""
    prefer_plugins: frozenset[str] = frozenset()
    """Types for which a plugin goes before a driver of ours."""
    smapiv1: Path = Path("/opt/xensource/sm")
    """The folder of executables that speak SMAPIv1."""
    smapiv3: Path = Path("/usr/libexec/xapi-storage-script")
    """The folder with the folders `volume` and `datapath` of SMAPIv3 plugins."""
    root: Path = Path("/")
    """Below which plugins of XenServer are given what they find at fixed places."""


class Drivers(Mapping[str, SrDriver]):
    """Every type that may be used. Those of plugins are there after `discover`."""

    def __init__(self, context: SmContext, settings: SmSettings, changed: Changed = lambda kind, change: None) -> None:
        """`changed` is not told of those that `discover` finds first."""
        self._changed: Final = changed
        self._context: Final = context
        self._settings: Final = settings
        self._made: Final[dict[str, SrDriver]] = {}
        self._making: Final = threading.Lock()
        self._smapiv1: PluginHost | None = None
        self._scripts: dict[str, SrDriver] = {}
        self._watching: asyncio.Task[None] | None = None
        self._types: Final = {kind: entry for kind, entry in BUILT_IN.items() if self._may(kind)}

    def __getitem__(self, kind: str) -> SrDriver:
        with self._making:  # it may be asked in a thread, too
            if kind not in self._made:
                module, _, name = self._types[kind].partition(":")
                self._made[kind] = getattr(import_module(module), name)(self._context)
            return self._made[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._types.keys() | self._made.keys()))

    def __len__(self) -> int:
        return len(self._types.keys() | self._made.keys())

    def __contains__(self, kind: object) -> bool:
        return kind in self._types or kind in self._made

    async def discover(self, watch_seconds: float = 10.0) -> None:
        """Ask the plugins of this host what they are. A broken one is logged and left out.

        The folder of SMAPIv3 plugins is looked at again every so many seconds, until `close`.
        """
        if await asyncio.to_thread(_is_there, self._settings.smapiv1):
            from xenhost.sm.smapiv1.driver import PluginHost
            from xenhost.sm.smapiv1.service import Settings

            root = self._settings.root
            places = Settings(
                self._settings.smapiv1, root / "var/lib/xcp/xapi", root / "etc/xapi.d/plugins", self._settings.types
            )
            self._smapiv1 = PluginHost(self._context, places)
            self._add(await self._smapiv1.drivers())
        if await asyncio.to_thread(_is_there, self._settings.smapiv3):
            from xenhost.sm.smapiv3.host import PluginHost as ScriptHost

            host = ScriptHost(self._context, (self._settings.smapiv3,))
            self._take_scripts(await host.drivers())
            self._watching = asyncio.create_task(host.watch(self._renew, watch_seconds), name="plugins")

    async def close(self) -> None:
        """Stop serving plugins. What is attached and active stays so."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        if self._smapiv1 is not None:
            await self._smapiv1.close()

    def _renew(self, plugins: Mapping[str, SrDriver]) -> None:
        kinds = sorted(self._scripts.keys() | plugins.keys())
        before = [(kind in self, self._made.get(kind)) for kind in kinds]
        self._take_scripts(plugins)
        for kind, (there, driver) in zip(kinds, before, strict=True):
            if there != (kind in self):
                self._changed(kind, ChangeKind.DELETED if there else ChangeKind.ADDED)
            elif self._made.get(kind) is not driver:
                self._changed(kind, ChangeKind.MODIFIED)

    def _take_scripts(self, plugins: Mapping[str, SrDriver]) -> None:
        """The SMAPIv3 plugins there are now; SRs that are attached stay with what serves them."""
        for kind, driver in self._scripts.items():
            if self._made.get(kind) is driver and plugins.get(kind) is not driver:
                del self._made[kind]
        self._add({kind: driver for kind, driver in plugins.items() if self._made.get(kind) is not driver})
        self._scripts = dict(plugins)

    def _add(self, plugins: Mapping[str, SrDriver]) -> None:
        for kind, driver in plugins.items():
            path = driver.info.filename
            if not self._may(kind):
                continue
            if kind in self._made or (kind in self._types and kind not in self._settings.prefer_plugins):
                self._context.log.warning("a plugin is not used: there is a driver of that type", type=kind, path=path)
            else:
                self._context.log.info("a plugin serves SRs", type=kind, path=path)
                self._made[kind] = driver

    def _may(self, kind: str) -> bool:
        return not self._settings.types or kind in self._settings.types


def _is_there(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
