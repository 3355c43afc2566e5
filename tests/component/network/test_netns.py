"""The ground that network tests stand on."""

import asyncio
import os
from pathlib import Path

from kit import netns


async def test_a_wire_carries_packets_and_threads_see_the_tests_network(peer: netns.Peer) -> None:
    peer.wire("eth0", "eth0")
    netns.run("ip", "addr", "add", "192.0.2.1/24", "dev", "eth0")
    peer.address("eth0", "192.0.2.2/24")
    assert await asyncio.to_thread(netns.pings, "192.0.2.2")
    assert not await asyncio.to_thread(netns.pings, "192.0.2.3", wait=0.5)
    netns.run("ip", "addr", "add", "2001:db8::1/64", "dev", "eth0", "nodad")
    peer.address("eth0", "2001:db8::2/64")
    assert await asyncio.to_thread(netns.pings, "2001:db8::2")
    assert {each.name for each in Path("/sys/class/net").iterdir() if (each / "ifindex").exists()} == {"lo", "eth0"}
    assert await asyncio.to_thread(os.path.exists, "/proc/sys/net/ipv4/conf/eth0")


def test_afterwards_all_is_as_before() -> None:
    def place() -> tuple[str, ...]:
        links = (f"/proc/thread-self/ns/{kind}" for kind in ("net", "mnt"))
        return (*map(os.readlink, links), os.getcwd(), *sorted(os.listdir("/sys/class/net")))

    before = place()
    with netns.fresh():
        assert place() != before
        asyncio.run(asyncio.to_thread(os.getcwd))  # a thread that shares our mounts
    assert place() == before
