"""What the simulated host takes as a disk."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from kit.clock import FakeClock
from kit.specs import disk, spec
from xenhost.core.devices import Source, SourceKind
from xenhost.core.errors import DeviceAttachFailed
from xenhost.drivers.sim.config import SimConfig
from xenhost.drivers.sim.driver import SimHypervisor
from xenhost.drivers.sim.world import World


async def test_an_nbd_export_is_a_disk_while_its_server_listens(tmp_path: Path) -> None:
    hypervisor = SimHypervisor(World(FakeClock(), SimConfig(check_paths=True)))
    await hypervisor.open()
    domid = await hypervisor.create_domain(spec())
    path = tmp_path / "nbd.sock"
    vbd = replace(disk(), source=Source(SourceKind.NBD, f"nbd+unix:///vdi?socket={path}"))
    with pytest.raises(DeviceAttachFailed, match="No such file"):
        await hypervisor.plug_vbd(domid, vbd)
    path.touch()
    with pytest.raises(DeviceAttachFailed, match="is not a socket"):
        await hypervisor.plug_vbd(domid, vbd)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        await hypervisor.plug_vbd(domid, vbd)
    (device,) = await hypervisor.devices(domid)
    assert device.source == vbd.source
    await hypervisor.close()
