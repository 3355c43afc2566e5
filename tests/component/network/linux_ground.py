"""The switch of Linux bridges, on this machine's kernel."""

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
