"""An SR in a pool of Ceph that is attached.

`SR-<SR>` is an image that marks the pool as this SR and keeps its name; `VDI-<SR>.<VDI>` is a VDI, with its record as a
text kept with the image. A VDI that is written to is locked in the cluster for this host alone.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from xenhost.core.errors import InvalidValue
from xenhost.core.ports.storage import Progress
from xenhost.core.record import BadRecord, decode, encode
from xenhost.core.storage import (
    AttachMode,
    Backend,
    BackendKind,
    Chore,
    Health,
    IoLimits,
    NewSnapshot,
    NewVdi,
    OnBoot,
    ScanReport,
    SrId,
    SrSpec,
    SrStat,
    Vdi,
    VdiChange,
    VdiId,
)
from xenhost.core.storage_errors import (
    SrBackendFailure,
    SrNotEmpty,
    SrOperationNotSupported,
    VdiInUse,
    VdiLocationMissing,
    VdiMissing,
    VdiReadonly,
    VdiTooSmall,
    backend_failure,
)
from xenhost.core.units import MIB, TIB
from xenhost.sm.context import SmContext
from xenhost.sm.datapath.port import Layer
from xenhost.sm.rbd.client import Image, ImageBusy, ImageExists, ImageMissing, Rbd
from xenhost.sm.scsi.marks import ActiveMarks
from xenhost.sm.scsi.records import LunRecord
from xenhost.sm.untracked import UntrackedSr

EXISTS: Final = 43
KEY: Final = "xenhost"
MAX_SIZE: Final = 64 * TIB
UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def marker(sr: SrId) -> str:
    """The image that says that a pool is this SR."""
    return f"SR-{sr}"


class RbdSr(UntrackedSr):
    """Fulfils the `Sr` port; each method's contract is there."""

    def __init__(self, context: SmContext, spec: SrSpec, rbd: Rbd) -> None:
        self._context = context
        self._spec = spec
        self._rbd = rbd
        self._active = ActiveMarks(context.run_dir, spec.id)
        self._prefix = f"VDI-{spec.id}."

    async def detach(self) -> None:
        """Nothing is held: VDIs are unmapped before."""

    async def destroy(self) -> None:
        if await self._images():
            raise SrNotEmpty(f"SR {self._spec.id} holds VDIs; delete them first")
        with contextlib.suppress(ImageMissing):
            await self._rbd.remove(marker(self._spec.id))

    async def scan(self) -> ScanReport:
        async def read(vdi: VdiId, image: Image) -> Vdi | None:
            try:
                return await self._read(vdi, image)
            except VdiMissing:
                return None  # removed meanwhile

        tasks = [asyncio.create_task(read(vdi, image)) for vdi, image in (await self._images()).items()]
        try:
            return ScanReport(tuple(vdi for vdi in await asyncio.gather(*tasks) if vdi is not None))
        finally:
            for task in tasks:
                task.cancel()

    async def stat(self) -> SrStat:
        try:
            total = sum(image.size for image in (await self._images()).values())
            used, free = await self._rbd.space()
        except SrBackendFailure as error:
            return SrStat(0, 0, 0, Health.UNREACHABLE, str(error))
        return SrStat(used + free, used, total)

    async def update(self, name: str, description: str) -> None:
        await self._rbd.keep(
            marker(self._spec.id), KEY, json.dumps({"name_label": name, "name_description": description})
        )

    async def create_vdi(self, new: NewVdi) -> Vdi:
        if not 0 < new.virtual_size <= MAX_SIZE:
            raise InvalidValue(
                f"a VDI has 1 byte to 64 TiB, not {new.virtual_size}", field="virtual_size", value=str(new.virtual_size)
            )
        size = -(-new.virtual_size // MIB) * MIB
        try:
            await self._rbd.create(self._name(new.id), size)
        except ImageExists as error:
            image = (await self._images()).get(new.id)
            if image is None or image.size != size:
                raise backend_failure(EXISTS, f"there is a VDI {new.id} of another size already") from error
        lun = LunRecord(
            new.id, self._name(new.id), new.name, new.description, new.type, new.sharable, new.read_only, made=True
        )
        await self._keep(lun)
        return _vdi(lun, size)

    async def introduce_vdi(self, vdi: VdiId, location: str, sm_config: Mapping[str, str]) -> Vdi:
        image = (await self._images()).get(vdi)
        if image is None or location not in ("", image.name):
            raise VdiLocationMissing(
                f"pool {self._rbd.pool} has no image {self._name(vdi)}", sr=self._spec.id, location=location
            )
        return await self._read(vdi, image)

    async def destroy_vdi(self, vdi: VdiId) -> None:
        if vdi in await self.active_vdis():
            raise VdiInUse(f"VDI {vdi} is active on this host", vdi=vdi, operation="destroy")
        with self._told(vdi, "destroy"), contextlib.suppress(ImageMissing):
            await self._rbd.remove(self._name(vdi))

    async def stat_vdi(self, vdi: VdiId) -> Vdi:
        return await self._read(vdi, await self._image(vdi))

    async def update_vdi(self, vdi: VdiId, change: VdiChange) -> Vdi:
        if change.on_boot is OnBoot.RESET:
            raise self._unsupported("reset a VDI at boot")
        image = await self._image(vdi)
        lun = (await self._record(vdi)).changed(change)
        await self._keep(lun)
        return _vdi(lun, image.size)

    async def resize_vdi(self, vdi: VdiId, size: int) -> Vdi:
        image = await self._image(vdi)
        wanted = -(-size // MIB) * MIB
        if not 0 < size <= MAX_SIZE or wanted < image.size:
            raise VdiTooSmall(
                f"VDI {vdi} has {image.size} bytes; it can grow to 64 TiB", vdi=vdi, minimum_size=str(image.size)
            )
        if wanted > image.size:
            with self._told(vdi, "resize"):
                await self._rbd.resize(image.name, wanted)
        return await self._read(vdi, Image(image.name, wanted))

    async def snapshot_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        raise self._unsupported("take snapshots; copy the VDI instead")

    async def clone_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        raise self._unsupported("clone; copy the VDI instead")

    async def revert_vdi(self, vdi: VdiId, snapshot: VdiId) -> Vdi:
        raise self._unsupported("revert")

    async def attach_vdi(self, vdi: VdiId, mode: AttachMode) -> None:
        await self._image(vdi)
        if mode is AttachMode.RW and (await self._record(vdi)).read_only:
            raise VdiReadonly(f"VDI {vdi} is read-only", vdi=vdi)

    async def activate_vdi(self, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Sequence[Backend]:
        await self.attach_vdi(vdi, mode)
        path = (await self._rbd.mapped()).get(self._name(vdi), "")
        active = await self._active.mode(vdi)
        with self._told(vdi, "activate"):
            if path and active is not mode:
                await self._rbd.unmap(path)
                path = ""
            await self._active.put(vdi, mode)
            if not path:
                path = await self._rbd.map(self._name(vdi), mode is AttachMode.RO)
        images = self._context.images
        if limits or images.chain(vdi) is not None:
            return await images.open(vdi, [Layer(path, "raw")], mode, limits)
        return (Backend(BackendKind.BLOCK, path),)

    async def deactivate_vdi(self, vdi: VdiId) -> None:
        await self._context.images.close(vdi)
        path = (await self._rbd.mapped()).get(self._name(vdi))
        if path is not None:
            with self._told(vdi, "deactivate"):
                await self._rbd.unmap(path)
        await self._active.remove(vdi)

    async def detach_vdi(self, vdi: VdiId) -> None:
        """Nothing to do: `attach_vdi` only looks."""

    async def active_vdis(self) -> Mapping[VdiId, AttachMode]:
        mapped = await self._rbd.mapped()
        return {vdi: mode for vdi, mode in (await self._active.all()).items() if self._name(vdi) in mapped}

    async def perform(self, chore: Chore, progress: Progress, bytes_per_second: int) -> None:
        raise self._unsupported("have chores")

    def _name(self, vdi: VdiId) -> str:
        return f"{self._prefix}{vdi}"

    async def _images(self) -> dict[VdiId, Image]:
        images = await self._rbd.images()
        if marker(self._spec.id) not in [image.name for image in images]:
            raise backend_failure(47, f"pool {self._rbd.pool} does not hold SR {self._spec.id}")
        return {
            VdiId(image.name.removeprefix(self._prefix)): image
            for image in images
            if image.name.startswith(self._prefix) and UUID.fullmatch(image.name.removeprefix(self._prefix))
        }

    async def _image(self, vdi: VdiId) -> Image:
        image = (await self._images()).get(vdi)
        if image is None:
            raise VdiMissing(f"pool {self._rbd.pool} has no image of VDI {vdi}", sr=self._spec.id, vdi=vdi)
        return image

    async def _record(self, vdi: VdiId) -> LunRecord:
        try:
            text = (await self._rbd.kept(self._name(vdi))).get(KEY)
        except ImageMissing as error:
            raise VdiMissing(f"the image of VDI {vdi} is gone", sr=self._spec.id, vdi=vdi) from error
        return LunRecord(vdi, self._name(vdi)) if text is None else decode(LunRecord, json.loads(text))

    async def _read(self, vdi: VdiId, image: Image) -> Vdi:
        try:
            return _vdi(await self._record(vdi), image.size)
        except (ValueError, BadRecord):
            return _vdi(LunRecord(vdi, image.name), image.size, "its record is damaged")

    async def _keep(self, lun: LunRecord) -> None:
        await self._rbd.keep(lun.location, KEY, json.dumps(encode(lun)))

    @contextlib.contextmanager
    def _told(self, vdi: VdiId, operation: str) -> Iterator[None]:
        try:
            yield
        except ImageBusy as error:
            raise VdiInUse(f"VDI {vdi} is in use, here or elsewhere: {error}", vdi=vdi, operation=operation) from error

    def _unsupported(self, what: str) -> SrOperationNotSupported:
        return SrOperationNotSupported(f"an SR on RBD cannot {what}", sr=self._spec.id)


def _vdi(lun: LunRecord, size: int, problem: str = "") -> Vdi:
    return Vdi(
        *(lun.id, lun.location, size, 0, lun.name, lun.description, lun.type),
        read_only=lun.read_only,
        sharable=lun.sharable,
        problem=problem,
    )
