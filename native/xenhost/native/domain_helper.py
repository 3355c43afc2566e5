"""The protocol of xh-domain-helper, without I/O: requests to bytes, bytes to replies.

A request is "key value" lines, the first of them "op NAME", ended by an empty line. A reply is one line of
words. In values, bytes outside 0x21..0x7e, "%" and, in replies, "=" are written %XX. After each
request come any number of `Progress` and `Log`, then one `Done`, `BuildResult` or `HelperFailure`. After a
`BuildResult` comes a `Done` as well, when the helper has let go of the guest's memory: only then may the
guest run, as Xen lets no page that somebody can write to become a PV guest's page or descriptor table.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from xenhost.native.errors import NativeUnavailable

PROTOCOL: Final = 1
MAX_LINE: Final = 16384
"""Bytes of the longest reply line the helper sends."""
MAX_REQUEST: Final = 65536
"""Bytes of the longest request the helper takes."""
_PROGRAM: Final = Path(__file__).parent / "bin" / "xh-domain-helper"
_SAFE: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "%=")


class HelperProtocolError(Exception):
    """The helper sent something that is not a reply: it cannot be used any further."""


class GuestKind(StrEnum):
    """What sort of guest to build."""

    PV = "pv"
    PVH = "pvh"
    HVM = "hvm"


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """Fill the domain `domid`, which must have been created and hold nothing yet. Sizes in bytes.

    Sizes must be multiples of 4096; `max_memory` and `target_memory` of 1 MiB, or the rest is not given
    to the guest. Paths are read by the helper. Fields without a meaning for `kind` must be left alone.
    """

    domid: int
    kind: GuestKind
    max_memory: int
    """PVH, HVM: with a lower target the guest starts populate-on-demand."""
    target_memory: int
    xen_max_memory: int
    """What Xen lets the domain allocate: the target plus what the build needs besides."""
    vcpus: int
    online_vcpus: tuple[int, ...] | None = None
    """vCPUs that PVH and HVM guests start with; None: all. Must hold 0."""
    kernel: str | None = None
    """PV, PVH."""
    ramdisk: str | None = None
    command_line: str = ""
    features: str = ""
    """PV: features the kernel must have, as "feature|feature"."""
    firmware: str | None = None
    """HVM: hvmloader."""
    bios: str | None = None
    """HVM: the image hvmloader starts (SeaBIOS, OVMF)."""
    video_memory: int = 0
    mmio_hole: int = 0
    """HVM: bytes below 4 GiB that hold no memory; 0: Xen's default of 256 MiB."""
    paging_pool: int = 0
    """PVH, HVM: memory for the guest's nested page tables; 0 leaves Xen's minimum."""
    memmap_limit: int = 0
    """PV: the most memory the guest is told about; 0: max_memory."""
    store_domid: int = 0
    console_domid: int = 0
    store_port: int | None = None
    """An event channel made before; None lets the helper make it."""
    console_port: int | None = None
    claim: bool = True
    """Reserve the memory first, so that a lack of it fails early."""
    cpu_features: tuple[int, ...] | None = None
    """CPUID feature set in 32-bit words; None: the host's default."""
    pae: bool = True
    acpi: bool = True
    apic: bool = True
    nx: bool = True
    hpet: bool = True
    nested_virt: bool = False
    itsc: bool = False
    viridian: int = 0
    """HVM_PARAM_VIRIDIAN; 0: off."""
    timer_mode: int = 1
    tsc_mode: int = 0
    rtc_offset: int = 0
    """Seconds the guest's clock is ahead of UTC."""
    unzip_ramdisk: bool = False
    """For the rare kernel that cannot unpack a gzipped ramdisk itself."""
    fd: int | None = None
    """Restore the guest from what `Save` wrote there, and start no kernel. The helper must have inherited it."""


@dataclass(frozen=True, slots=True)
class Save:
    """Write the domain, which has suspended, to the descriptor, where that stands. The helper must have inherited it.

    One `Done` is the answer, or a `HelperFailure` that leaves the domain as it was.
    """

    domid: int
    fd: int


@dataclass(frozen=True, slots=True)
class Preload:
    """Map files a later build will use. Optional; saves that build some time."""

    kernel: str | None = None
    ramdisk: str | None = None
    firmware: str | None = None
    bios: str | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """The first reply of a new helper. `xen` is "4.17", or None without a hypervisor."""

    xen: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the request is."""

    percent: int
    phase: str


@dataclass(frozen=True, slots=True)
class Log:
    """What a Xen library said; level is debug, warning or error."""

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """The request is done; nothing to tell."""


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The domain is built and still paused."""

    store_port: int
    store_frame: int
    """What xenstore's INTRODUCE and store/ring-ref want: machine frame for PV, else guest frame."""
    console_port: int
    console_frame: int
    guest_os: str
    """From the kernel's ELF notes, for example "linux"."""
    phases: tuple[tuple[str, int], ...]
    """Microseconds per phase of the build, in order."""


@dataclass(frozen=True, slots=True)
class HelperFailure:
    """The request failed. After a failed build the domain must be destroyed."""

    code: str
    """bad_request (nothing was done), unavailable (no hypervisor) or failed."""
    errno: int
    call: str
    """The library call or hypercall, as "domctl:max_vcpus"."""
    message: str


Reply = Ready | Progress | Log | Done | BuildResult | HelperFailure


def helper_path() -> Path:
    """The installed helper program. Raises NativeUnavailable if it was not built."""
    if not _PROGRAM.is_file():
        raise NativeUnavailable("xh-domain-helper")
    return _PROGRAM


def encode(request: BuildRequest | Save | Preload) -> bytes:
    """The bytes of a request. Raises ValueError if a text holds NUL or all is too long."""
    if isinstance(request, Preload):
        pairs: list[tuple[str, str]] = [("op", "preload")]
        for key in ("kernel", "ramdisk", "firmware", "bios"):
            path = getattr(request, key)
            if path is not None:
                pairs.append((key, path))
    elif isinstance(request, Save):
        pairs = [("op", "save"), ("domid", str(request.domid)), ("fd", str(request.fd))]
    else:
        op = "build" if request.fd is None else "restore"
        pairs = [("op", op), *_build_pairs(request)]
    data = "".join(f"{key} {_quoted(value)}\n" for key, value in pairs) + "\n"
    if len(data) > MAX_REQUEST - len(pairs):
        raise ValueError(f"request of {len(data)} bytes; at most {MAX_REQUEST} can be sent")
    return data.encode("ascii")


def _build_pairs(request: BuildRequest) -> Iterable[tuple[str, str]]:
    for key in BuildRequest.__slots__:
        value: object = getattr(request, key)
        match key, value:
            case _, None | "":
                continue
            case "online_vcpus", tuple(numbers):
                yield key, ",".join(str(number) for number in numbers)
            case "cpu_features", tuple(words):
                yield key, "-".join(f"{word:08x}" for word in words)
            case _, bool(flag):
                yield key, str(int(flag))
            case _:
                yield key, str(value)


def _quoted(text: str) -> str:
    if "\0" in text:
        raise ValueError("a value sent to the helper must not hold a NUL character")
    return quote_from_bytes(text.encode(errors="surrogateescape"), safe=_SAFE)


class HelperReader:
    """Turns what the helper wrote into replies, whatever pieces it arrives in."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Reply]:
        """The replies completed by `data`. Raises HelperProtocolError."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE:
            raise HelperProtocolError(f"a line longer than {MAX_LINE} bytes")
        return [_reply(line) for line in lines]


def _reply(line: bytes) -> Reply:
    try:
        kind, *words = line.decode("ascii").split(" ")
        match kind, words:
            case "ready", [version, xen] if int(version) == PROTOCOL:
                return Ready(xen=None if xen == "none" else _text(xen))
            case "progress", [percent, phase]:
                return Progress(percent=int(percent), phase=_text(phase))
            case "log", [level, text]:
                return Log(level=level, text=_text(text))
            case "error", [code, errno, call, message]:
                return HelperFailure(
                    code=code,
                    errno=int(errno),
                    call=_text(call),
                    message="" if message == "-" else _text(message),
                )
            case "result", []:
                return Done()
            case "result", _:
                return _build_result(dict(word.split("=", 1) for word in words))
    except (ValueError, KeyError, UnicodeDecodeError) as error:
        raise HelperProtocolError(f"not a reply: {line[:80]!r}") from error
    raise HelperProtocolError(f"not a reply: {line[:80]!r}")


def _build_result(fields: dict[str, str]) -> BuildResult:
    return BuildResult(
        store_port=int(fields["store_port"]),
        store_frame=int(fields["store_frame"]),
        console_port=int(fields["console_port"]),
        console_frame=int(fields["console_frame"]),
        guest_os=_text(fields["guest_os"]),
        phases=tuple((key.removesuffix("_us"), int(value)) for key, value in fields.items() if key.endswith("_us")),
    )


def _text(word: str) -> str:
    return unquote_to_bytes(word).decode(errors="replace")
