"""A CD image that boots (ISO 9660 with El Torito, no emulation) and holds nothing but its boot code."""

import struct

SECTOR = 2048
CATALOG_SECTOR, ROOT_SECTOR, LITTLE_TABLE, BIG_TABLE, BOOT_SECTOR = 19, 20, 21, 22, 23
VIRTUAL_SECTOR = 512  # the unit in which El Torito counts what the firmware loads


def bootable(code: bytes, label: str) -> bytes:
    """The image; the firmware loads all of ``code`` to 0x7C00 and jumps there."""
    root = _directory_record(b"\0") + _directory_record(b"\1")
    sectors = BOOT_SECTOR + -(-len(code) // SECTOR)
    parts = {
        16: _primary_descriptor(label, sectors),
        17: b"\0CD001\1" + b"EL TORITO SPECIFICATION".ljust(64, b"\0") + struct.pack("<I", CATALOG_SECTOR),
        18: b"\xffCD001\1",
        CATALOG_SECTOR: _catalog(-(-len(code) // VIRTUAL_SECTOR)),
        ROOT_SECTOR: root,
        LITTLE_TABLE: struct.pack("<BBIH2s", 1, 0, ROOT_SECTOR, 1, b"\0\0"),
        BIG_TABLE: struct.pack(">BBIH2s", 1, 0, ROOT_SECTOR, 1, b"\0\0"),
        BOOT_SECTOR: code,
    }
    image = bytearray(sectors * SECTOR)
    for sector, data in parts.items():
        image[sector * SECTOR : sector * SECTOR + len(data)] = data
    return bytes(image)


def _both(value: int) -> bytes:
    return struct.pack("<I", value) + struct.pack(">I", value)


def _both_short(value: int) -> bytes:
    return struct.pack("<H", value) + struct.pack(">H", value)


def _directory_record(name: bytes) -> bytes:
    date = bytes((123, 1, 1, 0, 0, 0, 0))  # 2023-01-01
    body = _both(ROOT_SECTOR) + _both(SECTOR) + date + b"\x02\0\0" + _both_short(1) + b"\x01" + name
    return bytes((len(body) + 2, 0)) + body


def _primary_descriptor(label: str, sectors: int) -> bytes:
    blank_date = b"0" * 16 + b"\0"
    return b"".join(
        (
            b"\x01CD001\1\0",
            b" " * 32,  # system
            label.upper().encode().ljust(32),
            bytes(8),
            _both(sectors),
            bytes(32),
            _both_short(1),  # volumes in the set
            _both_short(1),  # number of this one
            _both_short(SECTOR),
            _both(10),  # bytes of a path table
            struct.pack("<II", LITTLE_TABLE, 0),
            struct.pack(">II", BIG_TABLE, 0),
            _directory_record(b"\0"),
            b" " * (4 * 128 + 3 * 37),  # publisher and the like, names of files
            blank_date * 4,
            b"\x01\0",
        )
    )


def _catalog(virtual_sectors: int) -> bytes:
    validation = struct.pack("<BBH24sHBB", 1, 0, 0, b"xenhost", 0, 0x55, 0xAA)
    checksum = -sum(struct.unpack("<16H", validation)) & 0xFFFF
    validation = validation[:28] + struct.pack("<H", checksum) + validation[30:]
    entry = struct.pack("<BBHBBHI20s", 0x88, 0, 0, 0, 0, virtual_sectors, BOOT_SECTOR, b"")
    return validation + entry
