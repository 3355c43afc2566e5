"""One terminal, several people in front of it."""

import asyncio
import os
import tty
from collections.abc import AsyncIterator

import pytest

from xenhost.agent.console.relay import BACKLOG_BYTES, INPUT_BYTES, LOST, MAX_VIEWERS, Consoles, Relay, Viewer
from xenhost.core.errors import HypervisorUnavailable, TooBusy


class Guest:
    """The other end of a console."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self._slave = slave
        os.set_blocking(self.master, False)

    def say(self, data: bytes) -> None:
        os.write(self.master, data)

    async def heard(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                data += os.read(self.master, size - len(data))
            except BlockingIOError:
                await asyncio.sleep(0.01)
        return data

    def hang_up(self) -> None:
        if self.master >= 0:
            os.close(self._slave)
            os.close(self.master)
            self.master = -1


@pytest.fixture
async def guest() -> AsyncIterator[Guest]:
    guest = Guest()
    yield guest
    guest.hang_up()


@pytest.fixture
async def relay(guest: Guest) -> AsyncIterator[Relay]:
    consoles = Consoles()
    yield consoles.relay(guest.path)
    consoles.close()


async def take(viewer: Viewer, size: int) -> bytes:
    data = b""
    async for chunk in viewer.output():
        data += chunk
        if len(data) >= size:
            break
    return data


async def test_everyone_attached_sees_the_same_bytes(guest: Guest, relay: Relay) -> None:
    viewers = [relay.attach() for _ in range(3)]
    guest.say(b"login: \x00\xff\r\n")
    assert [await take(viewer, 11) for viewer in viewers] == [b"login: \x00\xff\r\n"] * 3


async def test_what_is_typed_reaches_the_guest_unchanged(guest: Guest, relay: Relay) -> None:
    relay.attach()
    await relay.write(b"root\x03\x04\r")
    assert await guest.heard(7) == b"root\x03\x04\r"


async def test_a_viewer_that_is_behind_loses_the_oldest_and_is_told(guest: Guest, relay: Relay) -> None:
    slow, quick = relay.attach(), relay.attach()
    sent = 0
    while sent < 2 * BACKLOG_BYTES:
        guest.say(bytes([65 + sent // BACKLOG_BYTES]) * 4096)
        sent += 4096
        await take(quick, 4096)
    output = await take(slow, BACKLOG_BYTES)
    assert output.startswith(LOST)
    assert output.endswith(b"B" * 4096)
    assert len(output) <= BACKLOG_BYTES + len(LOST)


async def test_viewers_end_when_the_guest_hangs_up_and_get_its_last_words(guest: Guest, relay: Relay) -> None:
    viewer = relay.attach()
    guest.say(b"bye")
    assert await take(viewer, 3) == b"bye"
    guest.hang_up()
    assert await take(viewer, 1) == b""
    assert relay.closed


async def test_the_last_one_to_leave_closes_the_terminal(guest: Guest) -> None:
    consoles = Consoles()
    relay = consoles.relay(guest.path)
    first, second = relay.attach(), relay.attach()
    assert consoles.relay(guest.path) is relay
    relay.detach(first)
    assert not relay.closed
    relay.detach(second)
    assert relay.closed
    again = consoles.relay(guest.path)
    assert again is not relay
    again.close()


async def test_typing_waits_while_the_guest_does_not_read_and_is_bounded(guest: Guest, relay: Relay) -> None:
    relay.attach()
    size = 4 * INPUT_BYTES
    typing = asyncio.create_task(relay.write(b"x" * size))
    await asyncio.sleep(0.05)
    assert not typing.done()
    assert await guest.heard(size) == b"x" * size
    await asyncio.wait_for(typing, 5)


async def test_typing_into_a_terminal_that_went_away_ends(guest: Guest, relay: Relay) -> None:
    relay.attach()
    typing = asyncio.create_task(relay.write(b"x" * 4 * INPUT_BYTES))
    await asyncio.sleep(0.05)
    relay.close()
    await asyncio.wait_for(typing, 5)


async def test_viewers_are_counted(relay: Relay) -> None:
    for _ in range(MAX_VIEWERS):
        relay.attach()
    with pytest.raises(TooBusy):
        relay.attach()


@pytest.mark.parametrize("path", ["/etc/passwd", "/dev/pts/../null", "/dev/pts/99999", "", "/dev/pts/1\n"])
async def test_only_a_pseudo_terminal_is_opened(path: str) -> None:
    with pytest.raises(HypervisorUnavailable):
        Consoles().relay(path)
