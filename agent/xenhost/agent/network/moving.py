"""VIFs follow the uplink of their bridge to another one: into a new bond, out of one that goes, to a merged VLAN."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final

import structlog

from xenhost.agent.engine.actor import contained
from xenhost.agent.network.applying import Applier
from xenhost.agent.network.config import NetworkConfig
from xenhost.agent.network.journal import MOVES, DropDocument, PutDocument, write_moves
from xenhost.agent.network.known import Known
from xenhost.agent.network.store import NetworkStore
from xenhost.core.clock import Clock
from xenhost.core.errors import XenhostError

Move = Callable[[str, str], Awaitable[None]]
"""Moves all VIFs, of VMs that run or not, from one bridge to another. May be called again at any time."""


class Mover:
    """Moves are on disk with the change that caused them, until they are done."""

    def __init__(
        self, known: Known, store: NetworkStore, applier: Applier, clock: Clock, config: NetworkConfig
    ) -> None:
        self._known: Final = known
        self._store: Final = store
        self._applier: Final = applier
        self._clock: Final = clock
        self._config: Final = config
        self._moves: dict[str, str] = {}
        self._wake: Final = asyncio.Event()
        self._log: Final = structlog.get_logger("xenhost.network")
        self._move: Move | None = None

    def use(self, move: Move) -> None:
        """Who can move VIFs."""
        self._move = move
        self._wake.set()

    def remember(self, moves: Mapping[str, str]) -> None:
        """Found on disk, or just written there."""
        self._moves.update(moves)
        self._wake.set()

    def with_more(self, moves: Mapping[str, str]) -> tuple[PutDocument, ...]:
        """What to write for these beside those that are not done yet."""
        return (PutDocument(MOVES, write_moves({**self._moves, **moves})),) if moves else ()

    async def run(self) -> None:
        """Until cancelled."""
        attempt = 0
        while True:
            if self._moves and self._move is not None:
                self._wake.clear()
                if await self._round(self._move):
                    attempt = 0
                    continue
                delays = self._config.retry_delays
                await self._clock.sleep(delays[attempt] if attempt < len(delays) else self._config.retry_cap)
                attempt += 1
            else:
                await self._wake.wait()
                self._wake.clear()

    async def _round(self, move: Move) -> bool:
        """Were all of them moved?"""
        fault = ""
        for old, new in tuple(self._moves.items()):
            fault = await self._tried(old, self._one(move, old, new)) or fault
        return not fault

    async def _one(self, move: Move, old: str, new: str) -> None:
        await move(old, new)
        self._known.needed.pop(old, None)
        if self._moves.get(old) == new:
            del self._moves[old]
        left = PutDocument(MOVES, write_moves(self._moves)) if self._moves else DropDocument(MOVES)
        await self._store.write(left)
        await self._applier.apply()

    async def _tried(self, bridge: str, work: Coroutine[Any, Any, None]) -> str:
        failures: list[str] = []

        async def attempt() -> None:
            try:
                await work
            except XenhostError as error:
                failures.append(str(error))
                self._log.warning("VIFs cannot follow their network", bridge=bridge, error=str(error))

        return await contained(attempt(), self._log, bridge=bridge) or "".join(failures)
