"""SM records: what several hosts with different drivers have in common."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kit.pool_heart import Heart, heart
from xenhost.api.host.v1 import storage_pb2
from xenhost.pool.call import FrozenMap, Ref
from xenhost.pool.database.record import Record
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.drivers import PENDING, put_drivers


class Ground:
    """A pool of two hosts, of which the first is the master."""

    def __init__(self, found: Heart, hosts: tuple[Ref, Ref]) -> None:
        self.heart = found
        self.first, self.second = hosts

    async def tell(self, host: Ref, *drivers: storage_pb2.SmDriver) -> None:
        await self.heart.database.change(lambda t: put_drivers(Book(t, host), drivers))

    @property
    def records(self) -> dict[str, Record]:
        return {str(record["type"]): record for record in self.heart.database.rows("SM").values()}


def driver(kind: str = "nfs", version: str = "1", **features: int) -> storage_pb2.SmDriver:
    return storage_pb2.SmDriver(type=kind, name=kind.upper(), version=version, capabilities=features)


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    async with heart(tmp_path) as found:
        first, second = [await found.make("host") for _ in range(2)]
        await found.make("pool", master=first)
        yield Ground(found, (first, second))


async def test_a_record_says_what_a_driver_is(ground: Ground) -> None:
    told = driver(SR_PROBE=1, VDI_RESET_ON_BOOT=2)
    told.description, told.vendor, told.copyright, told.required_api_version = "d", "v", "c", "5.0"
    told.configuration.add(name="server", description="its address", required=True)
    told.image_formats.extend(["qcow2", "vmdk"])
    told.filename = "/usr/libexec/x"
    told.required_cluster_stack.append("corosync")
    await ground.tell(ground.first, told)
    record = ground.records["nfs"]
    assert record["name_label"] == "NFS"
    assert (record["name_description"], record["vendor"], record["copyright"]) == ("d", "v", "c")
    assert (record["version"], record["required_api_version"]) == ("1", "5.0")
    assert record["configuration"] == {"server": "its address"}
    assert record["capabilities"] == ("SR_PROBE", "VDI_RESET_ON_BOOT")
    assert record["features"] == {"SR_PROBE": 1, "VDI_RESET_ON_BOOT": 2}
    assert record["supported_image_formats"] == ("qcow2",)
    assert record["driver_filename"] == "/usr/libexec/x"
    assert record["required_cluster_stack"] == ("corosync",)
    assert record["other_config"] == {}
    assert PENDING not in record


async def test_what_only_one_host_can_do_waits_until_the_other_can(ground: Ground) -> None:
    await ground.tell(ground.first, driver(SR_PROBE=1, VDI_MIRROR=2))
    await ground.tell(ground.second, driver(SR_PROBE=1, VDI_CLONE=1))
    record = ground.records["nfs"]
    assert record["features"] == {"SR_PROBE": 1}
    assert record.value(PENDING) == {ground.first: ("VDI_MIRROR/2",), ground.second: ("VDI_CLONE/1",)}
    await ground.tell(ground.second, driver(SR_PROBE=1, VDI_MIRROR=1))
    record = ground.records["nfs"]
    assert record["features"] == {"SR_PROBE": 1, "VDI_MIRROR": 1}
    assert record.value(PENDING) == {ground.first: ("VDI_MIRROR/2",), ground.second: ()}
    await ground.tell(ground.second, driver(SR_PROBE=1, VDI_MIRROR=2))
    assert ground.records["nfs"]["features"] == {"SR_PROBE": 1, "VDI_MIRROR": 2}


async def test_a_record_stays_the_same_object_and_goes_with_the_last_host_that_has_the_driver(ground: Ground) -> None:
    await ground.tell(ground.first, driver(SR_PROBE=1, VDI_CLONE=1), driver("zfs"))
    await ground.tell(ground.second, driver(SR_PROBE=1))
    ref = ground.records["nfs"].ref
    mine = FrozenMap({"mine": "kept"})
    await ground.heart.database.change(lambda t: t.set("SM", ref, {"other_config": mine}))
    await ground.tell(ground.second)
    record = ground.records["nfs"]
    assert (record.ref, record["other_config"]) == (ref, mine)
    assert record["features"] == {"SR_PROBE": 1, "VDI_CLONE": 1}
    await ground.tell(ground.first, driver("zfs"))
    assert set(ground.records) == {"zfs"}


async def test_names_and_versions_are_those_of_the_master_if_it_has_the_driver(ground: Ground) -> None:
    await ground.tell(ground.second, driver(version="2"))
    await ground.tell(ground.first, driver(version="3"))
    await ground.tell(ground.second, driver(version="4"))
    assert ground.records["nfs"]["version"] == "3"
    await ground.tell(ground.first)
    await ground.tell(ground.second, driver(version="4"))
    assert ground.records["nfs"]["version"] == "4"
