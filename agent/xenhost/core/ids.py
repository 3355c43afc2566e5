"""Names of things, and their parsers."""

import re
from typing import Final, NewType

from xenhost.core.errors import InvalidValue, UuidInvalid

VmId = NewType("VmId", str)
"""UUID of a VM, lower case with dashes; also the handle of its domain."""
DomId = NewType("DomId", int)
"""Number of a running domain, 0 to 32751; a VM gets a new one at each start."""
DevId = NewType("DevId", int)
"""Number of a device of one class within a domain: a virtual-device number for VBDs, the index for VIFs."""
OperationId = NewType("OperationId", str)

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MAC: Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_XVD: Final = re.compile(r"xvd([a-z]{1,3})")
_HD: Final = re.compile(r"hd([a-d])")


def is_uuid(untrusted_text: str) -> bool:
    """Is it a UUID in normal form, lower case with dashes?"""
    return _UUID.fullmatch(untrusted_text) is not None


def parse_vm_id(untrusted_text: str) -> VmId:
    """Check and normalise the UUID of a VM. Raises UuidInvalid."""
    text = untrusted_text.strip().lower()
    if not _UUID.fullmatch(text):
        raise UuidInvalid(
            f"{untrusted_text!r:.80} is not a UUID; write it as 8-4-4-4-12 hexadecimal digits",
            type="VM",
            uuid=untrusted_text[:80],
        )
    return VmId(text)


def parse_mac(untrusted_text: str) -> str:
    """Check and normalise a unicast MAC address, `aa:bb:cc:dd:ee:ff`. Raises InvalidValue."""
    text = untrusted_text.strip().lower().replace("-", ":")
    if not _MAC.fullmatch(text) or int(text[:2], 16) & 1:
        raise InvalidValue(
            f"{untrusted_text!r:.80} is not a unicast MAC address such as 00:16:3e:12:34:56",
            field="mac",
            value=untrusted_text[:80],
        )
    return text


def parse_device(untrusted_name: str) -> tuple[DevId, str]:
    """Turn `xvda`, `hda` or a position ("0") into (virtual-device number, canonical name).

    Numbers follow xen/docs/man/xen-vbd-interface(7). Raises InvalidValue.
    """
    name = untrusted_name.strip()
    if name.isascii() and name.isdigit() and int(name) < MAX_DISKS:
        return _xvd(int(name))
    if match := _XVD.fullmatch(name):
        index = _letters_to_index(match[1])
        if index < MAX_DISKS:
            return _xvd(index)
    if match := _HD.fullmatch(name):
        index = ord(match[1]) - ord("a")
        major = 3 if index < 2 else 22
        return DevId(major << 8 | (index % 2) << 6), name
    raise InvalidValue(
        f"{untrusted_name!r:.80} is not a disk device; use xvda to {index_to_letters(MAX_DISKS - 1)}"
        f", hda to hdd, or a position from 0 to {MAX_DISKS - 1}",
        field="device",
        value=untrusted_name[:80],
    )


MAX_DISKS: Final = 255
"""Disks a VM may have."""
MAX_VIFS: Final = 16
"""VIFs a VM may have."""


def device_name(devid: DevId) -> str:
    """The canonical name of a virtual-device number that `parse_device` made."""
    if devid >> 28:
        return "xvd" + index_to_letters(devid >> 8 & 0xFFFFF)
    major, minor = devid >> 8, devid & 0xFF
    if major == 202:
        return "xvd" + index_to_letters(minor >> 4)
    return "hd" + chr(ord("a") + (0 if major == 3 else 2) + (minor >> 6))


def index_to_letters(index: int) -> str:
    """0 is a, 25 is z, 26 is aa: the way Linux names disks."""
    letters = ""
    while index >= 0:
        letters = chr(ord("a") + index % 26) + letters
        index = index // 26 - 1
    return letters


def _letters_to_index(letters: str) -> int:
    index = 0
    for letter in letters:
        index = index * 26 + ord(letter) - ord("a") + 1
    return index - 1


def _xvd(index: int) -> tuple[DevId, str]:
    number = 202 << 8 | index << 4 if index < 16 else 1 << 28 | index << 8
    return DevId(number), f"xvd{index_to_letters(index)}"
