"""Differencing VHDs become qcow2 before they are used: QEMU would read their parents' data as zeros."""

from dataclasses import replace

from xenhost.core.storage import VdiId
from xenhost.core.storage_errors import VdiNotAvailable
from xenhost.sm.directory.store import Store
from xenhost.sm.image import qcow2
from xenhost.sm.image.bad import BadImage
from xenhost.sm.transfer.flatten import flatten


async def convert_chain(store: Store, vdi: VdiId) -> None:
    """Give a VDI that is a differencing VHD an image of its own with the same content. No-op for any other.

    The VHDs stay as they are; if they belong to nobody else they are deleted as any image that nobody needs.
    """
    async with store.editing(vdi):
        record = store.record(vdi)
        chain = store.chain(record)
        if not any(image.differencing for image in chain):
            return
        size, source = chain[0].size, store.folder.path(chain[0].name)
        held = sum(image.physical for image in chain)
        target = store.new_image()

        def begin() -> None:
            store.require(min(qcow2.measure(size, held), qcow2.measure(size, size)))
            old = record.scratch
            store.save(replace(record, scratch=target))
            if old:
                store.drop_unneeded(old)

        await store.run(begin)
        text = f"making a qcow2 image of differencing VHD {source.name}"
        store.log.info("vhd_converting", vdi=vdi, image=source.name)
    try:
        await flatten(source, store.folder.path(target), store.context.clock)
    except BadImage as bad:
        raise VdiNotAvailable(f"VDI {vdi} cannot be used: {text} failed: {bad}", vdi=vdi) from bad
    async with store.editing(vdi):
        record = store.record(vdi)

        def end() -> None:
            made = store.refresh(target)
            if record.scratch != target or made is None or made.problem or made.size < size:
                raise VdiNotAvailable(f"VDI {vdi} changed while it was converted; try again", vdi=vdi)
            old = record.image
            store.save(replace(record, image=target, scratch=""))
            store.drop_unneeded(old)

        await store.run(end)
