"""The stock xenstore daemons as fixtures, with a stub in Xen's place."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from native_stub.daemon import KINDS, Daemon, find_program, running


def _need(kind: str) -> str:
    if find_program(kind) is None:
        pytest.skip(f"{kind} is not installed (Debian: xen-utils-4.17, xenstore-utils)")
    return kind


@pytest.fixture(scope="module", params=KINDS)
def shared_daemon(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon of each kind for the tests of a module, which must keep apart by path."""
    kind = _need(cast("str", request.param))
    with running(kind, tmp_path_factory.mktemp(kind)) as daemon:
        yield daemon


@pytest.fixture(params=KINDS)
def own_daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon for one test, which may kill it."""
    with running(_need(cast("str", request.param)), tmp_path) as daemon:
        yield daemon
