"""The switch contract on Linux bridges, with Debian's kernel: VLANs, bonds and GRE, too.

What it promises of VIFs is in test_net_linux_vifs.py.
"""

from collections.abc import AsyncIterator

import pytest

from contract.switch import BONDS, BRIDGES, TUNNELS, VLANS, Promise, keep, name_of
from contract.switch_linux import LinuxGround, standing

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
async def ground() -> AsyncIterator[LinuxGround]:
    async with standing() as ground:
        yield ground


@pytest.mark.parametrize("promise", [*BRIDGES, *VLANS, *BONDS, *TUNNELS], ids=name_of)
async def test_promise(promise: Promise, ground: LinuxGround) -> None:
    await keep(promise, ground)
