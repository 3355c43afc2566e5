"""Changed blocks as a plugin tells them."""

import base64
import binascii
from typing import Final

from xenhost.core.storage import CBT_GRANULARITY, Bitmap
from xenhost.core.units import MIB
from xenhost.sm.smapiv3.failures import bad_answer
from xenhost.sm.smapiv3.plugin import Json
from xenhost.sm.smapiv3.values import Reader

_METHOD: Final = "Volume.list_changed_blocks"
_MOST: Final = 128 * MIB
_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def bitmap(untrusted: Json, size: int) -> Bitmap:
    """Read the answer: base64, in each byte the first block is the most significant bit. Raises SrBackendFailure."""
    reader = Reader(_METHOD)
    fields = reader.fields(untrusted)
    granularity = reader.size(fields, "granularity")
    if granularity < 512 or granularity > 1 << 30 or granularity & (granularity - 1):
        raise bad_answer(_METHOD, "granularity: a power of two from 512 bytes on is right")
    try:
        bits = base64.b64decode(reader.text(fields, "bitmap", _MOST), validate=True)
    except (binascii.Error, ValueError):
        raise bad_answer(_METHOD, "bitmap: base64 is right") from None
    if len(bits) * 8 * granularity < size:
        raise bad_answer(_METHOD, f"bitmap: {len(bits)} bytes do not cover {size} bytes of disk")
    found = Bitmap(bits.translate(_REVERSED), size, granularity)
    return found if granularity == CBT_GRANULARITY else _regrained(found)


def _regrained(found: Bitmap) -> Bitmap:
    """The same in blocks of 64 KiB."""
    blocks = -(-found.size // CBT_GRANULARITY)
    out = bytearray(-(-blocks // 8))
    for index in range(-(-found.size // found.granularity)):
        if found.bits[index >> 3] >> (index & 7) & 1:
            first = index * found.granularity // CBT_GRANULARITY
            last = (min((index + 1) * found.granularity, found.size) - 1) // CBT_GRANULARITY
            for block in range(first, last + 1):
                out[block >> 3] |= 1 << (block & 7)
    return Bitmap(bytes(out), found.size)
