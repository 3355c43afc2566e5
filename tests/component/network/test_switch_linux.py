"""What this machine's kernel can of the switch contract, on Linux bridges in a network namespace."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from contract import switch_frames as frames
from contract import switch_promises_locking as locking
from contract.switch import BRIDGES, CONTROLLERS, LOCKING, PROXIES, TUNNELS, VIFS, Promise, keep, name_of
from contract.switch_ground import DEADLINE
from contract.switch_linux import LinuxGround, standing
from contract.switch_promises_bridges import MAC_A
from xenhost.drivers.network.linux.nft import LibNft

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.timeout(180),
]
HERE = (*BRIDGES, *VIFS, *LOCKING, *TUNNELS, *CONTROLLERS, *PROXIES)
NEEDS_MODULES = {name_of(each) for each in TUNNELS if name_of(each).startswith("gre_")}
"""Kept in tests/bare: the kernels that tests run on need not have gretap."""


@pytest.fixture
async def ground() -> AsyncIterator[LinuxGround]:
    async with standing() as ground:
        yield ground


@pytest.mark.parametrize(
    "promise",
    [
        each
        for each in (*BRIDGES, *VIFS, *LOCKING, *TUNNELS, *CONTROLLERS, *PROXIES)
        if name_of(each) not in NEEDS_MODULES
    ],
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


async def test_guest_reaches_dom0_by_no_link_local_group(ground: LinuxGround) -> None:
    """The kernel hands such frames to dom0 past the bridge, with whatever is in them."""
    on = await locking.stage(ground)
    await ground.give_address("xapi0", locking.HOST)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as dom0:
        dom0.bind((str(locking.HOST.ip), 5000))
        forged = frames.ipv4(
            MAC_A,
            "01:80:c2:00:00:0e",
            locking.OTHER,
            str(locking.HOST.ip),
            17,
            frames.udp(1000, 5000, b"forged"),
        )
        host_mac = await ground.mac("xapi0")
        honest = frames.ipv4(MAC_A, host_mac, locking.OURS, str(locking.HOST.ip), 17, frames.udp(1000, 5000, b"honest"))
        got: list[bytes] = []
        async with asyncio.timeout(DEADLINE):
            while b"honest" not in got:
                on.guest.wire.send(forged)
                on.guest.wire.send(honest)
                await asyncio.sleep(0.1)
                with suppress(BlockingIOError):
                    while True:
                        got.append(dom0.recv(100))
    assert b"forged" not in got
