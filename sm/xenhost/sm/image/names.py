"""Names of parents that are written in images: hostile, and only ever a file beside the image."""

import re
from pathlib import Path
from typing import Final

from xenhost.sm.image.bad import BadImage

_PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@ -]{0,254}")


def beside(untrusted_name: str, image: Path) -> str:
    """The file name, in the image's folder, that a parent's name means.

    `x.qcow2`, `./x.qcow2`, `file:x.qcow2`, and absolute names in the image's own folder or in where XenServer mounts
    the same SR. Anything else is refused: `..`, other folders, and QEMU's pseudo-protocols such as `json:` and `nbd:`.
    """
    name = untrusted_name.removeprefix("file:").removeprefix("./")
    folder, slash, last = name.rpartition("/")
    if slash and not _same_folder(folder, image.parent):
        raise BadImage(f"{image.name} names a parent outside its folder: {untrusted_name[:80]!r}")
    if not _PLAIN.fullmatch(last):
        raise BadImage(f"{image.name} names a parent that is no plain file name: {untrusted_name[:80]!r}")
    if last == image.name:
        raise BadImage(f"{image.name} names itself as its parent")
    return last


def _same_folder(folder: str, here: Path) -> bool:
    return folder in (str(here), f"/var/run/sr-mount/{here.name}", f"/run/sr-mount/{here.name}")
