"""Running LVM: with settings of our own, on the devices of one SR only, and always to its end.

What `/etc/lvm` says does not matter: no event daemon, no devices but those given (a guest may write a volume group into
its disk), and a system ID, so that a group which is not shared is used by no other host, nor by the boot of this one.
"""

import re
from collections.abc import Sequence
from typing import Final

from xenhost.sm.command import CommandError, Commands, CommandTimeout, Result
from xenhost.sm.datapath.image_server import settled

READ_TIMEOUT: Final = 60.0
WRITE_TIMEOUT: Final = 180.0
"""A snapshot waits for the writes of the guest that are under way; killing LVM in it leaves the volume suspended."""
_MAX_REPORT: Final = 64 << 20
_ENV: Final = {"LC_ALL": "C", "LVM_SUPPRESS_FD_WARNINGS": "1"}
_MISSING: Final = re.compile(r"Failed to find logical volume|Logical [Vv]olume \S+ not found|LV \S+ not found")
_IN_USE: Final = re.compile(r"Logical volume \S+ (is )?in use|contains a filesystem in use|is used by another device")
_FULL: Final = re.compile(r"nsufficient (free space|suitable)|[Nn]ot enough free|reached threshold|out of .{0,20}space")
_NO_DEVICE: Final = re.compile(r"Device does not exist|No such device or address")
_EXISTS: Final = re.compile(r"already exists in volume group")


class LvmError(Exception):
    """LVM failed. The text is the end of what it said."""


class VolumeMissing(LvmError):
    """There is no such logical volume."""


class VolumeExists(LvmError):
    """There is one of that name."""


class VolumeInUse(LvmError):
    """Somebody has it open."""


class DeviceMissing(LvmError):
    """Device-mapper has no such device."""


class NoSpace(LvmError):
    """The volume group, or the thin pool, has no room."""


class Lvm:
    """LVM's commands for the volume group on some devices."""

    def __init__(self, commands: Commands, system_id: str, devices: Sequence[str], writable: bool = True) -> None:
        self._commands = commands
        self._id = system_id
        self.devices = tuple(devices)
        self.writable = writable

    def _options(self, former_owner: str = "") -> tuple[str, ...]:
        extra = f'extra_system_ids=["{former_owner}"]' if former_owner else ""
        settings = (
            f'global{{system_id_source="lvmlocal" metadata_read_only={int(not self.writable)}}}'
            f'local{{system_id="{self._id}" {extra}}}'
            "activation{monitoring=0 error_when_full=1}"
            "backup{archive=0}"
        )
        return "--config", settings, "--devices", ",".join(self.devices), "-qq"

    async def report(self, verb: str, fields: str, *args: str) -> bytes:
        """A report of `lvs` or `vgs` as JSON, sizes in bytes. Raises LvmError."""
        form = ("--reportformat", "json", "--units", "b", "--nosuffix", "-o", fields)
        return (await self._run(READ_TIMEOUT, verb, *self._options(), *form, *args)).stdout

    async def write(self, verb: str, *args: str) -> None:
        """Run a command that changes something, to its end even if the caller is cancelled. Raises LvmError."""
        await settled(self._run(WRITE_TIMEOUT, verb, *self._options(), *args))

    async def take_over(self, group: str, owner: str) -> None:
        """Make a group ours that belongs to another system. Raises LvmError."""
        await settled(self._run(WRITE_TIMEOUT, "vgchange", *self._options(owner), "-y", "--systemid", self._id, group))

    async def dm(self, *args: str) -> str:
        """Run dmsetup. Raises LvmError."""
        return (await settled(self._run(READ_TIMEOUT, "dmsetup", *args))).text()

    async def _run(self, timeout: float, *argv: str) -> Result:
        try:
            return await self._commands.run(*argv, timeout=timeout, env=_ENV, max_output=_MAX_REPORT)
        except CommandError as error:
            raise _lvm_error(error) from error


def _lvm_error(error: CommandError) -> LvmError:
    """What it means, by what LVM said. A timeout means nothing but that."""
    said = "" if error.result is None or isinstance(error, CommandTimeout) else error.result.complaint()
    for pattern, cls in (
        (_MISSING, VolumeMissing),
        (_IN_USE, VolumeInUse),
        (_EXISTS, VolumeExists),
        (_NO_DEVICE, DeviceMissing),
        (_FULL, NoSpace),
    ):
        if pattern.search(said):
            return cls(said)
    return LvmError(said or str(error))
