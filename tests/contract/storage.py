"""The contract suite of the storage port: what every type of SR promises, executed.

A binding makes a `StorageGround` for its driver and runs every promise of `PROMISES` on it:

    @pytest.mark.parametrize("promise", PROMISES, ids=name_of)
    async def test_promise(promise: Promise, ground: StorageGround) -> None:
        await keep(promise, ground)
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import pytest

from contract import storage_promises_copies, storage_promises_vdis
from contract.storage_ground import StorageGround

LONG: Final = pytest.mark.xen_long
Promise = Callable[[StorageGround], Awaitable[None]]
PROMISES: Final[tuple[Promise, ...]] = (*storage_promises_vdis.PROMISES, *storage_promises_copies.PROMISES)

CORE: Final = frozenset(
    {
        "a_snapshot_of_an_active_vdi_is_of_that_instant",
        "reverting_gives_the_old_content_and_keeps_the_snapshot",
        "a_new_agent_finds_what_the_last_one_left_active",
        "changed_blocks_are_those_written_since",
    }
)
"""The promises that every run keeps where one takes half a minute: in an emulated dom0."""


def in_dom0(promises: Sequence[Promise]) -> list[object]:
    """Parameters for a binding in an emulated dom0: all but the core are marked as long."""
    return [promise if name_of(promise) in CORE else pytest.param(promise, marks=LONG) for promise in promises]


def name_of(promise: Promise) -> str:
    """How reports call it."""
    return str(getattr(promise, "__name__", promise))


async def keep(promise: Promise, ground: StorageGround) -> None:
    """Run it; skip it where the ground names it as a deviation."""
    why = ground.deviations.get(name_of(promise))
    if why is not None:
        pytest.skip(why)
    await promise(ground)
