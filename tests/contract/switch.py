"""The contract suite of the switch port: what every kind of switch promises, executed.

A binding makes a `SwitchGround` for its switch and runs every promise, or those groups which its kernel can, on it:

    @pytest.mark.parametrize("promise", PROMISES, ids=name_of)
    async def test_promise(promise: Promise, ground: SwitchGround) -> None:
        await keep(promise, ground)
"""

from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from contract import (
    switch_promises_bonds,
    switch_promises_bridges,
    switch_promises_controllers,
    switch_promises_locking,
    switch_promises_proxies,
    switch_promises_tunnels,
    switch_promises_vifs,
    switch_promises_vlans,
)
from contract.switch_ground import SwitchGround

Promise = Callable[[SwitchGround], Awaitable[None]]
BRIDGES: Final[tuple[Promise, ...]] = switch_promises_bridges.PROMISES
VIFS: Final[tuple[Promise, ...]] = switch_promises_vifs.PROMISES
LOCKING: Final[tuple[Promise, ...]] = switch_promises_locking.PROMISES
VLANS: Final[tuple[Promise, ...]] = switch_promises_vlans.PROMISES
BONDS: Final[tuple[Promise, ...]] = switch_promises_bonds.PROMISES
TUNNELS: Final[tuple[Promise, ...]] = switch_promises_tunnels.PROMISES
PROXIES: Final[tuple[Promise, ...]] = switch_promises_proxies.PROMISES
CONTROLLERS: Final[tuple[Promise, ...]] = switch_promises_controllers.PROMISES
PROMISES: Final = (*BRIDGES, *VIFS, *LOCKING, *VLANS, *BONDS, *TUNNELS, *CONTROLLERS, *PROXIES)


def name_of(promise: Promise) -> str:
    """How reports call it."""
    return str(getattr(promise, "__name__", promise))


async def keep(promise: Promise, ground: SwitchGround) -> None:
    """Run it; skip it where the ground names it as a deviation."""
    why = ground.deviations.get(name_of(promise))
    if why is not None:
        pytest.skip(why)
    await promise(ground)
