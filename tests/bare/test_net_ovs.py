"""The promises of the switch port on Open vSwitch with the switch of Debian's kernel."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from contract.switch import PROMISES, Promise, keep, name_of
from contract.switch_ovs import OvsGround, kernel_modules, standing
from kit.openvswitch import KernelOvsDaemons


@pytest.fixture(scope="module", autouse=True)
def modules() -> Iterator[None]:
    with kernel_modules():
        yield


@pytest.fixture
async def ground() -> AsyncIterator[OvsGround]:
    with tempfile.TemporaryDirectory(prefix="ovs") as folder:
        async with standing(KernelOvsDaemons(Path(folder)), {}) as ground:
            yield ground


@pytest.mark.parametrize("promise", PROMISES, ids=name_of)
async def test_promise(promise: Promise, ground: OvsGround) -> None:
    await keep(promise, ground)
