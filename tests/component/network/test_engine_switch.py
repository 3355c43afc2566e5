"""The network engine changes its switch, in a network namespace: Linux bridges, and Open vSwitch in user space."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from component.network import switch_change
from kit.netns import Peer, run
from kit.nic_tree import NicTree
from kit.openvswitch import OvsDaemons

PEER = "192.0.2.1"
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: needs root"),
    pytest.mark.timeout(240),
]


@pytest.fixture
def folder(peer: Peer, tmp_path: Path) -> Path:
    """A host with two cards, eth0 and eth1, each wired to the peer."""
    tree = NicTree(tmp_path / "sys")
    for number in range(2):
        peer.wire(f"eth{number}", f"far{number}", here_mac=f"52:54:00:00:00:0{number}", up=False)
        with peer.inside():
            run("ip", "link", "set", f"far{number}", "up")
        tree.pci(f"eth{number}", f"0000:0{number + 1}:00.0")
    peer.address("far0", f"{PEER}/24")
    return tmp_path


@pytest.fixture
def daemons(peer: Peer) -> Iterator[OvsDaemons]:
    with tempfile.TemporaryDirectory(prefix="ovs") as place:
        made = OvsDaemons(Path(place))
        made.start()
        yield made
        made.stop()


async def test_the_switch_changes_there_and_back(folder: Path, daemons: OvsDaemons) -> None:
    await switch_change.there_and_back(folder, daemons, PEER)


async def test_the_switch_stays_while_other_pifs_are_plugged(folder: Path, daemons: OvsDaemons) -> None:
    await switch_change.not_while_others_are_plugged(folder, daemons, PEER)


async def test_a_switch_that_is_not_there_is_not_taken(folder: Path, daemons: OvsDaemons) -> None:
    await switch_change.a_switch_that_is_not_there_is_not_taken(folder, daemons, PEER)
