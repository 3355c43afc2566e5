"""What this machine's kernel can of the switch contract, on Linux bridges in a network namespace."""

import os
from collections.abc import AsyncIterator

import pytest

from contract.switch import BRIDGES, LOCKING, TUNNELS, VIFS, Promise, keep, name_of
from contract.switch_linux import LinuxGround, standing

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.timeout(180),
]
NEEDS_MODULES = {"gre_carries_frames", "gre_keeps_remotes_apart"}
"""Kept in tests/bare: the kernels that tests run on need not have gretap."""


@pytest.fixture
async def ground() -> AsyncIterator[LinuxGround]:
    async with standing() as ground:
        yield ground


@pytest.mark.parametrize(
    "promise",
    [each for each in (*BRIDGES, *VIFS, *LOCKING, *TUNNELS) if name_of(each) not in NEEDS_MODULES],
    ids=name_of,
)
async def test_promise(promise: Promise, ground: LinuxGround) -> None:
    await keep(promise, ground)
