"""The volumes of an SR, by the UUIDs of their VDIs; and calls about them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from xenhost.core.storage import SrId, VdiId
from xenhost.core.storage_errors import VdiLocationMissing, VdiMissing
from xenhost.sm.smapiv3 import volumes
from xenhost.sm.smapiv3.failures import Subject
from xenhost.sm.smapiv3.plugin import Json, Plugin
from xenhost.sm.smapiv3.values import BadVolume, Reader, Volume

_TRIES: Final = 4


class Catalog:
    """What SR.ls last told, kept up to date by what is done here."""

    def __init__(self, plugin: Plugin, sr: SrId, handle: str) -> None:
        self._plugin = plugin
        self._sr = sr
        self._handle = handle
        self._volumes: dict[VdiId, Volume | BadVolume] | None = None
        self._ids: dict[str, VdiId] = {}
        """What `adopt` gave, by key: SR.ls may have read the volume before its mark was written."""
        self._changes = 0
        self._making = 0
        self.ignored: tuple[str, ...] = ()
        """What SR.ls listed that is no VDI."""

    def can(self, method: str) -> bool:
        """Is there a script for it?"""
        return self._plugin.has(method)

    def reader(self, method: str) -> Reader:
        """Of what that method answers."""
        return Reader(method)

    async def call(self, method: str, vdi: VdiId | str = "", **arguments: str | int | bool) -> Json:
        """Call a method about this SR."""
        return await self._plugin.call(method, {"sr": self._handle, **arguments}, Subject(self._sr, vdi))

    async def look(self) -> Mapping[VdiId, Volume | BadVolume]:
        """SR.ls: all VDIs. Copies made for one boot only are left out, and what is just being made."""
        known = set(self.ids())
        for _ in range(_TRIES):
            changes = self._changes
            listed = self.reader("SR.ls").volumes(await self.call("SR.ls"))
            if changes == self._changes:
                break
        transient = {each.keys.get(volumes.CLONE_ON_BOOT) for each in listed if isinstance(each, Volume)}
        found: dict[VdiId, Volume | BadVolume] = {}
        ignored: list[str] = []
        for each in listed:
            if each.key in transient:
                continue
            id = self._ids.get(each.key) or (volumes.id_of(self._sr, each) if each.key else VdiId(""))
            if self._making and each.key not in self._ids and each.key not in known:
                ignored.append(f"{each.key[:100]}: it is perhaps still being made")
            elif not each.key or id in found:
                problem = each.problem if isinstance(each, BadVolume) else f"its UUID {id} is that of another volume"
                ignored.append(f"{each.key[:100]}: {problem}")
            else:
                found[id] = each
        self._volumes = found
        self.ignored = tuple(ignored[:100])
        return found

    @asynccontextmanager
    async def making(self) -> AsyncIterator[None]:
        """While a volume is made and gets its UUID."""
        self._making += 1
        try:
            yield
        finally:
            self._making -= 1
            self._changes += 1

    def ids(self) -> Mapping[str, VdiId]:
        """The UUIDs by volume key, as far as is known."""
        return {volume.key: id for id, volume in (self._volumes or {}).items()}

    def allocated(self) -> int:
        """Sum of the virtual sizes, as of the last look."""
        return sum(each.virtual_size for each in (self._volumes or {}).values() if isinstance(each, Volume))

    async def known(self, vdi: VdiId) -> Volume | None:
        """A VDI that may have been made before; read anew if it was."""
        if self._volumes is None:
            await self.look()
        assert self._volumes is not None
        return await self.find(vdi) if vdi in self._volumes else None

    async def find(self, vdi: VdiId) -> Volume | None:
        """Its volume, read anew; None if it is gone."""
        try:
            return await self.get(vdi)
        except VdiMissing:
            return None

    async def get(self, vdi: VdiId) -> Volume:
        """Its volume, read anew. Raises VdiMissing."""
        if self._volumes is None or vdi not in self._volumes:
            await self.look()
        assert self._volumes is not None
        there = self._volumes.get(vdi)
        if there is None:
            raise VdiMissing(f"VDI {vdi} is not on SR {self._sr}", sr=self._sr, vdi=vdi)
        volume = await self.stat(vdi, there.key)
        self._volumes[vdi] = volume
        return volume

    async def stat(self, vdi: VdiId, key: str) -> Volume:
        """Volume.stat of any key."""
        if self.can("Volume.stat"):
            return self.reader("Volume.stat").volume(await self.call("Volume.stat", vdi, key=key))
        for each in (await self.look()).values():
            if each.key == key and isinstance(each, Volume):
                return each
        raise VdiMissing(f"VDI {vdi} is not on SR {self._sr}", sr=self._sr, vdi=vdi)

    async def by_location(self, location: str) -> Volume:
        """The volume with that key. Raises VdiLocationMissing."""
        for each in (await self.look()).values():
            if each.key == location and isinstance(each, Volume):
                return each
        text = f"there is no volume {location!r} on SR {self._sr}"
        raise VdiLocationMissing(text, sr=self._sr, location=location)

    async def adopt(self, wanted: VdiId, volume: Volume, keys: Mapping[str, str]) -> tuple[VdiId, Volume]:
        """Give a volume its keys, and the UUID that is wanted if its plugin keeps keys; else it has the plugin's."""
        if self.can("Volume.set"):
            marks = dict(keys)
            if volumes.id_of(self._sr, volume) != wanted:
                marks[volumes.ID] = volumes.mark(wanted, volume.key)
            for key, value in marks.items():
                if volume.keys.get(key) != value:
                    await self.call("Volume.set", wanted, key=volume.key, k=key, v=value)
            volume = replace(volume, keys={**volume.keys, **marks})
        id = self._ids[volume.key] = volumes.id_of(self._sr, volume)
        self._changes += 1
        if self._volumes is not None:
            for other in [known for known, each in self._volumes.items() if each.key == volume.key]:
                del self._volumes[other]
            self._volumes[id] = volume
        return id, volume

    async def set_key(self, vdi: VdiId, volume: Volume, key: str, value: str | None) -> Volume:
        """Volume.set, or Volume.unset for None; the volume as it is then."""
        keys = dict(volume.keys)
        if value is not None and keys.get(key) != value:
            await self.call("Volume.set", vdi, key=volume.key, k=key, v=value)
            keys[key] = value
        elif value is None and key in keys:
            await self.call("Volume.unset", vdi, key=volume.key, k=key)
            del keys[key]
        return replace(volume, keys=keys)

    async def destroy(self, vdi: VdiId, key: str) -> None:
        """Volume.destroy; gone already is right, too."""
        try:
            await self.call("Volume.destroy", vdi, key=key)
        except VdiMissing:
            return

    def forget(self, vdi: VdiId) -> None:
        """It is gone."""
        self._ids = {key: id for key, id in self._ids.items() if id != vdi}
        self._changes += 1
        if self._volumes is not None:
            self._volumes.pop(vdi, None)

    @asynccontextmanager
    async def undone_unless_finished(self, volume: Volume) -> AsyncIterator[None]:
        """A volume that was just made is destroyed again if what must follow fails."""
        finished = False
        try:
            yield
            finished = True
        finally:
            if not finished:
                await self.destroy(volumes.id_of(self._sr, volume), volume.key)
