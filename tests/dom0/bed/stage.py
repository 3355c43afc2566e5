"""The project as it is installed in dom0: what a wheel holds, plus the tests, in one archive.

The archive adds to the virtual environment that the image already has: the packages, a ``dist-info`` with the entry
points, the start scripts. Byte code is compiled here, where the processor is
not emulated, and kept from run to run.
"""

import importlib.util
import io
import os
import py_compile
import sys
import tarfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from bed.cache import key_of

PYTHON = (3, 11)  # of Debian 12, in dom0
VENV = "/opt/xenhost/venv"
PROJECT = "opt/xenhost/project"  # a tmpfs in dom0: under emulation, making 500 files on a disk takes 8 s
SITE = f"{PROJECT}/site"  # on the path of VENV by way of a .pth file
SCRIPTS = f"{PROJECT}/bin"  # linked to from VENV's bin
SOURCE = f"{PROJECT}/src"  # also bound to /opt/xenhost/src
BED = f"{PROJECT}/bed"
EXTRA = ("tests", "packaging")
NOT_FOR_DOM0 = frozenset({"arch", "dom0", "fuzz", "unit"})  # folders of tests
SKIP_SUFFIXES = (".pyc", ".o", ".a", ".c.tmp")
SKIP_PARTS = frozenset({"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", "node_modules"})
SCRIPT = """#!{venv}/bin/python
import sys

from {module} import {function}

sys.exit({function}())
"""


def archive(project: Path, compiled: Path, target: Path) -> None:
    """Write the archive of the project in ``project``; ``compiled`` is a directory for byte code, kept between runs."""
    settings = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    with tarfile.open(target, "w") as tar:
        for root in source_roots(project):
            for name, file in _files(root / "xenhost"):
                _add(tar, f"{SITE}/xenhost/{name}", file, compiled)
        for extra in EXTRA:
            for name, file in _files(project / extra):
                if extra != "tests" or name.split("/")[0] not in NOT_FOR_DOM0:
                    _add(tar, f"{SOURCE}/{extra}/{name}", file, compiled)
        _add(tar, f"{SOURCE}/pyproject.toml", project / "pyproject.toml", compiled)
        for name, file in _files(project / "tests" / "dom0" / "guest"):
            _add(tar, f"{BED}/{name}", file, compiled)
        for name, text in distribution(settings).items():
            _add_text(tar, f"{SITE}/{name}", text, 0o644)
        for name, text in scripts(settings).items():
            _add_text(tar, f"{SCRIPTS}/{name}", text, 0o755)


def source_roots(project: Path) -> list[Path]:
    """Folders ``X`` with ``X/xenhost`` in them."""
    return sorted(path.parent for path in project.glob("*/xenhost") if path.is_dir())


def distribution(settings: Mapping[str, object]) -> dict[str, str]:
    """The metadata directory that tells Python of the project and its entry points."""
    name, version = settings["name"], settings["version"]
    entry_points = settings.get("scripts")
    assert isinstance(entry_points, dict)
    lines = [f"{script} = {target}" for script, target in entry_points.items()]
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    directory = f"{name}-{version}.dist-info"
    return {
        f"{directory}/METADATA": metadata,
        f"{directory}/entry_points.txt": "\n".join(["[console_scripts]", *lines, ""]),
        f"{directory}/INSTALLER": "bed\n",
    }


def scripts(settings: Mapping[str, object]) -> dict[str, str]:
    """Start scripts of the entry points, as pip would write them."""
    entry_points = settings.get("scripts")
    assert isinstance(entry_points, dict)
    out = {}
    for script, target in entry_points.items():
        module, _, function = str(target).partition(":")
        out[script] = SCRIPT.format(venv=VENV, module=module, function=function)
    return out


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    for directory, names, files in os.walk(root):
        names[:] = sorted(n for n in names if n not in SKIP_PARTS)
        for file in sorted(files):
            path = Path(directory) / file
            if not file.endswith(SKIP_SUFFIXES) and path.is_file():
                yield str(path.relative_to(root)), path


def _add(tar: tarfile.TarFile, name: str, file: Path, compiled: Path) -> None:
    try:
        data = file.read_bytes()
    except FileNotFoundError:  # an editor's or a build's temporary file
        return
    mode = 0o755 if os.access(file, os.X_OK) else 0o644
    _add_bytes(tar, name, data, mode)
    if file.suffix == ".py" and sys.version_info[:2] == PYTHON:
        code = _byte_code(name, data, compiled)
        if code is not None:
            cached = importlib.util.cache_from_source(f"/{name}").lstrip("/")
            _add_bytes(tar, cached, code, 0o644)


def _byte_code(name: str, data: bytes, compiled: Path) -> bytes | None:
    """Byte code that is valid whatever the file's time; None for a file that does not compile."""
    compiled.mkdir(parents=True, exist_ok=True)
    kept = compiled / key_of(name, data)
    if not kept.exists():
        source = compiled / f"source-{os.getpid()}.py"
        source.write_bytes(data)
        unfinished = compiled / f"unfinished-{os.getpid()}"
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        try:
            py_compile.compile(str(source), str(unfinished), f"/{name}", doraise=True, invalidation_mode=mode)
        except py_compile.PyCompileError:
            return None
        finally:
            source.unlink()
        unfinished.rename(kept)
    return kept.read_bytes()


def _add_text(tar: tarfile.TarFile, name: str, text: str, mode: int) -> None:
    _add_bytes(tar, name, text.encode(), mode)


def _add_bytes(tar: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = mode
    info.mtime = 1_700_000_000
    tar.addfile(info, io.BytesIO(data))
