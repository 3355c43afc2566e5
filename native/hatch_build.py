"""Build the C parts in place: cffi API-mode modules and helper programs.

Used three ways: as hatchling's build hook (wheel and editable install), as
`python native/hatch_build.py` (what `make native` runs; hatch is not needed), and with
`--list` to see what would be built. Nothing is rebuilt while the digest of its sources, headers,
cdef, flags and Python ABI is the one it was last built from.

Parts that need Xen's headers (Debian: libxen-dev) are left out with one message where those are
absent; with XENHOST_NATIVE=require in the environment that is an error instead.
"""

import argparse
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cffi

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand, without hatch
    BuildHookInterface = object  # type: ignore[assignment,misc]  # only the hook below needs it

HERE: Final = Path(__file__).resolve().parent
PACKAGE: Final = HERE / "xenhost" / "native"
WORK: Final = HERE.parent / "build" / "native"
CFLAGS: Final = ("-O2", "-g", "-std=gnu11", "-Wall", "-Wextra", "-Wno-unused-function")


@dataclass(frozen=True, slots=True)
class Module:
    """One extension module: cdef/{stem}.cdef and sources become xenhost.native._{stem}."""

    stem: str
    sources: tuple[str, ...]
    libraries: tuple[str, ...] = ()
    system_headers: tuple[str, ...] = ()
    """Headers (below an include folder) without which the module is left out."""
    header: str = ""
    """The header in src/ that declares what the cdef names; {stem}.h unless told."""

    @property
    def target(self) -> Path:
        return PACKAGE / f"_{self.stem}{sysconfig.get_config_var('EXT_SUFFIX')}"

    @property
    def inputs(self) -> tuple[Path, ...]:
        return HERE / "cdef" / f"{self.stem}.cdef", *(HERE / name for name in self.sources)

    def build(self, work: Path) -> Path:
        """Compile into `work` and return the shared object made there."""
        ffi = cffi.FFI()
        ffi.cdef((HERE / "cdef" / f"{self.stem}.cdef").read_text())
        ffi.set_source(
            f"xenhost.native._{self.stem}",
            f'#include "{self.header or f"{self.stem}.h"}"',
            sources=[str(HERE / name) for name in self.sources],
            include_dirs=[str(HERE / "src")],
            libraries=list(self.libraries),
            extra_compile_args=list(CFLAGS),
        )
        return Path(ffi.compile(tmpdir=str(work)))


@dataclass(frozen=True, slots=True)
class Program:
    """One helper program, installed as xenhost/native/bin/{stem}."""

    stem: str
    sources: tuple[str, ...]
    libraries: tuple[str, ...] = ()
    system_headers: tuple[str, ...] = ()

    @property
    def target(self) -> Path:
        return PACKAGE / "bin" / self.stem

    @property
    def inputs(self) -> tuple[Path, ...]:
        return tuple(HERE / name for name in self.sources)

    def build(self, work: Path) -> Path:
        """Compile into `work` and return the program made there."""
        made = work / self.stem
        sources = [str(path) for path in self.inputs]
        libraries = [f"-l{name}" for name in self.libraries]
        compiler = shlex.split(os.environ.get("CC", "cc"))
        include = f"-I{HERE / 'src'}"
        subprocess.run([*compiler, *CFLAGS, include, "-o", str(made), *sources, *libraries], check=True)
        return made


Part = Module | Program

PARTS: Final[tuple[Part, ...]] = (
    Module("xs_wire", sources=("src/xs_wire.c",)),
    Module("numbers", header="xh_numbers.h", sources=("src/xh_numbers.c",)),
    Module(
        "xenctrl",
        header="xh_xenctrl.h",
        sources=tuple(f"src/xh_{name}.c" for name in ("ctrl", "domain", "sched", "pci", "meter", "log")),
        libraries=("xenctrl", "xenguest", "xentoollog"),
        system_headers=("xenctrl.h", "xenguest.h"),
    ),
    Module(
        "evtchn",
        header="xh_evtchn.h",
        sources=("src/xh_evtchn.c", "src/xh_log.c"),
        libraries=("xenevtchn", "xentoollog"),
        system_headers=("xenevtchn.h",),
    ),
    Program(
        "xh-domain-helper",
        sources=tuple(
            f"helper/{name}.c"
            for name in ("main", "proto", "request", "files", "build", "hvm", "save", "acpi", "xlog", "bulk")
        ),
        libraries=("xenctrl", "xenguest", "xentoollog"),
        system_headers=("xenctrl.h", "xenguest.h"),
    ),
)


class NativeBuildError(Exception):
    """A part that is required cannot be built here."""


@dataclass(slots=True)
class Report:
    """What a build did; parts by stem."""

    built: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    targets: list[Path] = field(default_factory=list)


def build_all(parts: Iterable[Part] = PARTS, *, required: bool = False) -> Report:
    """Build what is out of date. Raises NativeBuildError for a missing header if `required`."""
    report = Report()
    missing: list[str] = []
    for part in parts:
        absent = [name for name in part.system_headers if _system_header(name) is None]
        if absent:
            missing += [name for name in absent if name not in missing]
            report.skipped.append(part.stem)
            continue
        if _build_one(part):
            report.built.append(part.stem)
        else:
            report.fresh.append(part.stem)
        report.targets.append(part.target)
    if missing:
        message = (
            f"not built: {', '.join(report.skipped)} (no {', '.join(missing)} here). "
            "Everything but the real hypervisor works without; "
            "for the real one install Debian's libxen-dev and build again."
        )
        if required:
            raise NativeBuildError(message)
        print(f"native: {message}", file=sys.stderr)  # noqa: T201 - a build tool speaks on stderr
    return report


def _build_one(part: Part) -> bool:
    digest = _digest(part)
    stamp = WORK / f"{part.target.name}.digest"
    if part.target.exists() and stamp.exists() and stamp.read_text() == digest:
        return False
    work = WORK / part.stem
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    made = part.build(work)
    part.target.parent.mkdir(parents=True, exist_ok=True)
    # Rename over: a process that has the old one mapped keeps it, nobody sees half a file.
    fresh = part.target.with_name(f".{part.target.name}.new")
    shutil.copy2(made, fresh)
    fresh.replace(part.target)
    stamp.write_text(digest)
    return True


def _digest(part: Part) -> str:
    """Of everything the result depends on."""
    hasher = hashlib.sha256()
    settings: Sequence[object] = (
        part,
        CFLAGS,
        os.environ.get("CC"),
        cffi.__version__,
        sysconfig.get_config_var("SOABI"),
    )
    hasher.update(repr(settings).encode())
    headers = [path for name in part.system_headers if (path := _system_header(name))]
    folders = {HERE / "src", *(path.parent for path in part.inputs)}
    ours = sorted(header for folder in folders for header in folder.glob("*.h"))
    for path in (Path(__file__), *part.inputs, *ours, *headers):
        hasher.update(f"\0{path.name}\0".encode())
        hasher.update(path.read_bytes())
    return hasher.hexdigest()


def _system_header(name: str) -> Path | None:
    folders = [*os.environ.get("CPATH", "").split(":"), "/usr/local/include", "/usr/include"]
    found = (Path(folder) / name for folder in folders if folder)
    return next((path for path in found if path.is_file()), None)


def _required() -> bool:
    return os.environ.get("XENHOST_NATIVE") == "require"


class NativeBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # see the import
    """Hatchling's way in."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build in place and add the results to the wheel."""
        report = build_all(required=_required())
        root = HERE.parent
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["artifacts"] += [f"/{path.relative_to(root)}" for path in report.targets]


def main() -> int:
    """Build from the command line."""
    parser = argparse.ArgumentParser(description="Build xenhost's C parts in place.")
    parser.add_argument("--list", action="store_true", help="print the results' paths, build none")
    if parser.parse_args().list:
        print("\n".join(str(part.target) for part in PARTS))  # noqa: T201 - its purpose
        return 0
    try:
        report = build_all(required=_required())
    except NativeBuildError as error:
        print(f"native: {error}", file=sys.stderr)  # noqa: T201 - a build tool speaks on stderr
        return 1
    for label, stems in (("built", report.built), ("up to date", report.fresh)):
        if stems:
            print(f"native: {label}: {', '.join(stems)}")  # noqa: T201 - its purpose
    return 0


if __name__ == "__main__":
    sys.exit(main())
