"""Mounts: what the kernel lists, what device-config may say, and mounting by programs that hang or fail."""

from pathlib import Path

import pytest

from xenhost.core.storage_errors import SrBackendFailure
from xenhost.sm.command import CommandError, Commands, CommandTimeout, Result
from xenhost.sm.mount import config
from xenhost.sm.mount.mounts import Mounts, Recipe
from xenhost.sm.mount.table import Mounted, holding, mounted_at, parse

LIST = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /run/sr-mount/a rw - nfs4 10.0.0.1:/srs/a rw,vers=4.2
31 22 0:41 / /srv/my\\040disks rw shared:5 master:2 - zfs tank/x rw
32 22 0:42 / /run/sr-mount/a rw - ext4 /dev/sdb rw
nonsense
"""


def test_the_list_of_the_kernel_is_read() -> None:
    table = parse(LIST)
    assert len(table) == 4
    assert mounted_at(table, "/run/sr-mount/a") == Mounted("/run/sr-mount/a", "/dev/sdb", "ext4")
    assert mounted_at(table, "/run/sr-mount") is None
    assert holding(table, "/srv/my disks/sr") == Mounted("/srv/my disks", "tank/x", "zfs")
    assert holding(table, "/srv/my disks2") == Mounted("/", "/dev/sda1", "ext4")


@pytest.mark.parametrize("value", ["", "-o", "a b", "host,other", "x\n", "a;b", "../x", "x" * 300])
def test_what_is_no_host_is_refused(value: str) -> None:
    with pytest.raises(SrBackendFailure) as refused:
        config.host({"server": value}, "server", 102)
    assert refused.value.number == 102


@pytest.mark.parametrize("value", ["", "relative", "/a/../b", "/a,b", "/a\nb", "/" + "x" * 2000])
def test_what_is_no_path_is_refused(value: str) -> None:
    with pytest.raises(SrBackendFailure):
        config.path({"serverpath": value}, "serverpath", 101)


def test_options_are_taken_as_users_write_them() -> None:
    assert config.options({"options": "-o hard,timeo=50"}, "options", 73) == ("hard", "timeo=50")
    assert config.options({}, "options", 73) == ()
    with pytest.raises(SrBackendFailure):
        config.options({"options": "hard,a b"}, "options", 73)


class Programs(Commands):
    """Mount programs on a table in memory."""

    def __init__(self) -> None:
        self.mounted: dict[str, str] = {}
        self.ran: list[tuple[str, ...]] = []
        self.fails: dict[str, CommandError] = {}

    async def run(self, *argv: str, **_: object) -> Result:
        self.ran.append(argv)
        if (error := self.fails.pop(argv[0], None)) is not None:
            raise error
        if argv[0] == "mount":
            self.mounted[argv[-1]] = argv[-2]
        else:
            self.mounted.pop(argv[-1])
        return Result(0, b"", b"")


class Table(Mounts):
    """Reads that table."""

    def __init__(self, programs: Programs) -> None:
        super().__init__(programs)
        self._programs = programs

    async def table(self) -> tuple[Mounted, ...]:
        return tuple(Mounted(target, source, "nfs4") for target, source in self._programs.mounted.items())


RECIPE = Recipe("nfs", "10.0.0.1:/srs/a", ("hard",), failure=73)


async def test_mounting_twice_mounts_once_and_unmounting_clears_the_place(tmp_path: Path) -> None:
    programs = Programs()
    mounts, target = Table(programs), tmp_path / "a"
    for _ in range(2):
        await mounts.mount(RECIPE, target)
    assert programs.ran == [("mount", "-t", "nfs", "-o", "hard", "10.0.0.1:/srs/a", str(target))]
    for _ in range(2):
        await mounts.unmount(target, 74)
    assert programs.mounted == {}
    assert not target.exists()


async def test_a_mount_that_fails_leaves_nothing(tmp_path: Path) -> None:
    programs = Programs()
    programs.fails["mount"] = CommandError("mount failed with status 32: access denied")
    with pytest.raises(SrBackendFailure, match="access denied") as refused:
        await Table(programs).mount(RECIPE, tmp_path / "a")
    assert refused.value.number == 73
    assert not (tmp_path / "a").exists()


async def test_a_mount_whose_server_is_silent_is_let_go_of_lazily(tmp_path: Path) -> None:
    programs = Programs()
    mounts, target = Table(programs), tmp_path / "a"
    await mounts.mount(RECIPE, target)
    programs.fails["umount"] = CommandTimeout("umount did not end within 20 s and was killed")
    await mounts.unmount(target, 74)
    assert programs.ran[-1] == ("umount", "-f", "-l", str(target))
    assert programs.mounted == {}


async def test_what_is_mounted_for_a_while_is_unmounted_whatever_happens(tmp_path: Path) -> None:
    programs = Programs()
    with pytest.raises(ZeroDivisionError):
        async with Table(programs).for_a_while(RECIPE, tmp_path / "a"):
            raise ZeroDivisionError
    assert programs.mounted == {}
