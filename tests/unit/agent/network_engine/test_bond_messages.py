"""A bond that loses a link, or regains it, is a message."""

import asyncio
from pathlib import Path
from typing import Any

import structlog

from kit.network import NetworkAgent, NetworkHost
from xenhost.agent.messages.bonds import BondWatcher
from xenhost.agent.messages.log import MessageLog
from xenhost.agent.messages.store import MessageStore
from xenhost.core.errors import InternalError
from xenhost.core.network_records import NetworkId
from xenhost.core.network_requests import CreateBond, CreateNetwork, PlugPif

HOST_ID = "11111111-0000-0000-0000-000000000001"


async def test_links_that_go_and_come_are_told_once_each(
    agent: NetworkAgent, host: NetworkHost, tmp_path: Path
) -> None:
    store = MessageStore(tmp_path / "messages.db", synchronous=False)
    await store.open()
    messages = MessageLog(store, agent.hub, host.clock, structlog.get_logger("test"))
    watching = asyncio.ensure_future(BondWatcher(agent.engine, agent.hub, messages, HOST_ID).run())

    async def said(count: int) -> str:
        async with asyncio.timeout(10):
            while len(messages.all()) < count:
                await asyncio.sleep(0.005)
        assert len(messages.all()) == count
        return messages.all()[-1].body

    network = NetworkId("5a000000-0000-4000-8000-000000000001")
    await agent.succeed(CreateNetwork(network, name="bond"))
    await agent.succeed(CreateBond(network, (agent.engine.find_pif("eth0"), agent.engine.find_pif("eth1"))))
    await agent.succeed(PlugPif(agent.engine.find_pif("bond0")))
    await host.clock.sleep(1)
    assert not messages.all(), "a bond whose links are all up is nothing to talk about"
    host.world.set_carrier("eth1", False)
    assert await said(1) == "The status of the eth0+eth1 bond changed: 1/2 up (was 2/2)"
    host.world.set_carrier("eth0", False)
    assert await said(2) == "The status of the eth0+eth1 bond changed: 0/2 up (was 1/2)"
    host.world.set_carrier("eth0", True)
    host.world.set_carrier("eth1", True)
    await host.clock.sleep(1)
    async with asyncio.timeout(10):
        while "2/2 up" not in messages.all()[-1].body:
            await asyncio.sleep(0.005)
    message = messages.all()[0]
    assert (message.name, message.priority, message.class_name) == ("BOND_STATUS_CHANGED", 3, "Host")
    assert message.object_id == HOST_ID
    watching.cancel()
    await asyncio.wait({watching})
    await store.close()


async def test_a_message_that_cannot_be_kept_ends_nothing_and_is_told_later(
    agent: NetworkAgent, host: NetworkHost, tmp_path: Path
) -> None:
    class FullDisk(MessageStore):
        failing = True
        failed = 0

        async def write(self, *changes: Any) -> None:
            if self.failing:
                self.failed += 1
                raise InternalError("no space left on device", message="no space left on device")
            await super().write(*changes)

    store = FullDisk(tmp_path / "messages.db", synchronous=False)
    await store.open()
    messages = MessageLog(store, agent.hub, host.clock, structlog.get_logger("test"))
    watching = asyncio.ensure_future(BondWatcher(agent.engine, agent.hub, messages, HOST_ID).run())
    network = NetworkId("5a000000-0000-4000-8000-000000000001")
    await agent.succeed(CreateNetwork(network, name="bond"))
    await agent.succeed(CreateBond(network, (agent.engine.find_pif("eth0"), agent.engine.find_pif("eth1"))))
    await agent.succeed(PlugPif(agent.engine.find_pif("bond0")))
    await host.clock.sleep(1)
    host.world.set_carrier("eth1", False)
    async with asyncio.timeout(10):
        while not store.failed:
            await asyncio.sleep(0.005)
    store.failing = False
    host.world.set_carrier("eth0", False)
    async with asyncio.timeout(10):
        while not messages.all():
            await asyncio.sleep(0.005)
    assert messages.all()[0].body == "The status of the eth0+eth1 bond changed: 0/2 up (was 2/2)"
    watching.cancel()
    await asyncio.wait({watching})
    await store.close()
