"""Each test in a network of its own, with a machine at the other end of the wire."""

from collections.abc import Iterator

import pytest

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
