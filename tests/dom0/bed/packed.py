"""Installed packages of one Debian tree as an archive for another machine."""

import tarfile
from collections.abc import Sequence
from pathlib import Path

from bed.command import run

UNREAD = ("/usr/share/doc/", "/usr/share/man/", "/usr/share/bash-completion/", "/usr/share/lintian/", "/etc/")


def pack(root: Path, packages: Sequence[str], target: Path, without: Sequence[str] = ()) -> None:
    """What these packages of a Debian tree, and all they depend on, hold: an archive for a machine of the same Debian.

    ``without``: files that nobody needs there.
    """
    wanted = ["dpkg-query", "-W", "-f", "${Package}\\t${Provides}\\t${Depends}, ${Pre-Depends}\\n"]
    needs: dict[str, list[str]] = {}
    for line in run(["chroot", root, *wanted], timeout=60).splitlines():
        name, provided, depends = line.split("\t")
        words = [each.split("|")[0].split("(")[0].split(":")[0].strip() for each in depends.split(",")]
        needs[name] = [each for each in words if each]
        for each in provided.split(","):
            needs.setdefault(each.split("(")[0].strip(), [name])
    taken: set[str] = set()
    todo = list(packages)
    while todo:
        name = todo.pop()
        if name not in taken:
            taken.add(name)
            todo += needs.get(name, [])
    with tarfile.open(target, "w") as out:
        for name in sorted(taken):
            for listed in (root / "var/lib/dpkg/info").glob(f"{name}*.list"):
                if listed.name.removesuffix(".list").split(":")[0] != name or _essential(name):
                    continue
                for line in listed.read_text().splitlines():
                    file = root / line.lstrip("/")
                    if line not in without and not line.startswith(UNREAD) and (file.is_symlink() or file.is_file()):
                        # by the folder's own name: a machine with merged /usr has links for /bin and /lib
                        place = (file.parent.resolve() / file.name).relative_to(root.resolve())
                        out.add(file, str(place), recursive=False)


def _essential(name: str) -> bool:
    """Every Debian has it, and uses it at the moment."""
    return name.startswith(("libc6", "libc-bin", "libgcc", "gcc-", "python3", "libpython3", "dpkg", "passwd")) and not (
        name.startswith("python3-")
    )
