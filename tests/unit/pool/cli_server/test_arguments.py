import pytest

from xenhost.pool.cli_server.arguments import CliError, parse, to_bytes
from xenhost.pool.cli_server.protocol import CliProtocolError, check_greeting, frame_length


def test_lines_become_a_command_its_parameters_and_its_flags() -> None:
    args = parse(b"vm-start\r\nvm=a = b\n--force\n--multiple=false\nusername=root\npassword=x=y\n--minimal")
    assert (args.command, args.user, args.password, args.minimal) == ("vm-start", "root", "x=y", True)
    assert args.params == {"vm": "a = b", "force": "true", "multiple": "false"}


def test_a_session_may_stand_in_front() -> None:
    assert parse(b"session_id=OpaqueRef:1\nvm-list").session == "OpaqueRef:1"
    assert parse(b"").command == "help"


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("1024", 1024), ("512MiB", 512 << 20), ("2 GiB", 2 << 30), ("1TiB", 1 << 40)]
)
def test_sizes_have_units(text: str, size: int) -> None:
    assert to_bytes("x", text) == size


@pytest.mark.parametrize("text", ["", "-1", "1.5GiB", "1XiB", "1MB", "9" * 30])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(CliError):
        to_bytes("x", text)


@pytest.mark.parametrize("document", [b"vm-list\n--minimal=maybe", b"a=1\n" * 1000])
def test_what_makes_no_sense_is_refused(document: bytes) -> None:
    with pytest.raises(CliError):
        parse(document)


@pytest.mark.parametrize("greeting", [b"", b"x" * 35, b"XenSource thin CLI protocol\x01\0\0\0\0\0\0\0"])
def test_another_protocol_or_version_is_refused(greeting: bytes) -> None:
    with pytest.raises(CliProtocolError):
        check_greeting(greeting)


@pytest.mark.parametrize("length", [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x7f"])
def test_frames_are_bounded(length: bytes) -> None:
    with pytest.raises(CliProtocolError):
        frame_length(length)
