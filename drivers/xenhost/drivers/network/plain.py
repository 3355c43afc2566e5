"""VIFs on Linux bridges that others made, without rules."""

import asyncio
import errno
import os
from collections.abc import Sequence

from xenhost.core.errors import DeviceAttachFailed
from xenhost.core.network import LockingMode, VifPort
from xenhost.core.network_errors import SwitchCannot
from xenhost.drivers.network import bridge


class PlainBridges:
    """Implements core.ports.network.VifSwitch, but for what needs rules."""

    async def connect_vif(self, port: VifPort) -> None:
        """Raises SwitchCannot for anything but an unlocked port."""
        if port.locking is not LockingMode.UNLOCKED or port.trunks or port.receive_bytes_per_second:
            raise SwitchCannot("networks are not managed here: VIFs can only be unlocked", switch="", feature="locking")
        link = await asyncio.to_thread(bridge.find, port.bridge)
        if link is None:
            raise _failure(port, f"there is no bridge {port.bridge} in dom0")
        if link.kind != "bridge":
            raise _failure(port, f"{port.bridge} is no Linux bridge")
        port_now = await asyncio.to_thread(bridge.find, port.interface)
        if port_now is not None and port_now.up and port_now.master == link.index:
            return
        try:
            await asyncio.to_thread(bridge.join, port.interface, link.index, port.mtu)
        except OSError as error:
            why = os.strerror(error.errno or errno.EIO).lower()
            raise _failure(port, f"{port.interface} cannot join {port.bridge}: {why}") from error

    async def disconnect_vif(self, interface: str) -> None:
        """It goes with its interface."""

    async def vif_ports(self) -> Sequence[str]:
        """None has rules."""
        return []


def _failure(port: VifPort, why: str) -> DeviceAttachFailed:
    device = port.interface.rpartition(".")[2]
    return DeviceAttachFailed(f"VIF {device} cannot be attached: {why}", device=device, msg=why)
