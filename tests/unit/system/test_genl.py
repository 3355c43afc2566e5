"""Generic netlink: the bytes, and the kernel's own family."""

import pytest

from xenhost.system import genl


def test_attributes_are_padded_to_four_bytes() -> None:
    assert genl.attribute(3, b"abc") == b"\x07\0\x03\0abc\0"
    assert genl.u32(1, 5) == b"\x08\0\x01\0\x05\0\0\0"
    assert genl.u64(2, 5) == b"\x0c\0\x02\0\x05\0\0\0\0\0\0\0"
    assert genl.text(10, "nbd") == b"\x08\0\x0a\0nbd\0"
    assert genl.nested(7, [genl.u32(1, 5)]) == b"\x0c\0\x07\x80" + genl.u32(1, 5)


def test_attributes_are_read_and_what_is_cut_off_is_left_out() -> None:
    data = genl.attribute(3, b"abc") + genl.u32(1, 5) + genl.nested(9, [genl.u32(1, 6)])
    assert genl.read_attributes(data) == {3: b"abc", 1: b"\x05\0\0\0", 9: genl.u32(1, 6)}
    assert genl.read_attributes(data[:11]) == {3: b"abc"}
    assert genl.read_attributes(b"\0\0\0\0") == {}


def test_the_kernel_answers() -> None:
    answer = genl.call("nlctrl", 3, [genl.text(2, "nlctrl")], 5.0)
    assert answer[2] == b"nlctrl\0"
    assert answer[1] == b"\x10\0"


def test_an_unknown_family_and_a_wrong_command_are_errors() -> None:
    with pytest.raises(FileNotFoundError):
        genl.call("no such family", 1, [], 5.0)
    with pytest.raises(OSError, match=r"Invalid argument|Operation not supported"):
        genl.call("nlctrl", 77, [], 5.0)
