"""The netlink client against this kernel, and against one that says odd things."""

import errno
import os
import socket
import struct
from collections.abc import Callable

import pytest

from xenhost.system.netlink import HEADER, messages, read_attributes, text
from xenhost.system.netlink_client import NetlinkClient

GET_LINK = 18
LINK = struct.Struct("=BxHiII")
ANY = LINK.pack(0, 0, 0, 0, 0)
DONE, INTERRUPTED = 3, 0x10


def name(body: bytes) -> bytes:
    return read_attributes(body[LINK.size :])[3].rstrip(b"\0")


def test_one_is_got_and_all_are_dumped() -> None:
    with NetlinkClient() as kernel:
        assert name(kernel.get(GET_LINK, ANY + text(3, "lo"))) == b"lo"
        found = [name(body) for _, body in kernel.dump(GET_LINK, ANY)]
    assert sorted(found) == sorted(each.encode() for _, each in socket.if_nameindex())


def test_an_acknowledged_request_has_its_answers() -> None:
    with NetlinkClient() as kernel:
        assert [name(body) for _, body in kernel.change(GET_LINK, ANY + text(3, "lo"))] == [b"lo"]


def test_what_the_kernel_refuses_is_its_errno_and_the_next_request_is_none_the_worse() -> None:
    with NetlinkClient() as kernel:
        for _ in range(2):
            with pytest.raises(OSError, match="No such device"):
                kernel.get(GET_LINK, ANY + text(3, "nosuchlink"))
        assert name(kernel.get(GET_LINK, ANY + text(3, "lo"))) == b"lo"


class OddSocket:
    """Stands where the kernel does: `answer` says what follows a request of a number, datagram by datagram."""

    def __init__(self, answer: Callable[[int, int], list[bytes | OSError]]) -> None:
        self._answer = answer
        self._waiting: list[bytes | OSError] = []
        self.asked = 0

    def send(self, data: bytes) -> None:
        ((_, _, number, _),) = messages(data)
        self.asked += 1
        self._waiting += self._answer(number, self.asked)

    def recvmsg(self, _room: int) -> tuple[bytes, list[object], int, tuple[int, int]]:
        if not self._waiting:
            raise TimeoutError("timed out")
        said = self._waiting.pop(0)
        if isinstance(said, OSError):
            raise said
        return said, [], 0, (0, 0)

    def close(self) -> None:
        """Nothing to let go of."""


def odd(monkeypatch: pytest.MonkeyPatch, answer: Callable[[int, int], list[bytes | OSError]]) -> NetlinkClient:
    client = NetlinkClient()
    client.close()
    monkeypatch.setattr(client, "_socket", OddSocket(answer))
    return client


def said(kind: int, number: int, flags: int = 0, body: bytes = b"") -> bytes:
    return HEADER.pack(HEADER.size + len(body), kind, flags, number, 0) + body


def test_a_dump_that_others_changed_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(number: int, asked: int) -> list[bytes | OSError]:
        flags = INTERRUPTED if asked < 3 else 0
        return [said(16, number, 0, b"%d" % asked), said(DONE, number, flags, bytes(4))]

    with odd(monkeypatch, answer) as client:
        assert client.dump(GET_LINK, ANY) == [(16, b"3")]


def test_a_dump_of_which_some_was_lost_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(number: int, asked: int) -> list[bytes | OSError]:
        lost: list[bytes | OSError] = [OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))] if asked == 1 else []
        return [*lost, said(16, number, 0, b"%d" % asked), said(DONE, number, 0, bytes(4))]

    with odd(monkeypatch, answer) as client:
        assert client.dump(GET_LINK, ANY) == [(16, b"2")]


def test_a_dump_that_never_comes_whole_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        odd(monkeypatch, lambda number, _: [said(DONE, number, INTERRUPTED, bytes(4))]) as client,
        pytest.raises(OSError, match="faster"),
    ):
        client.dump(GET_LINK, ANY)


def test_an_answer_to_an_earlier_request_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(number: int, _asked: int) -> list[bytes | OSError]:
        return [said(16, number - 1, 0, b"late") + said(16, number, 0, b"mine")]

    with odd(monkeypatch, answer) as client:
        assert client.get(GET_LINK, ANY) == b"mine"


def test_silence_ends_in_a_timeout() -> None:
    with NetlinkClient(seconds=0.05) as kernel, pytest.raises(TimeoutError):
        next(kernel._answers())  # nothing was asked, so nobody answers
