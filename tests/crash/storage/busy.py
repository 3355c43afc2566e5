"""A storage engine on a real `file` SR, and a client of it that does one thing after another until it is killed."""

import asyncio
import random
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from xenhost.agent.engine.operations import OperationTable
from xenhost.agent.events.hub import EventHub
from xenhost.agent.storage.config import StorageConfig
from xenhost.agent.storage.engine import StorageEngine
from xenhost.core.errors import XenhostError
from xenhost.core.storage import AttachMode, IoLimits, NewSnapshot, NewVdi, SrId, SrSpec, VdiId
from xenhost.core.storage_requests import (
    CloneVdi,
    CopyVdi,
    CreateSr,
    CreateVdi,
    DestroyVdi,
    ResizeVdi,
    RevertVdi,
    ScanSr,
    SnapshotVdi,
    StorageRequest,
)
from xenhost.core.units import MIB
from xenhost.sm.command import Commands
from xenhost.sm.context import SmContext
from xenhost.sm.datapath.blocks import PlainBlocks
from xenhost.sm.datapath.images import ImageServers
from xenhost.sm.drivers.file import FileDriver
from xenhost.sm.transfer.copy import Copier
from xenhost.system.clock import SystemClock

SR: Final = SrId("5a000000-0000-4000-8000-000000000001")
KEPT: Final = VdiId("5a000000-0000-4000-8000-000000000002")
"""Never changed: what it holds must outlive everything."""
ALIVE: Final = "alive"
AT_ONCE: Final = 4


class Host:
    """One life of the agent's storage."""

    def __init__(self, folder: Path, run_dir: Path) -> None:
        clock, commands, log = SystemClock(), Commands(), structlog.get_logger()
        for name in ("state", "mount", "log", "sr"):
            (folder / name).mkdir(exist_ok=True)
        self.images: Final = ImageServers(run_dir, folder / "log", clock, log)
        context = SmContext(
            "host", folder / "state", run_dir, folder / "mount", folder / "log", clock, commands, self.images, log
        )
        self.hub: Final = EventHub("instance")
        self.operations: Final = OperationTable(self.hub, clock, 1000, 1e9)
        self.spec: Final = SrSpec(SR, "file", {"location": str(folder / "sr")}, name="local")
        self.engine: Final = StorageEngine(
            {"file": FileDriver(context)},
            self.images,
            PlainBlocks(),
            Copier(commands),
            folder / "state",
            clock,
            self.operations,
            self.hub,
            boot_id="boot",
            config=StorageConfig(chore_settle=0.05, retry_delays=(0.1, 0.5, 1.0), drain=1.0),
        )

    async def start(self) -> None:
        """Find what an earlier life left, and go on."""
        await self.images.find()
        await self.engine.start()

    async def do(self, request: StorageRequest) -> str:
        """To its end; the VDI it made."""
        operation = await self.engine.submit(request)
        tracked = self.operations.get(operation.id)
        await tracked.done.wait()
        if tracked.error is not None:
            raise tracked.error
        return tracked.result

    async def close(self) -> None:
        """End it well."""
        await self.engine.close()
        await self.images.release()


async def busy(host: Host, luck: random.Random) -> None:
    """One thing after another, on whatever is there."""
    while True:
        vdis = [view for view in host.engine.vdis() if view.vdi.managed and view.vdi.id != KEPT]
        view = luck.choice(vdis) if vdis else None
        with suppress(XenhostError):
            if view is None or len(vdis) < 4:
                await host.do(CreateVdi(SR, NewVdi(VdiId(""), MIB * luck.randint(1, 8))))
                continue
            vdi, datapath = view.vdi.id, f"vbd/{view.vdi.id}/xvda"
            match luck.randrange(9 if len(vdis) < 12 else 4):
                case 0 | 1:
                    await host.engine.disconnect(datapath)
                    await host.do(DestroyVdi(vdi))
                case 2:
                    await host.engine.connect(datapath, vdi, AttachMode.RW, IoLimits())
                case 3:
                    await host.engine.disconnect(datapath)
                    snapshots = [each.vdi.id for each in vdis if each.vdi.snapshot_of == vdi]
                    if snapshots:
                        await host.do(RevertVdi(vdi, luck.choice(snapshots)))
                case 4 | 5:
                    await host.do(SnapshotVdi(vdi, NewSnapshot(VdiId(""))))
                case 6:
                    await host.do(CloneVdi(vdi, NewSnapshot(VdiId(""))))
                case 7:
                    await host.do(CopyVdi(luck.choice((vdi, KEPT)), SR, NewVdi(VdiId(""), 0)))
                case _:
                    await host.do(ResizeVdi(vdi, view.vdi.virtual_size + MIB))
                    await host.do(ScanSr(SR))


async def main(folder: Path, run_dir: Path, seed: int) -> None:
    """Until killed."""
    host = Host(folder, run_dir)
    await host.start()
    if not host.engine.srs():
        await host.do(CreateSr(host.spec))
        await host.do(CreateVdi(SR, NewVdi(KEPT, 8 * MIB, "kept")))
    print(ALIVE, flush=True)
    await asyncio.gather(*(busy(host, random.Random(f"{seed}/{number}")) for number in range(AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
