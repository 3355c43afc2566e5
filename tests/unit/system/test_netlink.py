"""Netlink: the bytes of messages and attributes."""

from xenhost.system import netlink


def test_attributes_are_padded_to_four_bytes() -> None:
    assert netlink.attribute(3, b"abc") == b"\x07\0\x03\0abc\0"
    assert netlink.u32(1, 5) == b"\x08\0\x01\0\x05\0\0\0"
    assert netlink.u64(2, 5) == b"\x0c\0\x02\0\x05\0\0\0\0\0\0\0"
    assert netlink.text(10, "nbd") == b"\x08\0\x0a\0nbd\0"
    assert netlink.nested(7, [netlink.u32(1, 5)]) == b"\x0c\0\x07\x80" + netlink.u32(1, 5)


def test_attributes_are_read_and_what_is_cut_off_is_left_out() -> None:
    data = netlink.attribute(3, b"abc") + netlink.u32(1, 5) + netlink.nested(9, [netlink.u32(1, 6)])
    assert netlink.read_attributes(data) == {3: b"abc", 1: b"\x05\0\0\0", 9: netlink.u32(1, 6)}
    assert netlink.read_attributes(data[:11]) == {3: b"abc"}
    assert netlink.read_attributes(b"\0\0\0\0") == {}


def test_messages_are_taken_apart_and_what_is_cut_off_is_left_out() -> None:
    data = netlink.message(16, 5, 7, b"abc") + b"\0" + netlink.message(3, 2, 8, b"")
    assert list(netlink.messages(data)) == [(16, 5, 7, b"abc"), (3, 2, 8, b"")]
    assert list(netlink.messages(data[:-1])) == [(16, 5, 7, b"abc")]
    assert list(netlink.messages(bytes(16))) == []
