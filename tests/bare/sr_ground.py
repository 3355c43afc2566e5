"""Real disks for SRs in the dom0: sparse files as loop devices, new ones for each SR."""

import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from contract.storage import PROMISES, name_of
from contract.storage_ground import StorageGround
from contract.storage_host import StorageHost, new_sr, open_bytes
from xenhost.core.ports.storage import SrDriver
from xenhost.core.storage import SrSpec
from xenhost.core.units import MIB
from xenhost.sm.context import SmContext

THE_PATH: Final = [
    promise
    for promise in PROMISES
    if name_of(promise)
    in (
        "a_destroyed_sr_is_gone_and_its_place_is_free",
        "what_was_written_is_read_after_all_was_let_go_of",
        "a_new_agent_finds_what_the_last_one_left_active",
        "a_snapshot_of_an_active_vdi_is_of_that_instant",
    )
]
"""What another way to the disk could break in an LVM SR; the rest is the same code as with local disks."""


def run(*argv: str, check: bool = True, stdin: str = "") -> str:
    """Run a program; its output."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, input=stdin)
    assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout


class LoopDisks:
    """Loop devices on sparse files of a folder, detached at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.paths: list[str] = []

    def new(self, size: int = 512 * MIB) -> str:
        """Another one."""
        file = self._folder / f"disk-{len(self.paths)}"
        with file.open("wb") as out:
            out.truncate(size)
        self.paths.append(run("losetup", "-f", "--show", str(file)).strip())
        return self.paths[-1]

    def close(self) -> None:
        """Remove all, and whatever device-mapper still has on top of them."""
        for _ in range(3):
            for line in run("dmsetup", "ls", check=False).splitlines():
                if line.startswith("VG_XenStorage"):
                    run("dmsetup", "remove", line.split()[0], check=False)
        for path in self.paths:
            run("losetup", "-d", path, check=False)


@asynccontextmanager
async def grounded(
    folder: Path, driver: Callable[[SmContext], SrDriver], config: Callable[[], Mapping[str, str]], **fields: object
) -> AsyncIterator[StorageGround]:
    """A ground for a driver whose SRs are told apart by device-config."""
    host = StorageHost(folder)

    def spec() -> SrSpec:
        return SrSpec(new_sr(), driver_made.info.type, config())

    async def restart() -> SrDriver:
        await host.kill_agent()
        return driver(await host.context())

    driver_made = driver(await host.context())
    ground = StorageGround(driver_made, spec, restart, open_bytes, **fields)  # type: ignore[arg-type]  # a test's own
    try:
        yield ground
        await ground.close()
    finally:
        await host.close()
