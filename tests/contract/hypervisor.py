"""The contract suite of the hypervisor port: what every driver promises, executed.

A binding makes a `Ground` for its driver and runs every promise of `PROMISES` on it:

    @pytest.mark.parametrize("promise", PROMISES, ids=name_of)
    async def test_promise(promise: Promise, ground: Ground) -> None:
        await keep(promise, ground)
"""

from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from contract import promises_devices, promises_domains, promises_guests, promises_suspend
from contract.ground import Ground

Promise = Callable[[Ground], Awaitable[None]]
PROMISES: Final[tuple[Promise, ...]] = (
    *promises_domains.PROMISES,
    *promises_guests.PROMISES,
    *promises_devices.PROMISES,
    *promises_suspend.PROMISES,
)


def name_of(promise: Promise) -> str:
    """How reports call it."""
    return str(getattr(promise, "__name__", promise))


async def keep(promise: Promise, ground: Ground) -> None:
    """Run it; skip it where the ground names it as a deviation."""
    why = ground.deviations.get(name_of(promise))
    if why is not None:
        pytest.skip(why)
    await promise(ground)
