"""Each test in a network of its own, with a machine at the other end of the wire."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from component.network.host_under_test import Host
from kit import netns


@pytest.fixture
def network() -> Iterator[None]:
    """The test runs in an empty network."""
    with netns.fresh():
        yield


@pytest.fixture
def peer(network: None) -> Iterator[netns.Peer]:
    """A second machine, not wired yet."""
    with netns.peer() as peer:
        yield peer


@pytest.fixture
def host(network: None, tmp_path: Path) -> Iterator[Host]:
    """dom0, for tests of its addresses. The agent's unit has this umask."""
    before = os.umask(0o077)
    yield Host(tmp_path)
    os.umask(before)
