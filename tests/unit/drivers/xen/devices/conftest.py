"""A stubbed xenstored with a played kernel, and the device half of the driver on it."""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from device_stub.kernel import FakeKernel
from native_stub.daemon import Daemon, find_program, running
from xenhost.core.devices import DeviceClass
from xenhost.core.ids import DomId
from xenhost.drivers.network.plain import PlainBridges
from xenhost.drivers.xen import paths
from xenhost.drivers.xen.devices.plugs import Devices
from xenhost.drivers.xen.devices.wiring import Patience
from xenhost.native.xenstore import Xenstore

DOMID = DomId(7)
BRIDGE = "xhtest0"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The stock C xenstored."""
    if find_program("xenstored") is None:
        pytest.skip("xenstored is not installed (Debian: xen-utils-4.17, xenstore-utils)")
    with running("xenstored", tmp_path_factory.mktemp("xenstored")) as daemon:
        yield daemon


@pytest.fixture
async def xs(daemon: Daemon) -> AsyncIterator[Xenstore]:
    """A client; there is one domain of ours."""
    async with Xenstore(daemon.address) as client:
        await client.write(paths.record_type(DOMID), "pv")
        yield client
        await client.rm_many([paths.ROOT, paths.home(DOMID), f"{paths.HOMES}/0"])


@pytest.fixture
async def kernel(daemon: Daemon, xs: Xenstore) -> AsyncIterator[FakeKernel]:
    """Opened by `devices`."""
    kernel = FakeKernel(daemon.address)
    yield kernel
    await kernel.close()


@pytest.fixture
async def devices(xs: Xenstore, kernel: FakeKernel, tmp_path: Path) -> AsyncIterator[Devices]:
    """The driver; afterwards nothing of any device may be left."""
    devices = Devices(xs, PlainBridges(), kernel=kernel, patience=Patience(attach=5.0, detach=5.0, loop=5.0))
    await devices.open()
    yield devices
    await devices.teardown(DOMID)
    for cls in DeviceClass:
        parents = [paths.frontends(DOMID, cls), paths.backends(DOMID, cls), paths.record_class(DOMID, cls)]
        assert [listing or [] for listing in await xs.ls_many(parents)] == [[], [], []]
    assert loops_below(tmp_path) == []
    await devices.close()


@pytest.fixture
def loops() -> None:
    """Loop devices can be made here."""
    if os.geteuid() != 0 or not Path("/dev/loop-control").exists():
        pytest.skip("needs root and /dev/loop-control; `make test-xen` runs it in the dom0")


@pytest.fixture
def bridge(loops: None) -> Iterator[str]:
    """A real Linux bridge."""
    if not Path("/dev/net/tun").exists():
        pytest.skip("needs /dev/net/tun; `make test-xen` runs it in the dom0")
    subprocess.run(["ip", "link", "add", BRIDGE, "type", "bridge"], check=True)
    yield BRIDGE
    subprocess.run(["ip", "link", "del", BRIDGE], check=True)


@pytest.fixture
def file(tmp_path: Path, loops: None) -> Path:
    """A raw disk."""
    path = tmp_path / "disk.raw"
    path.touch()
    os.truncate(path, 1024 * 1024)
    return path


def loops_below(folder: Path) -> list[str]:
    """Files in the folder that are behind loop devices."""
    files = [each.read_text().strip() for each in Path("/sys/block").glob("loop*/loop/backing_file")]
    return [each for each in files if each.startswith(f"{folder}/")]
