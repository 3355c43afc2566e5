"""The promises of the switch port on Open vSwitch with its switch in user space, which needs no kernel module."""

import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from contract.switch import PROMISES, Promise, keep, name_of
from contract.switch_ovs import OvsGround, standing
from kit.openvswitch import OvsDaemons

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: needs root"),
    pytest.mark.timeout(120),
]
HERE_NOT: Final = {
    "lacp_finds_its_partner": "this kernel has no bonding to be the partner",
    "mode_changes_under_guests": "this kernel has no bonding to be the partner",
}


@pytest.fixture
async def ground() -> AsyncIterator[OvsGround]:
    with tempfile.TemporaryDirectory(prefix="ovs") as folder:  # short: a socket's path has 107 characters
        async with standing(OvsDaemons(Path(folder)), HERE_NOT) as ground:
            yield ground


@pytest.mark.parametrize("promise", PROMISES, ids=name_of)
async def test_promise(promise: Promise, ground: OvsGround) -> None:
    await keep(promise, ground)
