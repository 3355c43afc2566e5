"""Virtual functions for VIFs (SR-IOV): chosen, set, and set back.

Nothing of it is stored. Which functions VIFs have is in the hypervisor's records, which are written before a function
is taken from dom0 and removed after it is back; here is only what is on its way there.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import structlog

from xenhost.agent.network.applying import Applier
from xenhost.agent.network.calls import Calls
from xenhost.agent.network.changes.sriovs import functions_of
from xenhost.agent.network.config import NetworkConfig
from xenhost.agent.network.known import Known
from xenhost.agent.network.virtual import devices
from xenhost.core.clock import Clock
from xenhost.core.devices import Vif, VifLocking
from xenhost.core.errors import DeviceAttachFailed, XenhostError
from xenhost.core.network import VfSettings, VirtualFunction
from xenhost.core.network_errors import NetworkSriovInsufficientCapacity, SriovFailed
from xenhost.core.network_records import Network
from xenhost.core.ports.network import FunctionsTaken, Nics

NO_MAC: Final = "00:00:00:00:00:00"
"""Its driver chooses."""


class Functions:
    """Implements what core.ports.network.Networks says of virtual functions."""

    def __init__(
        self, known: Known, nics: Nics, applier: Applier, calls: Calls, clock: Clock, config: NetworkConfig
    ) -> None:
        self._known: Final = known
        self._nics: Final = nics
        self._applier: Final = applier
        self._calls: Final = calls
        self._clock: Final = clock
        self._config: Final = config
        self._choosing: Final = asyncio.Lock()
        self._promised: Final[set[str]] = set()
        self._log: Final = structlog.get_logger("xenhost.network")

    def has_functions(self, bridge: str) -> bool:
        """See Networks."""
        network = self._known.network_on(bridge)
        return network is not None and functions_of(self._known.effective, network.id) is not None

    @asynccontextmanager
    async def function(self, vif: Vif, taken: FunctionsTaken) -> AsyncIterator[Vif]:
        """See Networks."""
        network, device, vlan = self._place(vif)
        await self._bring_up(network.bridge, device)
        found = await self._choose(network, device, taken)
        try:
            await self._set_up(device, found, VfSettings(vif.mac, vlan, rate_mbits(vif.rate_kbps)))
            yield replace(vif, network=network.id, function=found.pci)
        finally:
            self._promised.discard(found.pci)

    async def give_back(self, function: str, taken: FunctionsTaken) -> None:
        """See Networks. Nobody can choose it meanwhile."""
        async with self._choosing:
            try:
                if function in self._promised or function in await taken():
                    return
                for device in devices(self._known.effective):
                    for each in await self._nics.virtual_functions(device):
                        if each.pci == function:
                            for settings in (VfSettings(), VfSettings(NO_MAC)):  # not every card takes the second
                                await self._configure(device, each.number, settings)
            except XenhostError as error:
                self._log.warning("a virtual function keeps its settings", function=function, error=str(error))

    def _place(self, vif: Vif) -> tuple[Network, str, int]:
        """Its network, the card and the VLAN. Raises DeviceAttachFailed."""
        intent, network = self._known.effective, self._known.network_on(vif.bridge)
        found = None if network is None else functions_of(intent, network.id)
        physical = None if found is None else intent.pifs.get(found[0].physical)
        if network is None or found is None or physical is None or self._nics.get(physical.device) is None:
            raise _failed(vif, "the card of its network is not there")
        locking = network.default_locking if vif.locking is VifLocking.NETWORK_DEFAULT else vif.locking
        if locking.value != VifLocking.UNLOCKED.value:
            raise _failed(vif, f"it is {locking.value}, which a virtual function (SR-IOV) cannot be; unlock it")
        return network, physical.device, found[1]

    async def _bring_up(self, bridge: str, device: str) -> None:
        def is_up() -> bool:
            nic = self._nics.get(device)
            return nic is not None and nic.up and nic.sriov_enabled > 0

        self._known.needed[bridge] = self._clock.monotonic()
        if not is_up():
            await self._applier.apply(unless=is_up)

    async def _choose(self, network: Network, device: str, taken: FunctionsTaken) -> VirtualFunction:
        """What is promised is looked at first: what ceases to be while we ask is in the records by then."""
        async with self._choosing:
            busy = {*self._promised}
            busy.update(await taken())
            for each in await self._nics.virtual_functions(device):
                if each.pci not in busy and not each.held:
                    self._promised.add(each.pci)
                    return each
        message = f"no virtual function of {device} is free for a VIF on network {network.name or network.bridge}"
        raise NetworkSriovInsufficientCapacity(message, network=network.id)

    async def _set_up(self, device: str, function: VirtualFunction, settings: VfSettings) -> None:
        await self._configure(device, function.number, replace(settings, rate_mbits=0))
        if settings.rate_mbits:
            try:
                await self._configure(device, function.number, settings)
            except SriovFailed as error:  # as XenServer: a card that knows no limits is of use nevertheless
                self._log.warning("a VIF has no limit", function=function.pci, error=str(error))

    async def _configure(self, device: str, number: int, settings: VfSettings) -> None:
        work = self._nics.configure_vf(device, number, settings)
        await self._calls.verb("setting a virtual function", work, self._config.verb_deadline)


def rate_mbits(kbps: int) -> int:
    """What a card is told for so many KiB a second, 0: no limit."""
    return max(1, kbps * 1024 * 8 // 1_000_000) if kbps else 0


def _failed(vif: Vif, message: str) -> DeviceAttachFailed:
    return DeviceAttachFailed(f"VIF {vif.devid} cannot be attached: {message}", device=str(vif.devid), msg=message)
