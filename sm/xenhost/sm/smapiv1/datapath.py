"""Attaching and activating VDIs of a SMAPIv1 SR: each driver command once, however often it is asked for."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from xenhost.core.errors import ValueNotSupported, XenhostError
from xenhost.core.storage import AttachMode, Backend, BackendKind, Capability, IoLimits, VdiId
from xenhost.core.storage_errors import SrBackendFailure, VdiInUse, VdiNotAvailable, VdiReadonly, backend_failure
from xenhost.sm.datapath.port import Layer
from xenhost.sm.smapiv1.attachment import Attachment, AttachmentError, Attachments, Phase, backends, read_answer
from xenhost.sm.smapiv1.channel import Channel
from xenhost.sm.smapiv1.patience import unhurried

_WRITABLE = {AttachMode.RO: "false", AttachMode.RW: "true"}


class Datapath:
    """The VDIs of an SR that are attached to this host."""

    def __init__(self, channel: Channel, attachments: Attachments) -> None:
        self._channel = channel
        self._attachments = attachments
        self._images = channel.service.context.images

    async def attach(self, vdi: VdiId, mode: AttachMode) -> None:
        """vdi_attach, unless it is."""
        record = self._channel.vdi(vdi)
        if mode is AttachMode.RW and (record["read_only"] or record["is_a_snapshot"]):
            raise VdiReadonly(f"VDI {vdi} is read-only; attach it so", vdi=vdi)
        there = await asyncio.to_thread(self._attachments.get, vdi)
        if there is None:
            await unhurried(self._attach(vdi, mode))
        elif mode is AttachMode.RW and there.mode is AttachMode.RO:
            raise VdiInUse(f"VDI {vdi} is attached read-only; detach it first", vdi=vdi, operation="attach")

    async def _attach(self, vdi: VdiId, mode: AttachMode) -> None:
        answer = await self._channel.run("vdi_attach", _WRITABLE[mode], vdi=vdi)
        try:
            attachment = read_answer(mode, answer)
        except AttachmentError as error:
            await self._channel.run("vdi_detach", vdi=vdi)
            raise backend_failure(46, f"VDI {vdi} cannot be used: {error}") from error
        await asyncio.to_thread(self._attachments.put, vdi, attachment)

    async def activate(self, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Sequence[Backend]:
        """vdi_activate, unless it is active. Limits need an image server of ours between driver and guest."""
        there = await asyncio.to_thread(self._attachments.get, vdi)
        if there is None:
            raise VdiNotAvailable(f"VDI {vdi} is not attached; attach it first", vdi=vdi)
        if mode is AttachMode.RW and there.mode is AttachMode.RO:
            raise VdiInUse(f"VDI {vdi} is attached read-only; detach it first", vdi=vdi, operation="activate")
        if there.phase is not Phase.ACTIVE:
            there = await unhurried(self._activate(vdi, there))
        found = await self._backends(vdi, there)
        if limits or there.limited:
            return await self._limited(vdi, there, found, limits)
        return found

    async def _activate(self, vdi: VdiId, there: Attachment) -> Attachment:
        if there.phase is Phase.ACTIVATING:
            await self._clear(vdi)
        there = await asyncio.to_thread(self._attachments.step, vdi, there, Phase.ACTIVATING)
        if self._channel.can(Capability.VDI_ACTIVATE):
            await self._channel.run("vdi_activate", _WRITABLE[there.mode], vdi=vdi)
        try:
            await self._backends(vdi, there)
        except SrBackendFailure:
            await self._deactivate(vdi, there)
            raise
        return await asyncio.to_thread(self._attachments.step, vdi, there, Phase.ACTIVE)

    async def _backends(self, vdi: VdiId, there: Attachment) -> Sequence[Backend]:
        try:
            return await asyncio.to_thread(backends, self._channel.sr, vdi, there)
        except AttachmentError as error:
            raise backend_failure(46, f"VDI {vdi} cannot be used: {error}") from error

    async def _clear(self, vdi: VdiId) -> None:
        """An activation was begun, and how far it came is not known: back to the start of it."""
        try:
            await self._run_deactivate(vdi)
        except XenhostError as error:
            self._channel.service.context.log.info("smapiv1.not_deactivated", vdi=vdi, problem=str(error))
        own = f"host_{self._channel.service.host_ref}"
        sm_config = self._channel.vdi(vdi)["sm_config"]
        assert isinstance(sm_config, dict)  # by the schema
        await self._channel.change(
            vdi, sm_config={key: value for key, value in sm_config.items() if key not in (own, "activating")}
        )

    async def _limited(
        self, vdi: VdiId, there: Attachment, found: Sequence[Backend], limits: IoLimits
    ) -> Sequence[Backend]:
        local = next((backend for backend in found if backend.kind is not BackendKind.NBD), None)
        if local is None:
            raise ValueNotSupported(
                f"VDI {vdi} is served by its driver over NBD, where there is nothing to limit it; set no limits",
                field="limits",
                value=str(limits),
                reason_text="the driver serves the VDI itself",
            )
        if not there.limited:
            await asyncio.to_thread(self._attachments.put, vdi, replace(there, limited=True))
        return await self._images.open(vdi, [Layer(local.path, "raw")], there.mode, limits)

    async def deactivate(self, vdi: VdiId) -> None:
        """vdi_deactivate, unless it is not active."""
        there = await asyncio.to_thread(self._attachments.get, vdi)
        if there is not None and there.phase is not Phase.ATTACHED:
            await unhurried(self._deactivate(vdi, there))

    async def _deactivate(self, vdi: VdiId, there: Attachment) -> None:
        if there.limited:
            await self._images.close(vdi)
        await self._run_deactivate(vdi)
        idle = replace(there, phase=Phase.ATTACHED, limited=False)
        await asyncio.to_thread(self._attachments.put, vdi, idle)

    async def _run_deactivate(self, vdi: VdiId) -> None:
        if self._channel.can(Capability.VDI_DEACTIVATE):
            await self._channel.run("vdi_deactivate", vdi=vdi)

    async def detach(self, vdi: VdiId) -> None:
        """vdi_detach, unless it is not attached."""
        there = await asyncio.to_thread(self._attachments.get, vdi)
        if there is not None:
            await unhurried(self._detach(vdi))

    async def _detach(self, vdi: VdiId) -> None:
        await self._channel.run("vdi_detach", vdi=vdi)
        await asyncio.to_thread(self._attachments.drop, vdi)

    async def is_attached(self, vdi: VdiId) -> bool:
        """Attached or active."""
        return await asyncio.to_thread(self._attachments.get, vdi) is not None

    async def is_active(self, vdi: VdiId) -> bool:
        """Active, or perhaps so."""
        there = await asyncio.to_thread(self._attachments.get, vdi)
        return there is not None and there.phase is not Phase.ATTACHED

    async def active(self) -> Mapping[VdiId, AttachMode]:
        """Those that are active, or perhaps so."""
        attachments = await asyncio.to_thread(self._attachments.all)
        return {vdi: there.mode for vdi, there in attachments.items() if there.phase is not Phase.ATTACHED}
