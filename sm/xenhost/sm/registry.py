"""The types of SR there are, by name: ours, and those of the plugins of this host.

Nothing of a driver of ours is imported before its type is asked for: an idle agent carries none of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

from xenhost.core.ports.storage import SrDriver
from xenhost.sm.context import SmContext

BUILT_IN: Final[Mapping[str, str]] = {
    "cephfs": "xenhost.sm.drivers.cephfs:CephfsDriver",
    "dummy": "xenhost.sm.drivers.dummy:DummyDriver",
    "ext": "xenhost.sm.drivers.ext:ExtDriver",
    "file": "xenhost.sm.drivers.file:FileDriver",
    "hba": "xenhost.sm.drivers.hba:HbaDriver",
    "iscsi": "xenhost.sm.drivers.iscsi:IscsiDriver",
    "iso": "xenhost.sm.drivers.iso:IsoDriver",
    "lvm": "xenhost.sm.drivers.lvm:LvmDriver",
    "lvmohba": "xenhost.sm.drivers.lvmohba:LvmohbaDriver",
    "lvmoiscsi": "xenhost.sm.drivers.lvmoiscsi:LvmoiscsiDriver",
    "nfs": "xenhost.sm.drivers.nfs:NfsDriver",
    "rawhba": "xenhost.sm.drivers.rawhba:RawhbaDriver",
    "rbd": "xenhost.sm.drivers.rbd:RbdDriver",
    "smb": "xenhost.sm.drivers.smb:SmbDriver",
    "udev": "xenhost.sm.drivers.udev:UdevDriver",
    "zfs": "xenhost.sm.drivers.zfs:ZfsDriver",
}
"""Type -> "module:class". A class takes the SmContext, and does no I/O."""


@dataclass(frozen=True, slots=True)
class SmSettings:
    """What of the drivers can be set."""

    types: frozenset[str] = frozenset()
    """Types that may be used; empty: all."""
    smapiv1: tuple[Path, ...] = ()
    """Folders with executables that speak SMAPIv1."""
    smapiv3: tuple[Path, ...] = ()
    """Folders with the folders `volume` and `datapath` of SMAPIv3 plugins."""
    prefer_plugins: frozenset[str] = frozenset()
    """Types for which a plugin goes before a driver of ours."""


class Drivers(Mapping[str, SrDriver]):
    """Every type that may be used."""

    def __init__(self, context: SmContext, settings: SmSettings) -> None:
        self._context: Final = context
        self._settings: Final = settings
        self._made: Final[dict[str, SrDriver]] = {}
        self._types: Final = {kind: entry for kind, entry in BUILT_IN.items() if self._may(kind)}

    def __getitem__(self, kind: str) -> SrDriver:
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

    def _may(self, kind: str) -> bool:
        return not self._settings.types or kind in self._settings.types


def drivers(context: SmContext, settings: SmSettings) -> Drivers:
    """The table of drivers, before any plugin was looked for."""
    return Drivers(context, settings)
