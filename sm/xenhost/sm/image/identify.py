"""What a file is, found out without trusting it."""

from dataclasses import dataclass, replace
from pathlib import Path

from xenhost.sm.image import qcow2, qcow2_header, vhd
from xenhost.sm.image.bad import BadImage
from xenhost.sm.image.names import beside
from xenhost.sm.image.source import ImageFile
from xenhost.sm.image.vhd_parent import parent_beside, written_parent


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """An image file."""

    format: str
    """raw, qcow2, vhd. Raw is everything without the mark of another: only a name or a record says it is an image."""
    virtual_size: int
    physical: int
    """Bytes of storage it takes."""
    backing: str = ""
    """The name of its parent as it is written in it, untrusted; empty: none."""
    backing_name: str = ""
    """The plain name of the parent's file in the same folder; empty: none, or refused."""
    backing_format: str = ""
    """As written; always `vhd` for a VHD's parent."""
    differencing: bool = False
    """A VHD that QEMU must never open."""
    bitmaps: tuple[str, ...] = ()
    """Persistent dirty bitmaps that are whole."""
    hidden: bool = False
    """XenServer's mark of a base copy."""
    uuid: str = ""
    """A VHD's own."""
    parent_uuid: str = ""
    """A differencing VHD's."""
    problem: str = ""
    """Why it must not be used; empty: it may. What could be read stands in the other fields all the same."""


def identify(path: Path) -> ImageInfo:
    """Look at a file. Blocking. Never raises for what is in it (`problem`); raises OSError for what hinders reading.

    A guest can write the header of any format onto its raw disk: whoever knows that a file is raw goes by that, and by
    this only for what comes from elsewhere.
    """
    try:
        file = ImageFile(path)
    except BadImage as bad:
        return ImageInfo("raw", 0, 0, problem=str(bad))
    with file:
        try:
            start = file.read(0, 4) if file.size >= 4 else b""
            if start == qcow2_header.MAGIC:
                return _qcow2(file)
            if vhd.is_vhd(file):
                return _vhd(file)
        except BadImage as bad:
            return ImageInfo("raw", file.size, file.physical, problem=str(bad))
        return ImageInfo("raw", file.size, file.physical)


def _qcow2(file: ImageFile) -> ImageInfo:
    info = ImageInfo("qcow2", 0, file.physical)
    try:
        header = qcow2_header.parse(file)
        info = replace(
            info,
            virtual_size=header.virtual_size,
            backing=header.backing,
            backing_format=header.backing_format,
            hidden=header.hidden,
            problem=qcow2.refusal(header),
        )
        name = beside(header.backing, file.path) if header.backing else ""
        return replace(info, bitmaps=qcow2.bitmap_names(file, header), backing_name=name)
    except BadImage as bad:
        return replace(info, problem=info.problem or str(bad))


def _vhd(file: ImageFile) -> ImageInfo:
    info = ImageInfo("vhd", 0, file.physical)
    try:
        footer = vhd.read_footer(file)
        info = replace(info, virtual_size=footer.current_size, hidden=footer.hidden, uuid=str(footer.uuid))
        if footer.type is vhd.VhdType.FIXED:
            if footer.current_size > file.size - vhd.SECTOR:
                raise BadImage("the fixed VHD is shorter than its footer says")
            return info
        header = vhd.read_header(file, footer)
        if footer.type is vhd.VhdType.DYNAMIC:
            return info
        info = replace(info, differencing=True, backing_format="vhd", parent_uuid=str(header.parent_uuid))
        written = written_parent(file, header)
        return replace(info, backing=written, backing_name=parent_beside(written, file.path))
    except BadImage as bad:
        return replace(info, problem=str(bad))
