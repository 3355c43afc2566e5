"""The switch of Linux bridges, on the kernel that is there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from contract.switch_kernel import KernelGround
from xenhost.drivers.network.linux.switch import LinuxSwitch


class LinuxGround(KernelGround):
    """A host with Linux bridges."""

    async def start(self) -> None:
        """Open the switch."""
        self.switch = LinuxSwitch()
        await self.switch.open()

    async def stop(self) -> None:
        """The agent ends; the host goes on."""
        await self.switch.close()

    async def restart(self) -> None:
        """See SwitchGround."""
        await self.stop()
        await self.start()


@asynccontextmanager
async def standing() -> AsyncIterator[LinuxGround]:
    """One, for one promise."""
    made = LinuxGround()
    with made.host.entered():
        await made.start()
        try:
            yield made
        finally:
            await made.stop()
            made.close()
