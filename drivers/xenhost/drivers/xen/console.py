"""Where a domain's consoles are."""

import re
from typing import Final

from xenhost.core.ids import DomId
from xenhost.core.ports.hypervisor import Console
from xenhost.core.vm import VmType
from xenhost.drivers.xen import paths
from xenhost.drivers.xen.emulator.emulators import Emulators
from xenhost.native.xenstore import Xenstore

_TTY: Final = re.compile(rb"/dev/pts/[0-9]{1,7}")


class Consoles:
    """Asks xenstore, where xenconsoled says what it made, and the emulator."""

    def __init__(self, xs: Xenstore, emulators: Emulators) -> None:
        self._xs = xs
        self._emulators = emulators

    async def of(self, domid: DomId, vm_type: VmType) -> Console:
        """The consoles of a domain; empty what is not there (yet)."""
        tty = parse_tty(await self._xs.get(f"{paths.console(domid)}/tty"))
        if vm_type is not VmType.HVM:
            return Console(serial_tty=tty, vnc_socket="")
        serial = await self._emulators.serial_tty(domid)
        return Console(serial_tty=serial or tty, vnc_socket=self._emulators.vnc_socket(domid))


def parse_tty(untrusted: bytes | None) -> str:
    """The pseudo-terminal a node names; empty if it names none. Guests cannot write the node, but never open a path
    that is not a pseudo-terminal."""
    return untrusted.decode() if untrusted is not None and _TTY.fullmatch(untrusted) else ""
