"""What this machine's kernel can of the switch contract, on Linux bridges in a network namespace."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from contract import switch_promises_locking as locking
from contract.switch import BRIDGES, LOCKING, TUNNELS, VIFS, Promise, keep, name_of
from contract.switch_ground import DEADLINE
from contract.switch_linux import LinuxGround, standing
from xenhost.drivers.network.linux.nft import LibNft

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


async def test_lock_is_back_when_somebody_has_flushed_all_rules(ground: LinuxGround) -> None:
    """As a restart of nftables.service does."""
    on = await locking.stage(ground)
    bad = locking.ip4(locking.OTHER)
    assert await locking.passed(on, [bad]) == []
    nft = LibNft()
    nft.open()
    nft.run([{"flush": {"ruleset": None}}])
    nft.close()
    async with asyncio.timeout(DEADLINE):
        while await locking.passed(on, [bad]):
            await asyncio.sleep(0.05)
    assert await locking.passed(on, [locking.ip4(locking.SECOND)]) == [locking.ip4(locking.SECOND)]
    assert sorted(await ground.switch.vif_ports()) == sorted((on.guest.interface, on.sink.interface))
