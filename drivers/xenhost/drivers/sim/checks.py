"""What the simulated host checks before it takes a kernel, a disk or a network card."""

import asyncio
import os
import stat
from typing import Final
from urllib.parse import parse_qs, urlsplit

from xenhost.core.devices import Source, SourceKind, Vbd, VbdMode, Vif
from xenhost.core.errors import DeviceAttachFailed, DomainBuildFailed
from xenhost.core.vm import DirectBoot, VmSpec
from xenhost.drivers.network.vif_port import check_can_have_function
from xenhost.drivers.sim.config import SimConfig
from xenhost.drivers.sim.domain import SimDomain
from xenhost.drivers.sim.world import World

_RIGHT: Final = {
    SourceKind.FILE: (stat.S_ISREG, "file"),
    SourceKind.BLOCK: (stat.S_ISBLK, "block device"),
    SourceKind.NBD: (stat.S_ISSOCK, "socket"),
}


async def check_kernel(vm: VmSpec) -> None:
    """Raises DomainBuildFailed if kernel or ramdisk is no file of this machine."""
    if not isinstance(vm.boot, DirectBoot):
        return
    for path in filter(None, (vm.boot.kernel, vm.boot.ramdisk)):
        if not await asyncio.to_thread(os.path.isfile, path):
            message = f"there is no file {path}"
            raise DomainBuildFailed(f"cannot load the kernel: {message}", vm=vm.id, function="open", msg=message)


async def check_source(world: World, domain: SimDomain, vbd: Vbd) -> None:
    """Raises DeviceAttachFailed if the medium is missing, of another kind, or in use by another VBD."""
    problem = await asyncio.to_thread(_problem, vbd.source)
    others = {key: writes for key, writes in world.users(vbd.source.path).items() if key != (domain.domid, vbd.devid)}
    others = {} if vbd.source.shared else others
    if problem is None and (any(others.values()) or (others and vbd.mode is VbdMode.RW)):
        problem = f"{vbd.source.path} is in use by domain {next(iter(others))[0]}"
    if problem is not None:
        raise DeviceAttachFailed(f"cannot attach {vbd.device}: {problem}", device=vbd.device, msg=problem)


def check_bridge(config: SimConfig, vif: Vif) -> None:
    """Raises DeviceAttachFailed if there is no such bridge."""
    if vif.bridge not in config.bridges:
        problem = f"there is no bridge {vif.bridge}"
        raise DeviceAttachFailed(f"cannot attach VIF {vif.devid}: {problem}", device=str(vif.devid), msg=problem)


def check_function(world: World, domain: SimDomain, vif: Vif) -> None:
    """Raises DeviceAttachFailed if that guest can have no virtual function, or another has this one."""
    check_can_have_function(vif, domain.type)
    held = [device.function for device in domain.devices.values() if device.devid == vif.devid]
    if vif.function in functions(world) and vif.function not in held:
        problem = f"virtual function {vif.function} is in use"
        raise DeviceAttachFailed(f"cannot attach VIF {vif.devid}: {problem}", device=str(vif.devid), msg=problem)


def functions(world: World) -> frozenset[str]:
    """Those that VIFs have, half plugged ones too."""
    devices = (device for domain in world.domains.values() for device in domain.devices.values())
    return frozenset(device.function for device in devices if device.function)


def _problem(source: Source) -> str | None:
    if source.kind is SourceKind.EMPTY:
        return None
    is_right, noun = _RIGHT[source.kind]
    path = _socket(source.path) if source.kind is SourceKind.NBD else source.path
    try:
        found = os.stat(path)
    except OSError as error:
        return f"{path}: {error.strerror}"
    return None if is_right(found.st_mode) else f"{path} is not a {noun}"


def _socket(uri: str) -> str:
    """Where an NBD server listens."""
    return parse_qs(urlsplit(uri).query).get("socket", [""])[0]
