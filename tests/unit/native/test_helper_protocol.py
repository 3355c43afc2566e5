"""The sans-IO half of the protocol with xh-domain-helper."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenhost.native.domain_helper import (
    MAX_LINE,
    MAX_REQUEST,
    BuildRequest,
    BuildResult,
    Done,
    GuestKind,
    HelperFailure,
    HelperProtocolError,
    HelperReader,
    Log,
    Preload,
    Progress,
    Ready,
    Save,
    encode,
)

MIB = 1 << 20
REQUEST = BuildRequest(
    domid=7,
    kind=GuestKind.PV,
    max_memory=128 * MIB,
    target_memory=128 * MIB,
    xen_max_memory=129 * MIB,
    vcpus=2,
    kernel="/boot/my kernel",
    command_line="console=hvc0 é%",
)
RESULT = (
    b"result store_port=1 store_frame=387073 console_port=2 console_frame=387074 guest_os=linux "
    b"prepare_us=10 memory_us=20\n"
)


def lines_of(request: BuildRequest | Save | Preload) -> list[str]:
    return encode(request).decode("ascii").splitlines()


def test_a_build_request_is_key_value_lines_ended_by_an_empty_one() -> None:
    lines = lines_of(REQUEST)
    assert lines[:4] == ["op build", "domid 7", "kind pv", "max_memory 134217728"]
    assert lines[-1] == ""
    assert "kernel /boot/my%20kernel" in lines
    assert "command_line console%3Dhvc0%20%C3%A9%25" in lines
    assert "claim 1" in lines
    assert "nested_virt 0" in lines


def test_a_guest_is_saved_and_restored_through_a_descriptor() -> None:
    assert lines_of(Save(7, 5)) == ["op save", "domid 7", "fd 5", ""]
    lines = lines_of(replace(REQUEST, kernel=None, command_line="", fd=5))
    assert lines[:2] == ["op restore", "domid 7"]
    assert "fd 5" in lines


def test_what_is_not_given_is_not_sent() -> None:
    keys = {line.split(" ")[0] for line in lines_of(REQUEST)}
    assert not keys & {"ramdisk", "firmware", "bios", "store_port", "online_vcpus", "cpu_features", "features"}


def test_lists_are_sent_in_the_form_the_helper_reads() -> None:
    request = BuildRequest(
        domid=1,
        kind=GuestKind.PVH,
        max_memory=MIB,
        target_memory=MIB,
        xen_max_memory=MIB,
        vcpus=4,
        kernel="k",
        online_vcpus=(0, 2),
        cpu_features=(0x178BFBFF, 0xF6F83203),
        rtc_offset=-3600,
    )
    lines = lines_of(request)
    assert "online_vcpus 0,2" in lines
    assert "cpu_features 178bfbff-f6f83203" in lines
    assert "rtc_offset -3600" in lines


def test_a_preload_names_only_its_files() -> None:
    assert encode(Preload(kernel="/k", ramdisk="/r")) == b"op preload\nkernel /k\nramdisk /r\n\n"


def test_a_text_with_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        encode(Preload(kernel="/k\0"))


def test_a_request_that_the_helper_would_not_read_is_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        encode(Preload(kernel="/" * MAX_REQUEST))


def test_every_kind_of_reply_is_understood() -> None:
    data = (
        b"ready 1 4.17\nready 1 none\nprogress 50 image\nlog warning a%20%3D%20b\nresult\n"
        b"error failed 12 dom:populate_memory no%20memory\nerror bad_request 22 op -\n" + RESULT
    )
    assert HelperReader().feed(data) == [
        Ready("4.17"),
        Ready(None),
        Progress(50, "image"),
        Log("warning", "a = b"),
        Done(),
        HelperFailure("failed", 12, "dom:populate_memory", "no memory"),
        HelperFailure("bad_request", 22, "op", ""),
        BuildResult(1, 387073, 2, 387074, "linux", (("prepare", 10), ("memory", 20))),
    ]


@given(st.lists(st.integers(min_value=1, max_value=40), max_size=40))
def test_replies_are_the_same_in_whatever_pieces_they_come(sizes: list[int]) -> None:
    data = b"progress 20 memory\nlog error x%0Ay\n" + RESULT
    reader, replies, at = HelperReader(), [], 0
    for size in sizes:
        replies += reader.feed(data[at : at + size])
        at += size
    replies += reader.feed(data[at:])
    assert replies == HelperReader().feed(data)
    assert len(replies) == 3


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello",
        b"ready 2 4.17",
        b"progress x image",
        b"progress 1",
        b"error failed x call text",
        b"result store_port=1",
        b"result store_port",
        b"log warning \xff",
    ],
)
def test_anything_else_ends_the_use_of_the_helper(line: bytes) -> None:
    with pytest.raises(HelperProtocolError, match="not a reply"):
        HelperReader().feed(line + b"\n")


def test_a_line_without_end_is_not_collected_for_ever() -> None:
    reader = HelperReader()
    for _ in range(4):
        reader.feed(b"x" * (MAX_LINE // 4))
    with pytest.raises(HelperProtocolError, match="longer"):
        reader.feed(b"x")


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_raise_the_protocol_error(data: bytes) -> None:
    reader = HelperReader()
    with suppress(HelperProtocolError):
        reader.feed(data)
