"""The demo's storage: a repository in a folder, and a disk in it. Where QEMU's storage daemon is not there: nothing."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from xenhost.agent.cli.client import Client
from xenhost.agent.cli.demo.stage import Stage
from xenhost.agent.cli.parse import VDI, DiskArg
from xenhost.agent.cli.shapes import shape
from xenhost.agent.cli.waiting import response_of
from xenhost.api.host.v1 import sr_service_pb2, storage_pb2, vdi_service_pb2
from xenhost.core.units import MIB, human_size

SR: Final = "local"
DISK: Final = "data"
SNAPSHOT: Final = "data-before"
DEVICE: Final = "xvdc"

Finish = Callable[[Callable[..., Any], Any], Any]
"""Sees an operation through; raises if it fails."""


class DemoStorage:
    """Its steps. `wanted` false: there are none."""

    def __init__(self, stage: Stage, folder: Path, wanted: bool) -> None:
        self._stage: Final = stage
        self._folder: Final = folder
        self.there: Final = wanted and shutil.which("qemu-storage-daemon") is not None

    def disks(self) -> list[DiskArg]:
        """What the VM gets of it."""
        return [DiskArg(f"{VDI}{DISK}", DEVICE, iops=1000)] if self.there else []

    def make(self, api: Client, finish: Finish) -> None:
        """The repository and the disk."""
        if not self.there:
            return
        with self._stage.step("make a storage repository and a disk in it") as step:
            self._folder.mkdir()
            sr = storage_pb2.Sr(name=SR, type="file", device_config={"location": str(self._folder)})
            made = _answer(finish(api.srs.CreateSr, sr_service_pb2.CreateSrRequest(sr=sr)))
            step.expect("the repository is attached", made["status"]["attached"], True)
            vdi = storage_pb2.Vdi(sr_id=SR, name=DISK, virtual_size_bytes=64 * MIB)
            disk = _answer(finish(api.vdis.CreateVdi, vdi_service_pb2.CreateVdiRequest(vdi=vdi)))
            step.note(f"{DISK}, {human_size(disk['virtual_size_bytes'])}, {disk['status']['format']}")

    def snapshot(self, api: Client, finish: Finish) -> None:
        """Of the disk, which the VM goes on using."""
        if not self.there:
            return
        with self._stage.step("snapshot its disk while it runs") as step:
            request = vdi_service_pb2.SnapshotVdiRequest(id=DISK, name=SNAPSHOT)
            taken = _answer(finish(api.vdis.SnapshotVdi, request))
            disk = shape(api.vdi(DISK))
            step.expect("what it is of", taken["status"]["snapshot_of"], disk["id"])
            step.expect("users of the disk", len(disk["status"]["datapaths"]), 1)
            step.note(f"{human_size(taken['status']['physical_utilisation_bytes'])} for the snapshot")

    def remove(self, api: Client, finish: Finish) -> None:
        """All of it."""
        if not self.there:
            return
        with self._stage.step("delete the disk, its snapshot and the repository") as step:
            for name in (SNAPSHOT, DISK):
                finish(api.vdis.DestroyVdi, vdi_service_pb2.DestroyVdiRequest(id=name))
            finish(api.srs.DestroySr, sr_service_pb2.DestroySrRequest(id=SR))
            step.expect("repositories", [sr.name for sr in api.list_srs()], [])


def _answer(operation: Any) -> dict[str, Any]:
    return shape(response_of(operation)[1])
