"""The datapath plugins there are, and VDIs going through them: attach, activate, deactivate, detach."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from xenhost.core.errors import ValueNotSupported
from xenhost.core.storage import AttachMode, Backend, BackendKind, IoLimits, SrId, VdiId
from xenhost.core.storage_errors import SrBackendFailure, VdiNotAvailable, backend_failure
from xenhost.sm.datapath.port import Images, Layer
from xenhost.sm.smapiv1.patience import unhurried
from xenhost.sm.smapiv3 import implementations
from xenhost.sm.smapiv3.failures import Subject
from xenhost.sm.smapiv3.plugin import Plugin
from xenhost.sm.smapiv3.state import Attachment, Phase, SrState
from xenhost.sm.smapiv3.values import Volume

NONPERSISTENT: Final = "NONPERSISTENT"
_UNAVAILABLE: Final = 46


class DatapathPlugins:
    """The folders below `datapath`, each with the features it declares."""

    def __init__(self) -> None:
        self._plugins: dict[str, tuple[Plugin, frozenset[str]]] = {}

    def set(self, plugins: Mapping[str, tuple[Plugin, frozenset[str]]]) -> None:
        """What was found."""
        self._plugins = dict(plugins)

    def get(self, name: str) -> Plugin | None:
        """One by name."""
        return self._plugins[name][0] if name in self._plugins else None

    def features(self, name: str) -> frozenset[str]:
        """What it declares."""
        return self._plugins[name][1] if name in self._plugins else frozenset()

    def choose(self, volume: Volume) -> tuple[str, str]:
        """The best URI of a volume for whose scheme there is a plugin, with its name. Raises SrBackendFailure 46."""
        for uri in volume.uris:
            try:
                scheme = urlsplit(uri).scheme
            except ValueError:
                continue
            if scheme in self._plugins:
                return scheme, uri
        schemes = ", ".join(sorted(self._plugins)) or "none"
        text = f"volume {volume.key} names no URI that a datapath plugin serves ({', '.join(volume.uris)[:200]})"
        raise backend_failure(_UNAVAILABLE, f"{text}; there are: {schemes}")


class Datapath:
    """The VDIs of one SR on their way to guests."""

    def __init__(self, sr: SrId, plugins: DatapathPlugins, state: SrState, images: Images) -> None:
        self._sr = sr
        self._plugins = plugins
        self._state = state
        self._images = images

    async def attach(self, vdi: VdiId, volume: Volume, mode: AttachMode, temporary: str) -> None:
        """Datapath.attach (and open, where it handles persistence), unless that was done.

        `temporary` is the volume's key if it is a copy that is thrown away afterwards.
        """
        if await asyncio.to_thread(self._state.get, vdi) is None:
            await unhurried(self._attach(vdi, volume, mode, temporary))

    async def _attach(self, vdi: VdiId, volume: Volume, mode: AttachMode, temporary: str) -> None:
        name, uri = self._plugins.choose(volume)
        plugin = self._plugin(vdi, name)
        domain = "u0_" + vdi.replace("-", "_")
        subject = Subject(self._sr, vdi)
        opened = NONPERSISTENT in self._plugins.features(name) and plugin.has("Datapath.open")
        if opened:
            await plugin.call("Datapath.open", {"uri": uri, "persistent": True}, subject)
        answer = await plugin.call("Datapath.attach", {"uri": uri, "domain": domain}, subject)
        attachment = Attachment(mode, Phase.ATTACHED, name, uri, domain, opened, (), temporary)
        try:
            attachment = replace(attachment, places=tuple(implementations.read(answer)))
        except SrBackendFailure:
            await self._end(vdi, attachment)
            raise
        await asyncio.to_thread(self._state.put, vdi, attachment)

    async def activate(self, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Sequence[Backend]:
        """Datapath.activate, unless it is active in that mode. Limits need an image server of ours in between."""
        there = await asyncio.to_thread(self._state.get, vdi)
        if there is None:
            raise VdiNotAvailable(f"VDI {vdi} is not attached; attach it first", vdi=vdi)
        if there.phase is not Phase.ACTIVE or there.mode is not mode:
            there = await unhurried(self._activate(vdi, replace(there, mode=mode), again=there.phase))
        found = await self._backends(vdi, there)
        if limits or there.limited:
            return await self._limited(vdi, there, found, limits)
        return found

    async def _activate(self, vdi: VdiId, there: Attachment, again: Phase) -> Attachment:
        plugin = self._plugin(vdi, there.datapath)
        if again is not Phase.ATTACHED:
            await self._deactivate(vdi, there)
        there = await asyncio.to_thread(self._state.put, vdi, replace(there, phase=Phase.ACTIVATING, limited=False))
        method = "Datapath.activate"
        if there.mode is AttachMode.RO and plugin.has("Datapath.activate_readonly"):
            method = "Datapath.activate_readonly"
        await plugin.call(method, {"uri": there.uri, "domain": there.domain}, Subject(self._sr, vdi))
        try:
            await self._backends(vdi, there)
        except SrBackendFailure:
            await self._deactivate(vdi, there)
            raise
        return await asyncio.to_thread(self._state.put, vdi, replace(there, phase=Phase.ACTIVE))

    async def _backends(self, vdi: VdiId, there: Attachment) -> Sequence[Backend]:
        found = await asyncio.to_thread(implementations.backends, there.places)
        if not found:
            named = ", ".join(place for _, place in there.places)[:300] or "nothing"
            text = (
                f"VDI {vdi} cannot be used: its datapath plugin names {named}; a block device, raw file or NBD socket"
            )
            raise backend_failure(_UNAVAILABLE, f"{text} that is there would be right")
        return found

    async def _limited(
        self, vdi: VdiId, there: Attachment, found: Sequence[Backend], limits: IoLimits
    ) -> Sequence[Backend]:
        local = next((backend for backend in found if backend.kind is not BackendKind.NBD), None)
        if local is None:
            text = f"VDI {vdi} is served by its plugin over NBD, where there is nothing to limit it; set no limits"
            raise ValueNotSupported(
                text, field="limits", value=str(limits), reason_text="the plugin serves the VDI itself"
            )
        if not there.limited:
            await asyncio.to_thread(self._state.put, vdi, replace(there, limited=True))
        return await self._images.open(vdi, [Layer(local.path, "raw")], there.mode, limits)

    async def deactivate(self, vdi: VdiId) -> None:
        """Datapath.deactivate, unless it is not active."""
        there = await asyncio.to_thread(self._state.get, vdi)
        if there is not None and there.phase is not Phase.ATTACHED:
            await unhurried(self._deactivate(vdi, there))

    async def _deactivate(self, vdi: VdiId, there: Attachment) -> None:
        if there.limited:
            await self._images.close(vdi)
        plugin = self._plugin(vdi, there.datapath)
        await plugin.call("Datapath.deactivate", {"uri": there.uri, "domain": there.domain}, Subject(self._sr, vdi))
        await asyncio.to_thread(self._state.put, vdi, replace(there, phase=Phase.ATTACHED, limited=False))

    async def detach(self, vdi: VdiId) -> None:
        """Datapath.detach, unless it is not attached."""
        there = await asyncio.to_thread(self._state.get, vdi)
        if there is not None:
            await unhurried(self._detach(vdi, there))

    async def _detach(self, vdi: VdiId, there: Attachment) -> None:
        await self._end(vdi, there)
        await asyncio.to_thread(self._state.drop, vdi)

    async def _end(self, vdi: VdiId, there: Attachment) -> None:
        plugin = self._plugin(vdi, there.datapath)
        subject = Subject(self._sr, vdi)
        await plugin.call("Datapath.detach", {"uri": there.uri, "domain": there.domain}, subject)
        if there.opened:
            await plugin.call("Datapath.close", {"uri": there.uri}, subject)

    async def attached(self, vdi: VdiId) -> Attachment | None:
        """How far it is; None: not attached."""
        return await asyncio.to_thread(self._state.get, vdi)

    async def active(self) -> Mapping[VdiId, AttachMode]:
        """Those that are active, or perhaps so."""
        attachments = await asyncio.to_thread(self._state.all)
        return {vdi: there.mode for vdi, there in attachments.items() if there.phase is not Phase.ATTACHED}

    def _plugin(self, vdi: VdiId, name: str) -> Plugin:
        plugin = self._plugins.get(name)
        if plugin is None:
            text = f"VDI {vdi} needs the datapath plugin {name}, which is not there any more; install it"
            raise VdiNotAvailable(text, vdi=vdi)
        return plugin
