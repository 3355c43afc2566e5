"""The contract suite of the storage port: what every type of SR promises, executed.

A binding makes a `StorageGround` for its driver and runs every promise of `PROMISES` on it:

    @pytest.mark.parametrize("promise", PROMISES, ids=name_of)
    async def test_promise(promise: Promise, ground: StorageGround) -> None:
        await keep(promise, ground)
"""

from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from contract import storage_promises_copies, storage_promises_vdis
from contract.storage_ground import StorageGround

Promise = Callable[[StorageGround], Awaitable[None]]
_CORE: Final = pytest.mark.xen_core
PROMISES: Final[tuple[Promise, ...]] = (*storage_promises_vdis.PROMISES, *storage_promises_copies.PROMISES)


def in_dom0(*core: str) -> list[object]:
    """Every promise, for a binding of tests/bare; those named are kept under Xen, too, in every run."""
    return [pytest.param(each, marks=_CORE if name_of(each) in core else ()) for each in PROMISES]


def name_of(promise: Promise) -> str:
    """How reports call it."""
    return str(getattr(promise, "__name__", promise))


async def keep(promise: Promise, ground: StorageGround) -> None:
    """Run it; skip it where the ground names it as a deviation."""
    why = ground.deviations.get(name_of(promise))
    if why is not None:
        pytest.skip(why)
    await promise(ground)
