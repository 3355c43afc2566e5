"""Pages of vital product data: who a disk says it is. Untrusted."""

from typing import Final

_TEXT: Final = 2
_NAA, _EUI, _VENDOR, _NAME = 3, 2, 1, 8
_ORDER: Final = (_NAA, _EUI, _NAME, _VENDOR, 0)
_EXTENDED: Final = 6


def clean(untrusted_text: str) -> str:
    """Printable ASCII of it, at most 128 characters."""
    return "".join(letter if "!" <= letter <= "~" else " " for letter in untrusted_text).strip()[:128]


def scsi_id(untrusted_page: bytes) -> str:
    """The id that udev's `scsi_id --whitelisted` makes of page 0x83: `3` and the NAA name in hex, mostly.

    Empty if the page names nothing. The kind is the first digit: 3 NAA, 2 EUI-64, 8 SCSI name, 1 vendor's, 0 other.
    """
    best = ""
    best_rank = (len(_ORDER), 0)
    page = untrusted_page
    if len(page) < 4 or page[1] != 0x83:
        return ""
    at, end = 4, min(len(page), 4 + int.from_bytes(page[2:4], "big"))
    while at + 4 <= end:
        coding, association, kind, length = page[at] & 0xF, page[at + 1] >> 4 & 3, page[at + 1] & 0xF, page[at + 3]
        value = page[at + 4 : at + 4 + length]
        at += 4 + length
        if association or kind not in _ORDER or len(value) != length or not value:
            continue
        rank = _rank(kind, value)
        if rank < best_rank:
            best_rank, best = rank, _named(kind, coding, value)
    return best


def _rank(kind: int, value: bytes) -> tuple[int, int]:
    """As udev prefers them: NAA registered extended first, then the other NAA names, EUI-64 and so on."""
    extended = kind == _NAA and value[0] >> 4 == _EXTENDED
    return _ORDER.index(kind), 0 if extended else 1


def _named(kind: int, coding: int, value: bytes) -> str:
    if coding == _TEXT or kind == _NAME:
        return f"{kind}{clean(value.decode('ascii', 'replace').rstrip(chr(0))).replace(' ', '_')}"
    return f"{kind}{value.hex()}" if coding == 1 else ""


def serial(untrusted_page: bytes) -> str:
    """The serial number of page 0x80."""
    page = untrusted_page
    if len(page) < 4 or page[1] != 0x80:
        return ""
    return clean(page[4 : 4 + int.from_bytes(page[2:4], "big")].decode("ascii", "replace"))
