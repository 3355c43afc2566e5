"""BOND_STATUS_CHANGED: told when members of a bond lose or regain their link, in XenServer's words."""

from typing import Final, Protocol

import structlog

from xenhost.agent.engine.actor import contained
from xenhost.agent.events.hub import EventHub
from xenhost.agent.messages.log import MessageLog
from xenhost.core.errors import HandleInvalid, ResumeTokenExpired
from xenhost.core.events import ObjectKind
from xenhost.core.network_records import BondId, PifId
from xenhost.core.network_views import BondView, PifView

_log = structlog.get_logger()

NAME: Final = "BOND_STATUS_CHANGED"
PRIORITY: Final = 3
KINDS: Final = frozenset({ObjectKind.BOND})


class Bonds(Protocol):
    """Who knows them. Views of what does not exist raise HandleInvalid."""

    def bond(self, bond: BondId) -> BondView:
        """One of them."""
        ...

    def bonds(self) -> "list[BondView]":
        """Every bond."""
        ...

    def pif(self, pif: PifId) -> PifView:
        """A member."""
        ...


def bond_text(devices: tuple[str, ...], up: int, before: int | None) -> str:
    """The body; empty if there is nothing to say. `before`: links that were up, None if the bond was never seen."""
    total = len(devices)
    what = f"The status of the {'+'.join(devices)} bond"
    if before is None:
        return f"{what} is: {up}/{total} up" if up != total else ""
    return f"{what} changed: {up}/{total} up (was {before}/{total})" if up != before else ""


class BondWatcher:
    """Follows the events of bonds."""

    def __init__(self, bonds: Bonds, hub: EventHub, messages: MessageLog, host_id: str) -> None:
        self._bonds: Final = bonds
        self._hub: Final = hub
        self._messages: Final = messages
        self._host_id: Final = host_id
        self._seen: Final[dict[str, tuple[tuple[str, ...], int]]] = {}

    async def run(self) -> None:
        """Until the hub is closed. A message that cannot be kept is logged, and told at the bond's next event."""
        while True:
            changes = self._hub.subscribe(None, KINDS)
            for view in self._bonds.bonds():
                await self._look_at(view.bond.id)
            try:
                async for batch, _ in changes:
                    for change in batch:
                        await self._look_at(change.ref.id)
                return
            except ResumeTokenExpired:
                continue

    async def _look_at(self, bond: str) -> None:
        await contained(self._look(bond), _log, bond=bond)

    async def _look(self, bond: str) -> None:
        try:
            view = self._bonds.bond(BondId(bond))
            devices = tuple(self._bonds.pif(member).pif.device for member in view.bond.members)
        except HandleInvalid:
            self._seen.pop(bond, None)
            return
        known = self._seen.get(bond)
        if not view.members:
            self._seen.pop(bond, None)  # it is not made yet, or not any more: its links are not known
            return
        before = known[1] if known is not None and known[0] == devices else None
        text = bond_text(devices, view.links_up, before)
        if text:
            await self._messages.send(NAME, PRIORITY, "Host", self._host_id, text)
        self._seen[bond] = devices, view.links_up
