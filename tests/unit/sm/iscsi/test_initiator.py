"""Sessions to a target by several portals, against a stand-in for iscsiadm; tests/bare has real targets."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import dedent

import pytest

from contract.storage_host import StorageHost
from xenhost.core.storage_errors import SrBackendFailure
from xenhost.sm.context import SmContext
from xenhost.sm.iscsi import initiator
from xenhost.sm.iscsi.config import IscsiConfig, parse
from xenhost.sm.iscsi.initiator import Initiator

IQN = "iqn.2001-04.com.example:storage.disk1"
SERVERS = ("127.0.0.1", "127.0.0.2")

ISCSIADM = """\
    import pathlib, sys
    here = pathlib.Path(__file__).parent
    words = sys.argv[1:]
    with (here / "log").open("a") as log:
        print(*words, file=log)
    if "sendtargets" in words:
        print((here / "targets").read_text(), end="")
    elif words[-1] == "--login":
        iqn, (host, port) = words[3], words[5].split(":")
        folders = here / "sys/class/iscsi_session", here / "sys/class/iscsi_connection"
        number = len(list(folders[0].glob("*"))) + 1
        session, connection = folders[0] / f"session{number}", folders[1] / f"connection{number}:0"
        for folder in (session, connection):
            folder.mkdir(parents=True)
        (session / "targetname").write_text(iqn)
        (session / "state").write_text("LOGGED_IN")
        (connection / "persistent_address").write_text(host)
        (connection / "persistent_port").write_text(port)
"""


class Portals:
    """An iSCSI server by its looks: what iscsiadm would say of it, and ports that answer."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        folder.mkdir()
        program = folder / "iscsiadm"
        program.write_text(f"#!{sys.executable}\n{dedent(ISCSIADM)}")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        monkeypatch.setattr(initiator, "_AGAIN", 0.0)
        self._sockets = [socket.socket() for _ in SERVERS]
        self.port = 0
        for server, each in zip(SERVERS, self._sockets, strict=True):
            each.bind((server, self.port))
            self.port = each.getsockname()[1]
        self.name({IQN: SERVERS})
        self.sys = folder / "sys"

    def name(self, targets: Mapping[str, Sequence[str]]) -> None:
        """Answer a discovery so."""
        rows = [f"{server}:{self.port},1 {iqn}\n" for iqn, servers in targets.items() for server in servers]
        (self._folder / "targets").write_text("".join(rows))

    def up(self, number: int) -> None:
        """That portal answers from now on."""
        self._sockets[number].listen()

    def asked(self, word: str) -> list[str]:
        """The commands with a word in them."""
        return [line for line in (self._folder / "log").read_text().splitlines() if word in line.split()]

    def close(self) -> None:
        """All of it is gone."""
        for each in self._sockets:
            each.close()


@pytest.fixture
async def sm(tmp_path: Path) -> AsyncIterator[SmContext]:
    host = StorageHost(tmp_path)
    yield await host.context()
    await host.close()


@pytest.fixture
def portals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Portals]:
    found = Portals(tmp_path / "iscsi", monkeypatch)
    found.up(0)
    yield found
    found.close()


def ways(portals: Portals, **more: str) -> IscsiConfig:
    config = {"target": ",".join(SERVERS), "port": str(portals.port), "targetIQN": IQN, "multipathing": "true"}
    return parse({**config, **more})


async def test_a_portal_that_comes_back_is_logged_in_to_at_the_next_look(sm: SmContext, portals: Portals) -> None:
    host, config = Initiator(sm, portals.sys), ways(portals)
    portals.name({IQN: SERVERS, f"{IQN}2": SERVERS})
    assert await host.use(config, "one") == (IQN,)
    assert await host.seen(config, "one") == 1
    portals.up(1)
    assert await host.seen(config, "one") == 2
    asked = len(portals.asked("sendtargets"))
    assert await host.seen(config, "one") == 2
    assert len(portals.asked("sendtargets")) == asked, "when all ways are there nobody is asked"
    assert len(portals.asked("--login")) == 2


async def test_portals_are_tried_again_only_after_a_while(
    sm: SmContext, portals: Portals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(initiator, "_AGAIN", 1000.0)
    host, config = Initiator(sm, portals.sys), ways(portals)
    await host.use(config, "one")
    portals.up(1)
    assert await host.seen(config, "one") == 1


async def test_what_is_released_is_not_logged_in_to_again(sm: SmContext, portals: Portals) -> None:
    host, config = Initiator(sm, portals.sys), ways(portals)
    await host.use(config, "one")
    await host.release("one")
    portals.up(1)
    assert await host.seen(config, "one") == 0
    assert len(portals.asked("--login")) == 1


async def test_a_target_that_appears_is_used_by_who_uses_all_and_by_nobody_else(
    sm: SmContext, portals: Portals
) -> None:
    host, config, every = Initiator(sm, portals.sys), ways(portals), ways(portals, targetIQN="*")
    portals.name({IQN: SERVERS[:1]})
    assert await host.use(config, "one") == (IQN,)
    assert await host.use(every, "all") == (IQN,)
    portals.up(1)
    portals.name({IQN: SERVERS[:1], f"{IQN}2": SERVERS[1:]})
    assert await host.seen(config, "one") == 1
    assert await host.seen(every, "all") == 2
    assert set(await host.held("all")) == {IQN, f"{IQN}2"}
    await host.release("one")
    assert not portals.asked("--logout")
    await Initiator(sm, portals.sys).release("all")  # by the next agent: this one was killed
    assert {line.split()[3] for line in portals.asked("--logout")} == {IQN, f"{IQN}2"}


async def test_portals_at_other_addresses_are_left_out_if_a_target_is_not_multihomed(
    sm: SmContext, portals: Portals
) -> None:
    portals.up(1)
    host, config = Initiator(sm, portals.sys), ways(portals, target=SERVERS[0], multihomed="false")
    await host.use(config, "one")
    assert await host.seen(config, "one") == 1
    assert [line.split()[5] for line in portals.asked("--login")] == [f"{SERVERS[0]}:{portals.port}"]


async def test_a_multihomed_target_without_multipathing_is_used_by_one_portal_that_answers(
    sm: SmContext, portals: Portals
) -> None:
    host, config = Initiator(sm, portals.sys), ways(portals, target=SERVERS[0], multihomed="true", multipathing="")
    portals.name({IQN: (SERVERS[1], SERVERS[0])})
    await host.use(config, "one")
    portals.up(1)
    await host.use(config, "two")
    assert [line.split()[5] for line in portals.asked("--login")] == [f"{SERVERS[0]}:{portals.port}"]
    await host.release("one")
    assert not portals.asked("--logout")


async def test_portals_that_are_written_down_are_used_unasked_and_those_of_a_target_that_is_down_later(
    sm: SmContext, portals: Portals
) -> None:
    text = "|".join(f"{server},{portals.port},{iqn}" for server, iqn in zip(SERVERS, (IQN, f"{IQN}2"), strict=True))
    host, config = Initiator(sm, portals.sys), ways(portals, target=SERVERS[1], targetIQN="*", multiSession=text)
    assert await host.use(config, "one") == (IQN, f"{IQN}2")
    assert await host.seen(config, "one") == 1
    portals.up(1)
    assert await host.seen(config, "one") == 2
    assert not portals.asked("sendtargets")


async def test_without_any_portal_that_answers_nothing_is_used(sm: SmContext, portals: Portals) -> None:
    text = f"{SERVERS[1]},{portals.port},{IQN}"
    host, config = Initiator(sm, portals.sys), ways(portals, target=SERVERS[1], multiSession=text)
    with pytest.raises(SrBackendFailure, match="does not answer") as caught:
        await host.use(config, "one")
    assert (caught.value.number, await host.held("one")) == (68, ())


async def test_a_look_that_is_cancelled_ends_the_login_that_it_began(sm: SmContext, portals: Portals) -> None:
    host, config = Initiator(sm, portals.sys), ways(portals)
    await host.use(config, "one")
    portals.up(1)
    look = asyncio.ensure_future(host.seen(config, "one"))
    deadline = time.monotonic() + 10
    while not any(SERVERS[1] in line for line in portals.asked("update")):
        assert time.monotonic() < deadline, "no login"
        await asyncio.sleep(0.01)
    look.cancel()
    with pytest.raises(asyncio.CancelledError):
        await look
    assert len(portals.asked("--login")) == 2
    await asyncio.wait_for(host.release("one"), 10)
    assert portals.asked("--logout")
