"""Open vSwitch as ground for the promises of the switch port."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from contract.switch_kernel import KernelGround
from kit.openvswitch import OvsDaemons
from xenhost.drivers.network.ovs.switch import OvsSwitch

DEVIATIONS: Final[Mapping[str, str]] = {
    "promiscuous_vif_sees_all": "Open vSwitch shows a port only what is for it, and says so when it is asked for more",
}


class OvsGround(KernelGround):
    """`daemons` live in the host's namespace."""

    switch: OvsSwitch

    def __init__(self, daemons: OvsDaemons, deviations: Mapping[str, str]) -> None:
        super().__init__()
        self.daemons: Final = daemons
        self._deviations: Final = {**DEVIATIONS, **deviations}
        self.switch = self._made()

    @property
    def deviations(self) -> Mapping[str, str]:
        """See SwitchGround."""
        return self._deviations

    def _made(self) -> OvsSwitch:
        return OvsSwitch(self.daemons.rundir, self.daemons.datapath_type)

    async def restart(self) -> None:
        """See SwitchGround."""
        await self.switch.close()
        self.switch = self._made()
        await self.switch.open()

    async def foreign_bridge(self, name: str, *ports: str) -> None:
        """See SwitchGround."""
        words = ["add-br", name, "--", "set", "bridge", name, f"datapath_type={self.daemons.datapath_type or 'system'}"]
        for port in ports:
            words += ["--", "add-port", name, port]
        await asyncio.to_thread(self.daemons.vsctl, *words)


@asynccontextmanager
async def standing(daemons: OvsDaemons, deviations: Mapping[str, str]) -> AsyncIterator[OvsGround]:
    """A ground with everything up, and nothing left afterwards."""
    ground = OvsGround(daemons, deviations)
    try:
        with ground.host.entered():
            daemons.start()
            try:
                await ground.switch.open()
                yield ground
                await ground.switch.close()
            finally:
                daemons.stop()
    finally:
        ground.close()
