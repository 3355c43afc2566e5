"""What is written on the command line: sizes, disks, network cards, CPU sets. Errors are usage errors."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from xenhost.core.ids import MAX_DISKS, index_to_letters

_UNITS: Final = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:iB|B)?", re.IGNORECASE)
MIB: Final = 1024**2
VDI: Final = "vdi:"
"""Begins a disk that is a VDI. No path begins so: paths are absolute."""


@dataclass(frozen=True, slots=True)
class DiskArg:
    """A disk as written: `PATH|vdi:NAME[,device=xvda][,ro|rw][,cd][,file|block][,iops=..][,rate=..]`."""

    path: str
    device: str = ""
    read_only: bool | None = None
    is_cd: bool = False
    kind: str = ""
    iops: int = 0
    bytes_per_second: int = 0

    @property
    def vdi(self) -> str:
        """UUID or name of the VDI that it is; empty: it is a path."""
        return self.path.removeprefix(VDI) if self.path.startswith(VDI) else ""


@dataclass(frozen=True, slots=True)
class NicArg:
    """A network card as written: `NETWORK[,mac=..][,mtu=..][,rate=..][,index=..][,locked=ADDRESS]..`."""

    network: str = ""
    mac: str = ""
    mtu: int = 0
    rate_kbps: int = 0
    index: int | None = None
    locked: tuple[str, ...] = ()
    """Addresses it is locked to."""
    bridge: str = ""
    """Instead of a network."""


def parse_size(text: str) -> int:
    """Bytes in `512M`, `1G`, `1.5GiB`, or a plain number of bytes. Raises ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r:.40} is not a size; write 512M or 2G (or bytes)")
    size = float(match[1]) * _UNITS[match[2].upper()]
    if size != int(size):
        raise ValueError(f"{text!r:.40} is not a whole number of bytes")
    return int(size)


def parse_disk(text: str) -> DiskArg:
    """A disk. Raises ValueError. A path with a comma can be given in a file (`--from`) only.

    `rate` is in bytes a second.
    """
    path, *words = text.split(",")
    disk: dict[str, Any] = {"path": path}
    for word in words:
        key, _, value = word.partition("=")
        match key, value:
            case "device", value if value:
                disk["device"] = value
            case "ro" | "rw", "":
                disk["read_only"] = key == "ro"
            case "cd", "":
                disk["is_cd"] = True
            case "file" | "block", "":
                disk["kind"] = key
            case "iops", value if value.isdecimal():
                disk["iops"] = int(value)
            case "rate", value if value:
                disk["bytes_per_second"] = parse_size(value)
            case _:
                raise ValueError(
                    f"{word!r:.40} means nothing for a disk; write "
                    "PATH|vdi:NAME[,device=xvdb][,ro][,cd][,file|block][,iops=500][,rate=50M]"
                )
    if not path and not disk.get("is_cd"):
        raise ValueError("a disk needs a path, or a VDI (`vdi:NAME`), first; only a CD drive may be empty (`,cd`)")
    if path == VDI:
        raise ValueError("say which VDI it is: vdi:NAME or vdi:UUID")
    return DiskArg(**disk)


def parse_nic(text: str) -> NicArg:
    """A network card. Raises ValueError. A lone word is the network, by its name, UUID or bridge."""
    nic: dict[str, Any] = {}
    for word in text.split(","):
        key, equals, value = word.partition("=")
        if not equals and not nic:
            key, value = "network", word
        match key:
            case "network" | "bridge" | "mac" if value:
                nic[key] = value
            case "locked" if value:
                nic["locked"] = (*nic.get("locked", ()), value)
            case "mtu" | "index" if value.isdecimal():
                nic[key] = int(value)
            case "rate" if value:
                nic["rate_kbps"] = _rate(value)
            case _:
                raise ValueError(
                    f"{word!r:.40} means nothing for a network card; write "
                    "NETWORK[,mac=00:16:3e:..][,mtu=1500][,rate=10M][,index=0][,locked=10.0.0.5]"
                )
    if ("bridge" in nic) == ("network" in nic):
        raise ValueError("a network card needs a network, or a bridge: bridge=xenbr0")
    return NicArg(**nic)


def parse_cpus(text: str) -> list[int]:
    """Physical CPUs in `0-3,8`; `any` is the empty list. Raises ValueError."""
    if text.strip() in {"any", ""}:
        return []
    cpus: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or int(last or first) > 4095:
            raise ValueError(f"{text!r:.40} is not a set of CPUs; write 0-3,8 or any")
        cpus.update(range(int(first), int(last or first) + 1))
    return sorted(cpus)


def parse_pair(text: str) -> tuple[str, str]:
    """`key=value`. Raises ValueError."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ValueError(f"{text!r:.40} must be KEY=VALUE")
    return key, value


@dataclass(frozen=True, slots=True)
class ConfigArg:
    """One `--device-config KEY=VALUE`; with `KEY=@FILE` the value is what the file holds."""

    key: str
    value: str
    written: str
    """As it was given."""


def parse_config(text: str) -> ConfigArg:
    """A key of a configuration. Raises ValueError."""
    key, value = parse_pair(text)
    if value.startswith("@"):
        try:
            value = Path(value[1:]).read_text().rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"cannot read {value[1:]!r:.60} for {key}: {error}") from None
    return ConfigArg(key, value, text)


class Parsed(click.ParamType):
    """A parameter type made of one of the functions above."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value; what is parsed already stays."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self._refuse(str(error), param, ctx)

    def _refuse(self, message: str, param: click.Parameter | None, ctx: click.Context | None) -> NoReturn:
        self.fail(message, param, ctx)


def _rate(text: str) -> int:
    """KiB/s in `10M` (bytes a second); a plain number is KiB/s already."""
    return int(text) if text.isdecimal() else parse_size(text) // 1024


SIZE: Final = Parsed("size", parse_size)
DISK: Final = Parsed("disk", parse_disk)
NIC: Final = Parsed("nic", parse_nic)
CPUS: Final = Parsed("cpus", parse_cpus)
CONFIG: Final = Parsed("key=value", parse_config)
RATE: Final = Parsed("rate", _rate)
PAIR: Final = Parsed("key=value", parse_pair)


def free_devices(taken: set[str]) -> Iterator[str]:
    """xvda, xvdb, ... that are not taken."""
    for index in range(MAX_DISKS):
        name = f"xvd{index_to_letters(index)}"
        if name not in taken:
            yield name
