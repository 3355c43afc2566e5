"""Which machine to boot."""

from dataclasses import dataclass
from enum import StrEnum

from bed.report import BedError

MIB = 1 << 20
DEFAULT_DISK = 4 << 30
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Xenstored(StrEnum):
    """Which xenstore daemon dom0 runs."""

    C = "xenstored"
    OCAML = "oxenstored"


@dataclass(frozen=True, slots=True)
class Spec:
    """The devices of one emulated machine. Sizes in bytes."""

    memory: int = 3072 * MIB
    dom0_memory: int = 1024 * MIB
    cpus: int = 2
    disks: tuple[int, ...] = ()
    nics: int = 0
    xenstored: Xenstored = Xenstored.C
    bare: bool = False  # the same Debian without the hypervisor

    @property
    def key(self) -> str:
        """Names the machine: a saved state fits only the machine it was saved on."""
        return repr(self)


def parse_size(text: str) -> int:
    """Bytes of ``4G``, ``512M`` or ``1048576``."""
    unit = UNITS.get(text[-1:].upper())
    digits = text[:-1] if unit else text
    if not digits.isdecimal() or int(digits) == 0:
        raise BedError(f"size {text!r} is not a number of bytes with an optional K, M or G")
    return int(digits) * (unit or 1)


def parse_disks(text: str) -> tuple[int, ...]:
    """Sizes of ``2``, ``2:8G`` (two disks of 8 GiB) or ``1:2G,1:4G``."""
    sizes: list[int] = []
    for group in text.split(","):
        count, _, size = group.partition(":")
        if not count.isdecimal() or not 1 <= int(count) <= 16:
            raise BedError(f"disks {text!r} is not COUNT or COUNT:SIZE, with a count from 1 to 16")
        sizes += [parse_size(size) if size else DEFAULT_DISK] * int(count)
    return tuple(sizes)
