"""From Linux bridges to Open vSwitch and back, with management going along: what must hold, on whatever kernel."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from component.network.engine_host import EngineHost, static
from component.network.host_under_test import addresses_of, eventually
from kit.netns import pings, run
from kit.openvswitch import OvsDaemons
from xenhost.core.network import SslFiles, SwitchKind
from xenhost.core.network_errors import NetworkContainsPif
from xenhost.core.network_requests import PlugPif, ReconfigureManagement, SetSwitch, UnplugPif
from xenhost.core.ports.network import Switch
from xenhost.core.views import OperationState
from xenhost.drivers.network.dom0 import make_switch
from xenhost.drivers.network.ovs.switch import OvsSwitch

PATIENCE = 60.0


def making(daemons: OvsDaemons, keys: SslFiles | None = None) -> Callable[[SwitchKind], Switch]:
    """Switches of this host; `keys` are for SDN controllers."""

    def make(kind: SwitchKind) -> Switch:
        if kind is SwitchKind.OPENVSWITCH:
            return OvsSwitch(daemons.rundir, daemons.datapath_type, patience=5.0, ssl=keys)
        return make_switch(kind)

    return make


@asynccontextmanager
async def living(folder: Path, daemons: OvsDaemons, keys: SslFiles | None = None) -> AsyncIterator[EngineHost]:
    """One life of the engine."""
    host = EngineHost(folder, make=making(daemons, keys))
    await host.engine.start()
    try:
        yield host
    finally:
        await host.engine.close()


async def reached(peer: str) -> bool:
    """Packets go there and come back."""
    return await asyncio.to_thread(pings, peer, wait=PATIENCE)


def is_linux_bridge(name: str) -> bool:
    """Does the kernel say so?"""
    return f": {name}:" in run("ip", "-o", "link", "show", "type", "bridge")


async def there_and_back(folder: Path, daemons: OvsDaemons, peer: str, pif: str = "eth0") -> None:
    """Management on a PIF is reached before, between and after, also by the next agent."""
    async with living(folder, daemons) as host:
        chosen = host.engine.find_pif(pif)
        address = f"{peer.rpartition('.')[0]}.10/24"
        await host.succeed(ReconfigureManagement(chosen, ipv4=static(address), confirm_seconds=0))
        bridge = host.engine.pif(chosen).bridge
        assert await reached(peer)
        assert is_linux_bridge(bridge)
        await host.succeed(SetSwitch(SwitchKind.OPENVSWITCH))
        assert await reached(peer)
        assert addresses_of(bridge) == {address}
        assert bridge in daemons.vsctl("list-br").split()
        assert not is_linux_bridge(bridge)
        assert not host.engine.pif(chosen).problem
    async with living(folder, daemons) as host:
        assert host.engine.host_network().switch == "openvswitch"
        assert await reached(peer)
        await host.succeed(SetSwitch(SwitchKind.BRIDGE))
        assert await reached(peer)
        assert (daemons.vsctl("list-br"), is_linux_bridge(bridge)) == ("", True)
        assert addresses_of(bridge) == {address}
    async with living(folder, daemons) as host:
        assert host.engine.host_network().switch == "bridge"
        assert await reached(peer)


async def not_while_others_are_plugged(folder: Path, daemons: OvsDaemons, peer: str) -> None:
    """Another PIF keeps the switch; nothing has changed then."""
    async with living(folder, daemons) as host:
        eth0, eth1 = host.engine.find_pif("eth0"), host.engine.find_pif("eth1")
        await host.succeed(ReconfigureManagement(eth0, ipv4=static("192.0.2.10/24"), confirm_seconds=0))
        await host.succeed(PlugPif(eth1))
        with pytest.raises(NetworkContainsPif, match="eth1"):
            await host.engine.submit(SetSwitch(SwitchKind.OPENVSWITCH))
        assert await reached(peer)
        await host.succeed(UnplugPif(eth1))
        await host.succeed(SetSwitch(SwitchKind.OPENVSWITCH))
        assert await reached(peer)


async def a_switch_that_is_not_there_is_not_taken(folder: Path, daemons: OvsDaemons, peer: str) -> None:
    """All is as before."""
    daemons.stop()
    (daemons.rundir / "db.sock").unlink(missing_ok=True)
    async with living(folder, daemons) as host:
        eth0 = host.engine.find_pif("eth0")
        await host.succeed(ReconfigureManagement(eth0, ipv4=static("192.0.2.10/24"), confirm_seconds=0))
        bridge = host.engine.pif(eth0).bridge
        operation = await host.do(SetSwitch(SwitchKind.OPENVSWITCH))
        assert operation.state is OperationState.FAILED
        assert "ovsdb-server" in str(operation.error)
        await eventually(lambda: addresses_of(bridge) == {"192.0.2.10/24"})
        assert await reached(peer)
        assert host.engine.host_network().switch == "bridge"
        assert is_linux_bridge(bridge)
