"""Generic netlink: the kernel's own family."""

import pytest

from xenhost.system import genl, netlink


def test_the_kernel_answers() -> None:
    answer = genl.call("nlctrl", 3, [netlink.text(2, "nlctrl")], 5.0)
    assert answer[2] == b"nlctrl\0"
    assert answer[1] == b"\x10\0"


def test_an_unknown_family_and_a_wrong_command_are_errors() -> None:
    with pytest.raises(FileNotFoundError):
        genl.call("no such family", 1, [], 5.0)
    with pytest.raises(OSError, match=r"Invalid argument|Operation not supported"):
        genl.call("nlctrl", 77, [], 5.0)
