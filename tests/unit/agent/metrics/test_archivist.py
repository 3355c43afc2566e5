"""From store to file and back: nothing that was known is lost on the way."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from unit.rrd.store_kit import HOST_UUID, MIDDLE, VM, Bench, gauge
from xenhost.agent.metrics.archivist import Archivist
from xenhost.core.errors import InternalError, OperationNotAllowed
from xenhost.rrd import rrd_file
from xenhost.rrd.archive import Archive
from xenhost.rrd.resolution import Cf
from xenhost.rrd.store import Store

LOG = structlog.get_logger("test")
MEMORY = replace(gauge("memory", VM), units="B", description="What it has")


class World:
    """A store with minima and maxima, and its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bench = Bench(Store(HOST_UUID, MIDDLE + 5, vm_extremes=True), now=MIDDLE + 5)
        self.archive = Archive(folder, LOG)
        self.archivist = Archivist(self.archive, self.bench.store, LOG)

    def pass_minutes(self, minutes: int) -> None:
        """With values that grow."""
        for number in range(12 * minutes):
            self.bench.tick({MEMORY: float(number)})

    @property
    def units(self) -> list[tuple[str, str]]:
        """And descriptions, as they are on disk."""
        found = rrd_file.read_meanings(self.archive.path(VM).with_suffix(".json"))
        return [(each.units, each.description) for each in found.values()]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path / "files")
    await made.archivist.open()
    yield made
    await made.archivist.close()


async def test_a_vm_that_ends_keeps_extremes_units_and_descriptions(world: World) -> None:
    await world.archivist.begin(VM)
    world.pass_minutes(10)
    before = world.bench.store.document(VM)
    await world.archivist.end(VM)
    assert VM not in world.bench.store.owners()
    found = world.archive.load(VM)
    assert found is not None
    assert {each.resolution.cf for each in found.archives} == {Cf.AVERAGE, Cf.MIN, Cf.MAX}
    assert found.updated == before.updated
    assert world.units == [("B", "What it has")]
    assert not world.archive._files, "it is not followed any more"


async def test_a_database_that_came_from_elsewhere_keeps_extremes_and_what_is_known_here(world: World) -> None:
    await world.archivist.begin(VM)
    world.pass_minutes(10)
    document = world.bench.store.document(VM)
    await world.archivist.end(VM)
    await world.archivist.put(VM, document)
    found = world.archive.load(VM)
    assert found is not None
    assert {each.resolution.cf for each in found.archives} == {Cf.AVERAGE, Cf.MIN, Cf.MAX}
    assert world.units == [("B", "What it has")]


async def test_a_past_that_came_to_a_vm_that_runs_is_there_after_a_restart(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other")
    other.bench.store.load(VM)
    other.pass_minutes(20)
    world.bench.now = other.bench.now
    await world.archivist.begin(VM)
    world.pass_minutes(2)
    await world.archivist.save()
    await world.archivist.put(VM, other.bench.store.document(VM))
    world.pass_minutes(1)
    await world.archivist.save()
    found = world.archive.load(VM)
    assert found is not None
    assert 160.0 in found.archives[0].values[:, 0].tolist(), "of the time before it came"
    with pytest.raises(OperationNotAllowed, match="in use"):
        await world.archivist.keep(VM, found)
    with pytest.raises(OperationNotAllowed, match="in use"):
        await world.archivist.remove(VM)


async def test_what_cannot_be_written_is_said_and_stays_in_the_store(world: World) -> None:
    await world.archivist.begin(VM)
    world.pass_minutes(2)
    document = world.bench.store.document(VM)
    shutil.rmtree(world.folder)
    with pytest.raises(InternalError, match="cannot be written"):
        await world.archivist.end(VM)
    with pytest.raises(InternalError, match="cannot write an archive"):
        await world.archivist.put(VM, document)
    assert VM in world.bench.store.owners()
    world.folder.mkdir()
    await world.archivist.end(VM)
    assert world.archive.load(VM) is not None
