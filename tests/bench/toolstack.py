"""What every contestant can do, and where its guests come from."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

GUESTS = Path("/opt/xenhost/guests")
BRIDGE = "xenbr0"
MEMORY_MIB = 128
CONSOLE_LOGS = Path("/var/log/xen/console")


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest that every contestant starts in the same way: one vCPU, one disk, one NIC."""

    name: str
    type: str
    """pv or pvh."""
    disk: str
    """A block device."""
    mac: str
    cmdline: str = "console=hvc0 quiet"
    qdisk: str = ""
    """xl: also an image that QEMU serves, as xvdz."""


class Toolstack(Protocol):
    """One contestant. Each verb returns when the tool says that it is done."""

    name: str

    async def start(self, guest: Guest) -> None:
        """From the request to an unpaused domain."""
        ...

    async def destroy(self, guest: Guest) -> None: ...

    async def plug_disk(self, guest: Guest, device: str, path: str) -> None: ...

    async def unplug_disk(self, guest: Guest, device: str) -> None: ...

    async def plug_nic(self, guest: Guest, index: int, mac: str) -> None: ...

    async def unplug_nic(self, guest: Guest, index: int) -> None: ...


class CommandFailed(Exception):
    """A peer's tool failed."""


async def run(*command: str, timeout: float = 300) -> str:
    """Run a tool; its output. Raises CommandFailed with what it said."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(timeout):
        output, _ = await process.communicate()
    if process.returncode:
        raise CommandFailed(
            f"{' '.join(command)}: exit {process.returncode}: {output.decode(errors='replace')[-2000:]}"
        )
    return output.decode(errors="replace")


async def wait_guest_up(name: str, timeout: float = 600) -> None:
    """Until the guest's user space says so on its console, which xenconsoled logs."""
    log = CONSOLE_LOGS / f"guest-{name}.log"
    async with asyncio.timeout(timeout):
        while not (log.exists() and b"GUESTUP" in log.read_bytes()):
            await asyncio.sleep(0.2)
    await asyncio.sleep(1)


def forget_console(name: str) -> None:
    """Start a new console log."""
    (CONSOLE_LOGS / f"guest-{name}.log").unlink(missing_ok=True)
