"""The network engine on the kernel of this network namespace, and a client of it that changes things until killed."""

import asyncio
import random
import sys
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Final

from xenhost.agent.engine.operations import OperationTable
from xenhost.agent.events.hub import EventHub
from xenhost.agent.network.config import NetworkConfig
from xenhost.agent.network.current import CurrentSwitch
from xenhost.agent.network.engine import NetworkEngine
from xenhost.core.errors import XenhostError
from xenhost.core.network import Ipv4Mode, SwitchKind
from xenhost.core.network_records import Ipv4Config
from xenhost.core.network_requests import (
    CreateNetwork,
    DestroyNetwork,
    NetworkRequest,
    PlugPif,
    ReconfigureIp,
    ReconfigureManagement,
    UnplugPif,
    UpdateNetwork,
)
from xenhost.core.ports.network import Switch
from xenhost.core.views import Operation, OperationState
from xenhost.drivers.network.dom0 import make_switch
from xenhost.drivers.network.ip.addresses import HostAddresses
from xenhost.drivers.network.nics.nics import HostNics
from xenhost.drivers.network.nics.places import Places
from xenhost.system.clock import SystemClock

ALIVE: Final = "alive"
DHCP: Final = Ipv4Config(Ipv4Mode.DHCP)


def static(address: str) -> Ipv4Config:
    """One address."""
    return Ipv4Config(Ipv4Mode.STATIC, IPv4Interface(address))


class EngineHost:
    """One life of the engine of a host with its places below a folder."""

    def __init__(
        self, folder: Path, dhcp_patience: float = 30.0, make: Callable[[SwitchKind], Switch] = make_switch
    ) -> None:
        self.folder: Final = folder
        clock = SystemClock()
        self.table: Final = OperationTable(EventHub("instance"), clock, 1000, 1e9)
        places = Places(folder / "state", folder / "sys", folder / "modprobe.d", folder / "pci.ids")
        self.switch: Final = CurrentSwitch(make, SwitchKind.BRIDGE)
        self.addresses: Final = HostAddresses(folder / "run", folder / "log", clock, folder / "resolv.conf")
        self.engine: Final = NetworkEngine(
            self.switch,
            self.addresses,
            HostNics(places, settle=0.02),
            folder / "state",
            clock,
            self.table,
            EventHub("instance"),
            config=NetworkConfig(retry_delays=(0.2, 1.0), dhcp_patience=dhcp_patience),
        )

    async def do(self, request: NetworkRequest) -> Operation:
        """To its end."""
        operation = await self.engine.submit(request)
        tracked = self.table.get(operation.id)
        await asyncio.wait_for(tracked.done.wait(), 120)
        return tracked.view()

    async def succeed(self, request: NetworkRequest) -> None:
        """To its good end."""
        operation = await self.do(request)
        assert operation.state is OperationState.SUCCEEDED, operation


async def busy(host: EngineHost, luck: random.Random) -> None:
    """One change after the other; eth0 is managed all the time."""
    while True:
        networks = [view.network.id for view in host.engine.networks() if view.network.name == "spare"]
        other = host.engine.find_pif("eth1")
        requests: list[NetworkRequest] = [
            PlugPif(other),
            UnplugPif(other),
            ReconfigureIp(other, static(f"198.51.100.{luck.randint(1, 99)}/24")),
            ReconfigureIp(other, Ipv4Config()),
            ReconfigureManagement(
                host.engine.find_pif("eth0"), ipv4=static(f"192.0.2.{luck.randint(10, 11)}/24"), confirm_seconds=0
            ),
            UpdateNetwork(host.engine.pif(other).pif.network, mtu=luck.choice((1400, 1500))),
            DestroyNetwork(luck.choice(networks)) if networks else CreateNetwork(name="spare"),
        ]
        with suppress(XenhostError):
            await host.do(luck.choice(requests))


async def main(folder: Path, seed: int) -> None:
    """Until killed."""
    host = EngineHost(folder)
    await host.engine.start()
    print(ALIVE, flush=True)
    await busy(host, random.Random(seed))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
