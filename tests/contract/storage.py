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
PROMISES: Final[tuple[Promise, ...]] = (*storage_promises_vdis.PROMISES, *storage_promises_copies.PROMISES)


def in_dom0(*always: str, under_xen: str = "") -> list[object]:
    """Every promise, for a binding of tests/bare.

    Those named are kept in every run: what this type of SR could break, while the rest is the same code as another's.
    `under_xen` names one that is kept in a real dom0, too.
    """
    unknown = {*always, under_xen} - {"", *map(name_of, PROMISES)}
    assert not unknown, unknown
    return [pytest.param(each, marks=_marks(name_of(each), {*always, under_xen}, under_xen)) for each in PROMISES]


def _marks(name: str, always: set[str], under_xen: str) -> tuple[pytest.MarkDecorator, ...]:
    if name == under_xen:
        return (pytest.mark.xen_core,)
    return () if name in always else (pytest.mark.bare_long,)


def name_of(promise: Promise) -> str:
    """How reports call it."""
    return str(getattr(promise, "__name__", promise))


async def keep(promise: Promise, ground: StorageGround) -> None:
    """Run it; skip it where the ground names it as a deviation."""
    why = ground.deviations.get(name_of(promise))
    if why is not None:
        pytest.skip(why)
    await promise(ground)
