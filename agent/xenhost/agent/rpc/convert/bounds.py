"""Bounds on what calls take: texts, maps, sizes, UUIDs. All raise InvalidValue or UuidInvalid."""

from collections.abc import Mapping
from typing import Final

from xenhost.core.errors import InvalidValue, UuidInvalid
from xenhost.core.ids import is_uuid
from xenhost.core.network_records import NetworkId
from xenhost.core.network_settings import MAX_MTU, MIN_MTU
from xenhost.core.storage import SrId, VdiId

MAX_NAME: Final = 255
MAX_TEXT: Final = 4096
MAX_KEYS: Final = 64
MAX_KEY: Final = 128
MAX_SIZE: Final = 1 << 50
"""Bytes of a disk: 1 PiB."""
MAX_RATE: Final = 1 << 40
"""Bytes a second: 1 TiB."""


def name(untrusted_text: str, field: str) -> str:
    """A name: one line without control characters, or empty."""
    return _text(untrusted_text, field, MAX_NAME)


def text(untrusted_text: str, field: str) -> str:
    """A description or a value: may have several lines."""
    return _text(untrusted_text, field, MAX_TEXT, "\n\t")


def pairs(untrusted_map: Mapping[str, str], field: str) -> dict[str, str]:
    """A map of texts, with keys such as `SCSIid`."""
    if len(untrusted_map) > MAX_KEYS:
        raise InvalidValue(
            f"{field} has {len(untrusted_map)} keys; {MAX_KEYS} are allowed",
            field=field,
            value=str(len(untrusted_map)),
        )
    for key in untrusted_map:
        if not 0 < len(key) <= MAX_KEY or not key.isprintable():
            raise InvalidValue(
                f"{key!r:.60} cannot be a key of {field}; it must have 1 to {MAX_KEY} printable characters",
                field=field,
                value=key[:60],
            )
    return {key: _text(value, f"{field}.{key}", MAX_TEXT) for key, value in sorted(untrusted_map.items())}


def size(untrusted_bytes: int, field: str) -> int:
    """A size that is required."""
    if not 0 < untrusted_bytes <= MAX_SIZE:
        what = "is required" if untrusted_bytes == 0 else f"is {untrusted_bytes}"
        raise InvalidValue(
            f"{field} {what}; it must be 1 to {MAX_SIZE} (1 PiB)", field=field, value=str(untrusted_bytes)
        )
    return untrusted_bytes


def optional_size(untrusted_bytes: int, field: str) -> int:
    """A size, or 0 for: not said."""
    return size(untrusted_bytes, field) if untrusted_bytes else 0


def rate(untrusted_bytes: int, field: str = "bytes_per_second") -> int:
    """Bytes a second, 0: no limit."""
    if untrusted_bytes > MAX_RATE:
        raise InvalidValue(
            f"{field} is {untrusted_bytes}; it must be 0 (no limit) to {MAX_RATE}",
            field=field,
            value=str(untrusted_bytes),
        )
    return untrusted_bytes


def mtu(untrusted_number: int, field: str) -> int:
    """Bytes of a frame's payload."""
    if not MIN_MTU <= untrusted_number <= MAX_MTU:
        raise InvalidValue(
            f"{field} is {untrusted_number}; it must be {MIN_MTU} to {MAX_MTU}",
            field=field,
            value=str(untrusted_number),
        )
    return untrusted_number


def optional_uuid(untrusted_text: str, kind: str) -> str:
    """The UUID of something to be made, or empty: not chosen."""
    return _uuid(untrusted_text, kind) if untrusted_text else ""


def shown(untrusted_text: str) -> str:
    """As an error message may show it."""
    return repr(untrusted_text if len(untrusted_text) <= 60 else untrusted_text[:60] + "…")


def sr_id(untrusted_text: str) -> SrId:
    """The UUID of an SR."""
    return SrId(_uuid(untrusted_text, "SR"))


def vdi_id(untrusted_text: str) -> VdiId:
    """The UUID of a VDI."""
    return VdiId(_uuid(untrusted_text, "VDI"))


def network_id(untrusted_text: str) -> NetworkId:
    """UUID of a network. Raises UuidInvalid."""
    return NetworkId(_uuid(untrusted_text, "network"))


def _uuid(untrusted_text: str, kind: str) -> str:
    text = untrusted_text.strip().lower()
    if not is_uuid(text):
        raise UuidInvalid(
            f"{untrusted_text!r:.80} is not a UUID; write it as 8-4-4-4-12 hexadecimal digits",
            type=kind,
            uuid=untrusted_text[:80],
        )
    return text


def _text(untrusted_text: str, field: str, most: int, beside: str = "") -> str:
    if len(untrusted_text) > most:
        raise InvalidValue(
            f"{field} has {len(untrusted_text)} characters; {most} are allowed",
            field=field,
            value=untrusted_text[:80],
        )
    if not all(char.isprintable() or char in beside for char in untrusted_text):
        raise InvalidValue(
            f"{field} is {untrusted_text!r:.80}; control characters are not allowed",
            field=field,
            value=untrusted_text[:80],
        )
    return untrusted_text
