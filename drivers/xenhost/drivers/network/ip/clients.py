"""All DHCP clients of the host that are ours."""

import asyncio
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from xenhost.core.clock import Clock
from xenhost.core.network import Problem
from xenhost.drivers.network.ip.dhcp_client import DhcpClient
from xenhost.drivers.network.ip.wish import ClientKey, Leases

logger = structlog.get_logger()

_FIRST_REST: Final = 1.0
_LONGEST_REST: Final = 60.0
"""Seconds before a client that ended is started again; doubled each time, unless it had run for longer."""


class DhcpClients:
    """Starts, finds and ends them. Callers take turns."""

    def __init__(self, folder: Path, log_dir: Path, clock: Clock, look_soon: Callable[[float], None]) -> None:
        """`look_soon`: called when one has ended, with the seconds after which `keep` shall be called."""
        self._folder = folder
        self._log_dir = log_dir
        self._clock = clock
        self._look_soon = look_soon
        self._clients: dict[ClientKey, DhcpClient] = {}
        self._started: dict[ClientKey, float] = {}
        self._rests: dict[ClientKey, float] = {}

    async def open(self) -> None:
        """Learn which an earlier agent had."""
        for key in await asyncio.to_thread(self._remembered):
            self._clients[key] = self._client(key)

    def close(self) -> None:
        """Let go of them; they go on."""
        for client in self._clients.values():
            client.release()

    async def keep(self, wanted: Mapping[ClientKey, int]) -> list[Problem]:
        """Have those run, each on the interface of that index, that are not at rest after they ended."""
        problems = []
        for key, index in wanted.items():
            ended = self._started.get(key, 0.0) + self._rests.get(key, 0.0)
            if self._rests.get(key) and self._clock.monotonic() < ended:
                continue
            client = self._clients.setdefault(key, self._client(key))
            try:
                if await client.ensure(index):
                    self._started[key] = self._clock.monotonic()
                    logger.info("DHCP client started", interface=key[0], version=key[1])
            except OSError as failed:  # TimeoutError too
                problems.append(Problem(key[0], f"the DHCP client cannot be started: {failed}"))
        return problems

    async def end_all_but(self, wanted: frozenset[ClientKey]) -> list[Problem]:
        """End the others."""
        problems = []
        for key in [key for key in self._clients if key not in wanted]:
            try:
                await self._clients[key].stop()
            except TimeoutError as failed:
                problems.append(Problem(key[0], str(failed)))
            else:
                del self._clients[key]
                self._rests.pop(key, None)
        return problems

    def leases(self) -> Leases:
        """What they have now. Reads small files."""
        return {key: client.lease() for key, client in list(self._clients.items())}

    def _client(self, key: ClientKey) -> DhcpClient:
        interface, version = key
        name = f"{interface}-{version}"
        log = self._log_dir / f"dhcp-{name}.log"
        return DhcpClient(self._folder / name, interface, version, log, partial(self._ended, key))

    def _ended(self, key: ClientKey) -> None:
        now = self._clock.monotonic()
        lasted = now - self._started.get(key, now)
        rest = _FIRST_REST if lasted > _LONGEST_REST else min(_LONGEST_REST, 2 * self._rests.get(key, _FIRST_REST / 2))
        self._rests[key], self._started[key] = rest, now
        logger.warning("a DHCP client ended by itself", interface=key[0], version=key[1], again_in=rest)
        self._look_soon(rest)

    def _remembered(self) -> list[ClientKey]:
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        parts = (name.rpartition("-") for name in names)
        return [(interface, int(version)) for interface, _, version in parts if version in ("4", "6")]
