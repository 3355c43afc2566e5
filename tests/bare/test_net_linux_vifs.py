"""What the switch contract says of VIFs, on Linux bridges with Debian's kernel."""

from collections.abc import AsyncIterator

import pytest

from contract.switch import LOCKING, VIFS, Promise, keep, name_of
from contract.switch_linux import LinuxGround, standing

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
async def ground() -> AsyncIterator[LinuxGround]:
    async with standing() as ground:
        yield ground


@pytest.mark.parametrize("promise", [*VIFS, *LOCKING], ids=name_of)
async def test_promise(promise: Promise, ground: LinuxGround) -> None:
    await keep(promise, ground)
