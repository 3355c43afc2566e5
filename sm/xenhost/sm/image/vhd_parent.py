"""The name of a differencing VHD's parent."""

from pathlib import Path
from typing import Final

from xenhost.sm.image.bad import BadImage
from xenhost.sm.image.names import beside
from xenhost.sm.image.source import ImageBytes
from xenhost.sm.image.vhd import DynamicHeader, Locator

_MAX_NAME: Final = 4096
_ORDER: Final = ("MACX", "W2ru", "W2RU", "W2ku", "W2KU")
"""blktap's, relative, comes first."""


def written_parent(source: ImageBytes, header: DynamicHeader) -> str:
    """The parent's name as it is written: the best of the locators, else the header's. Raises BadImage."""
    by_code = {locator.code: locator for locator in header.locators}
    for code in _ORDER:
        if code in by_code and (name := _locator_name(source, by_code[code])):
            return name
    return header.parent_name


def parent_beside(written: str, image: Path) -> str:
    """The file in the image's folder that a parent's written name means. Raises BadImage."""
    name = written.removeprefix("file://").replace("\\", "/")
    if not name:
        raise BadImage(f"{image.name} is a differencing VHD and does not name its parent")
    return beside(name, image)


def _locator_name(source: ImageBytes, locator: Locator) -> str:
    if not 0 < locator.length <= _MAX_NAME:
        return ""
    raw = source.read(locator.offset, locator.length)
    encoding = "utf-8" if locator.code == "MACX" else "utf-16-le"
    try:
        return raw.decode(encoding).rstrip("\0")
    except UnicodeDecodeError:
        raise BadImage("the name of the VHD's parent is not text") from None
