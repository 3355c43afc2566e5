"""Layers: how a chain of images is given to an image server, and how a new image is laid over one that is shared."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from xenhost.core.storage import VdiId
from xenhost.core.storage_errors import VdiNotAvailable, backend_failure
from xenhost.sm.datapath.port import Layer
from xenhost.sm.directory.record import VdiRecord
from xenhost.sm.directory.store import Store
from xenhost.sm.directory.tree import Image
from xenhost.sm.image import qcow2

MAX_CHAIN: Final = 30
"""Images on images: XenServer's limit."""
BITMAP: Final = "cbt"
"""The bitmap in which QEMU records what changes."""
_QEMU: Final = {"qcow2": "qcow2", "raw": "raw", "vhd": "vpc"}


def layers(store: Store, chain: Sequence[Image], vdi: VdiId) -> list[Layer]:
    """A chain as an image server takes it. Raises VdiNotAvailable: QEMU must never open a differencing VHD."""
    if any(image.differencing for image in chain):
        text = f"VDI {vdi} is a differencing VHD, which can be read only by copying or converting it"
        raise VdiNotAvailable(text, vdi=vdi)
    return [layer(store, image) for image in chain]


def layer(store: Store, image: Image) -> Layer:
    """One image as an image server takes it."""
    return Layer(str(store.folder.path(image.name)), _QEMU[image.format], store.image_locks, store.read_caching)


def file_node(layer: Layer) -> dict[str, object]:
    """Its file, as the programs of QEMU take it."""
    node: dict[str, object] = {"driver": "file", "filename": layer.path}
    return node if layer.locks else {**node, "locking": "off"}


def check_depth(store: Store, chain: Sequence[Image]) -> None:
    """Raise SR_BACKEND_FAILURE_109 if nothing may be laid over that chain."""
    if len(chain) > MAX_CHAIN:
        text = (
            f"{len(chain)} images lie on one another, and {MAX_CHAIN} may; they are merged when snapshots are deleted"
        )
        raise backend_failure(109, text)


def make_overlay(store: Store, image: Image, *, size: int = 0, bitmap: bool = False) -> Image:
    """An empty image over another. Blocks."""
    name = store.new_image()
    wanted = size or image.size
    store.require(qcow2.empty_size(wanted))

    def how(path: Path) -> None:
        qcow2.create(path, wanted, image.name, _QEMU[image.format], BITMAP if bitmap else "")

    store.folder.make(name, how)
    made = store.refresh(name)
    if made is None or made.problem:
        raise backend_failure(78, f"the new image {name} cannot be read back: {made.problem if made else 'missing'}")
    return made


def put_overlay(store: Store, record: VdiRecord, *, size: int = 0) -> VdiRecord:
    """Let a VDI go on in a new image over the one it has; if it is tracked, so is that. Blocks."""
    made = make_overlay(store, store.tree.images[record.image], size=size, bitmap=record.cbt)
    tracked = (*record.cbt_images, made.name) if record.cbt else ()
    return store.save(replace(record, image=made.name, cbt_images=tracked))
