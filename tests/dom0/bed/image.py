"""The dom0's root disk: a Debian tree, the project's Python libraries, and the bed's own files."""

import os
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

from bed import guests as guest_images
from bed import host, libvirt, stage
from bed import kernel as kernels
from bed.cache import Cache, key_of
from bed.command import run
from bed.kernel import Kernel
from bed.packages import APT_SOURCES, DOM0, SUITE
from bed.report import BedError, Progress
from bed.scratch import Scratch, hardlink

TREE_VERSION = "1"
LIBRARIES_VERSION = "1"
IMAGE_VERSION = "3"
DISK_SIZE = "6G"  # sparse
LIBRARIES = "opt/xenhost/venv"
UNWANTED = ("usr/share/man", "usr/share/locale", "usr/share/doc", "usr/share/info")


@dataclass(frozen=True, slots=True)
class Image:
    """A root disk that can be booted."""

    disk: Path
    kernel: Kernel

    @property
    def key(self) -> str:
        """Names the content."""
        return f"{self.disk.parent.name} {self.kernel.entry.name}"


class Builder:
    """Makes images of one project checkout, out of parts that are cached one by one."""

    def __init__(self, cache: Cache, project: Path, progress: Progress) -> None:
        self._cache = cache
        self._project = project
        self._progress = progress
        self._guest_files = project / "tests" / "dom0" / "guest"

    def image(self) -> Image:
        """The image of the present content; nothing is done where that is cached."""
        kernel = kernels.kernel(self._cache, self._guest_files, self._progress)
        tree = self._tree()
        libraries = self._libraries(tree)
        guests = guest_images.guests(self._cache, kernel, tree / "root", self._guest_files, self._progress)
        inside = [self._guest_files / name for name in ("d0init", "hp.c", "start-libvirt")]
        inside += [self._guest_files / "agent.py"]
        scripts = " ".join(self._scripts())
        parts = (tree.name, libraries.name, guests.name, kernel.entry.name)
        key = key_of(IMAGE_VERSION, scripts, libvirt.MODEL, *parts, *inside)

        def make(entry: Path) -> None:
            self._progress.say("root disk image")
            self._assemble(entry, tree / "root", libraries, guests, kernel)

        return Image(self._cache.get("image", key, make) / "root.img", kernel)

    def _tree(self) -> Path:
        key = key_of(TREE_VERSION, " ".join(DOM0), SUITE, APT_SOURCES.read_bytes())

        def make(entry: Path) -> None:
            self._progress.say(f"Debian tree: {len(DOM0)} packages and what they need (about a minute)")
            exclude = [f"--dpkgopt=path-exclude=/{path}/*" for path in UNWANTED]
            options: list[str | Path] = ["--quiet", "--variant=minbase", f"--include={','.join(DOM0)}"]
            options += ["--aptopt=APT::Install-Recommends false", *exclude]
            run(["mmdebstrap", *options, SUITE, entry / "root", APT_SOURCES], timeout=1200)

        return self._cache.get("tree", key, make)

    def _libraries(self, tree: Path) -> Path:
        """A virtual environment with what the project and its tests import, made at its final path in a chroot."""
        project = tomllib.loads((self._project / "pyproject.toml").read_text())
        groups = project["dependency-groups"]["test"]
        wanted = [*project["project"]["dependencies"], *(g for g in groups if isinstance(g, str))]
        constraints = (self._project / "packaging" / "constraints.txt").read_text()
        key = key_of(LIBRARIES_VERSION, tree.name, "\n".join(wanted), constraints)

        def make(entry: Path) -> None:
            self._progress.say(f"Python libraries: {len(wanted)} and what they need")
            wheels = entry / "wheels"
            wheels.mkdir()
            (wheels / "constraints.txt").write_text(constraints)
            (wheels / "wanted.txt").write_text("\n".join(wanted) + "\n")
            pip: list[str | Path] = [self._python(), "-m", "pip", "wheel", "-q", "--disable-pip-version-check"]
            choice: list[str | Path] = ["-c", wheels / "constraints.txt", "-r", wheels / "wanted.txt"]
            run([*pip, "-w", wheels, *choice], timeout=900)
            with Scratch(tree / "root", entry / "scratch") as root:
                shutil.copytree(wheels, root / "tmp" / "wheels")
                in_root: list[str | Path] = ["chroot", root, "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
                run([*in_root, "python3", "-m", "venv", f"/{LIBRARIES}"], timeout=300)
                install = [f"/{LIBRARIES}/bin/pip", "install", "-q", "--no-index"]
                install += ["--find-links", "/tmp/wheels", "-r", "/tmp/wheels/wanted.txt"]
                run([*in_root, *install, "-c", "/tmp/wheels/constraints.txt"], timeout=600)
                (root / LIBRARIES).rename(entry / "venv")
            shutil.rmtree(wheels)

        return self._cache.get("libraries", key, make)

    def _scripts(self) -> list[str]:
        """Names of the project's commands."""
        project = tomllib.loads((self._project / "pyproject.toml").read_text())
        return sorted(project["project"]["scripts"])

    def _python(self) -> Path:
        python = self._project / ".venv" / "bin" / "python"
        if not python.exists():
            raise BedError(f"{python} is missing; run `make venv` first")
        return python

    def _assemble(self, entry: Path, tree: Path, libraries: Path, guests: Path, kernel: Kernel) -> None:
        files = self._guest_files
        with Scratch(tree, entry / "scratch") as root:
            ours = root / "opt" / "xenhost"
            hardlink(libraries / "venv", root / LIBRARIES)
            hardlink(guests, ours / "guests")
            for empty in ("project", "src"):
                (ours / empty).mkdir()
            site = root / LIBRARIES / "lib" / "python3.11" / "site-packages"
            (site / "xenhost-project.pth").write_text(f"/{stage.SITE}\n")
            for script in self._scripts():
                (root / LIBRARIES / "bin" / script).symlink_to(f"/{stage.SCRIPTS}/{script}")
            modules = root / "lib" / "modules"
            modules.mkdir(parents=True, exist_ok=True)
            hardlink(kernel.modules, modules / kernel.version)
            shutil.copy(files / "d0init", root / "sbin" / "d0init")
            (root / "sbin" / "d0init").chmod(0o755)
            (ours / "bed").mkdir()
            shutil.copy(files / "agent.py", ours / "bed" / "agent.py")
            shutil.copy(files / "hp.c", root / "tmp" / "hp.c")
            shutil.copy(files / "start-libvirt", root / "usr" / "local" / "sbin")
            (root / "usr" / "local" / "sbin" / "start-libvirt").chmod(0o755)
            libvirt.adapt(root)
            run(["chroot", root, "depmod", kernel.version], timeout=120)
            compile_hp = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", "/etc/xen/scripts/hp"]
            run(["chroot", root, *compile_hp, "/tmp/hp.c", "-lxenstore"], timeout=120)
            disk = entry / "root.img"
            make_fs = ["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-E", "root_owner=0:0"]
            env = dict(os.environ, PATH=host.SEARCH)
            run([*make_fs, "-d", root, disk, DISK_SIZE], timeout=300, env=env)
