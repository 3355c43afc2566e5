"""Disks are told apart as udev's scsi_id does, and their pages are never trusted."""

from hypothesis import given
from hypothesis import strategies as st

from xenhost.sm.scsi import vpd


def page(*descriptors: tuple[int, int, bytes], code: int = 0x83) -> bytes:
    body = b"".join(bytes([coding, kind, 0, len(value)]) + value for coding, kind, value in descriptors)
    return bytes([0, code]) + len(body).to_bytes(2, "big") + body


def test_the_registered_extended_name_comes_first() -> None:
    vendor = (2, 1, b"LIO-ORG disk0:1234")
    eui = (1, 2, bytes.fromhex("0011223344556677"))
    short = (1, 3, bytes.fromhex("5000c50012345678"))
    long = (1, 3, bytes.fromhex("6001405aabbccddeeff0011223344556"))
    assert vpd.scsi_id(page(vendor, eui, short, long)) == "36001405aabbccddeeff0011223344556"
    assert vpd.scsi_id(page(vendor, eui, short)) == "35000c50012345678"
    assert vpd.scsi_id(page(vendor, eui)) == "20011223344556677"
    assert vpd.scsi_id(page(vendor)) == "1LIO-ORG_disk0:1234"


def test_names_of_ports_are_not_those_of_the_disk() -> None:
    port = (1, 0x13, bytes.fromhex("5000c50012345678"))
    assert vpd.scsi_id(page(port)) == ""


def test_a_serial_number_is_read() -> None:
    assert vpd.serial(b"\0\x80\0\x08 ab12\0\0 ") == "ab12"
    assert vpd.serial(b"\0\x83\0\x02ab") == ""


@given(st.binary(max_size=300))
def test_any_page_is_survived_and_gives_a_clean_word(data: bytes) -> None:
    for found in (vpd.scsi_id(data), vpd.scsi_id(b"\0\x83\1\0" + data), vpd.serial(b"\0\x80\1\0" + data)):
        assert found.isascii()
        assert found.isprintable()
        assert len(found) <= 600
