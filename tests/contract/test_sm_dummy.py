"""SRs of type `dummy` keep every promise of the storage port that is not about bytes."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from contract.storage import PROMISES, Promise, keep, name_of
from contract.storage_ground import StorageGround
from contract.storage_host import StorageHost, new_sr, open_bytes
from xenhost.core.ports.storage import SrDriver
from xenhost.core.storage import SrSpec
from xenhost.sm.drivers.dummy import DummyDriver

NO_BYTES: Final = dict.fromkeys(
    (
        "a_new_vdi_is_zeros_and_at_least_as_big_as_asked",
        "what_was_written_is_read_after_all_was_let_go_of",
        "an_active_vdi_is_not_destroyed",
        "a_new_agent_finds_what_the_last_one_left_active",
        "a_vdi_grows_and_keeps_what_it_holds",
        "vdis_are_worked_on_side_by_side",
        "a_creation_that_is_cancelled_is_whole_or_never_was",
        "a_snapshot_keeps_what_its_vdi_held",
        "a_snapshot_of_an_active_vdi_is_of_that_instant",
        "taking_a_snapshot_twice_takes_one",
        "a_clone_and_its_origin_go_their_own_ways",
        "a_clone_of_an_active_vdi_is_of_that_instant",
        "deleting_any_of_a_family_leaves_the_others_whole",
        "upkeep_while_a_guest_writes_loses_nothing",
        "a_grown_vdi_and_its_smaller_snapshot_are_both_whole",
    ),
    "VDIs of a dummy SR hold nothing",
)


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[StorageGround]:
    host = StorageHost(tmp_path)

    async def restart() -> SrDriver:
        await host.kill_agent()
        return DummyDriver(await host.context())

    driver = DummyDriver(await host.context())
    ground = StorageGround(driver, lambda: SrSpec(new_sr(), "dummy", {}), restart, open_bytes, deviations=NO_BYTES)
    yield ground
    await ground.close()
    await host.close()


@pytest.mark.parametrize("promise", PROMISES, ids=name_of)
async def test_a_dummy_sr_promises_that(promise: Promise, ground: StorageGround) -> None:
    await keep(promise, ground)
