"""The promises of the switch port on Open vSwitch with the switch of Debian's kernel."""

import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract.switch import PROMISES, Promise, keep, name_of
from contract.switch_ovs import OvsGround, standing
from kit.openvswitch import KernelOvsDaemons


@pytest.fixture(scope="module", autouse=True)
def modules() -> None:
    subprocess.run(["modprobe", "-a", "openvswitch", "bonding", "ip_gre", "vxlan", "sch_htb"], check=True, timeout=60)


@pytest.fixture
async def ground() -> AsyncIterator[OvsGround]:
    with tempfile.TemporaryDirectory(prefix="ovs") as folder:
        async with standing(KernelOvsDaemons(Path(folder)), {}) as ground:
            yield ground


@pytest.mark.parametrize("promise", PROMISES, ids=name_of)
async def test_promise(promise: Promise, ground: OvsGround) -> None:
    await keep(promise, ground)
