"""Limits of the host, its VMs and SRs: kept on disk, compared with each minute's values, told when exceeded."""

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from xenhost.agent.engine.actor import contained
from xenhost.agent.messages.log import MessageLog
from xenhost.agent.messages.store import MessageStore, PutAlerts
from xenhost.agent.metrics.alerts.rule import Rule, parse_rules
from xenhost.agent.metrics.alerts.watch import STEP, Dom0Usage, RuleWatch
from xenhost.core.clock import Clock
from xenhost.core.errors import InvalidValue
from xenhost.core.metrics import HOST, Owner, OwnerKind
from xenhost.rrd.resolution import Cf
from xenhost.rrd.store import Store
from xenhost.rrd.updates import Updates, UpdatesQuery

Log = structlog.typing.FilteringBoundLogger

NAME: Final = "ALARM"
CLASSES: Final[Mapping[OwnerKind, str]] = {OwnerKind.HOST: "Host", OwnerKind.VM: "VM", OwnerKind.SR: "SR"}
LATE: Final = 15.0
"""Seconds into a minute at which the minute before is looked at: all of its readings are in by then."""
MAX_OWNERS: Final = 10_000

Values = Mapping[Owner, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class AlertConfig:
    """What is watched of one owner."""

    owner: Owner
    config: str
    """XML, as it was given."""


class Alerts:
    """For the event loop's thread; values are looked up in another one."""

    def __init__(
        self,
        store: Store,
        kept: MessageStore,
        messages: MessageLog,
        host_id: str,
        dom0: Callable[[], Dom0Usage],
        clock: Clock,
        log: Log,
    ) -> None:
        self._store: Final = store
        self._kept: Final = kept
        self._messages: Final = messages
        self._host_id: Final = host_id
        self._dom0: Final = dom0
        self._clock: Final = clock
        self._log: Final = log
        self._configs: Final[dict[Owner, str]] = {}
        self._watches: Final[dict[Owner, tuple[RuleWatch, ...]]] = {}
        self._seen = 0

    def restore(self, alerts: Mapping[tuple[str, str], str]) -> None:
        """Begin with what an earlier agent kept; what is not understood any more is logged."""
        for (kind, uuid), config in alerts.items():
            owner = Owner(OwnerKind(kind), uuid)
            self._configs[owner] = config
            try:
                self._watch(owner, parse_rules(config, owner.kind, uuid))
            except InvalidValue as error:
                self._log.error("alerts cannot be watched", owner=f"{kind} {uuid}", reason=str(error))

    def configs(self) -> Sequence[AlertConfig]:
        """All there are."""
        return [AlertConfig(owner, config) for owner, config in self._configs.items()]

    def config(self, owner: Owner) -> str:
        """Of one owner; empty: it has none."""
        return self._configs.get(owner, "")

    async def set(self, owner: Owner, untrusted_config: str) -> None:
        """Watch this from now on; empty: nothing. On disk when it returns. Raises InvalidValue, InternalError."""
        rules = parse_rules(untrusted_config, owner.kind, owner.uuid)
        config = untrusted_config if rules else ""
        if config and owner not in self._configs and len(self._configs) >= MAX_OWNERS:
            raise InvalidValue(f"{MAX_OWNERS} objects have alerts already", field="config", value="")
        await self._kept.write(PutAlerts(owner.kind.value, owner.uuid, config))
        if config:
            self._configs[owner] = config
        else:
            self._configs.pop(owner, None)
        self._watch(owner, rules)

    async def run(self) -> None:
        """Until cancelled: once a minute."""
        while True:
            await self._clock.sleep(_until_late(self._clock.now()))
            if self._watches:
                await contained(self.look(), self._log, what="alerts")

    async def look(self) -> None:
        """Compare the minutes that are new. Raises InternalError if a message cannot be kept."""
        self._seen = min(self._seen, int(self._clock.now()))  # the clock may have been put back
        updates, dom0 = await asyncio.to_thread(self._updates)
        rows = [(time, row) for row, time in enumerate(updates.times) if time > self._seen]
        for time, row in reversed(rows):
            values = _by_owner(updates, row)
            await self._compare(values, dom0)
            self._seen = time

    def _updates(self) -> tuple[Updates, Dom0Usage]:
        watched = list(self._watches)
        query = UpdatesQuery(
            start=max(self._seen, int(self._clock.now()) - 3 * STEP),
            cf=Cf.AVERAGE,
            interval=STEP,
            host=True,
            vms=frozenset(owner.uuid for owner in watched if owner.kind is OwnerKind.VM),
            srs=frozenset(owner.uuid for owner in watched if owner.kind is OwnerKind.SR),
        )
        return self._store.updates(query), self._dom0()

    async def _compare(self, values: Values, dom0: Dom0Usage) -> None:
        now = self._clock.monotonic()
        for owner, watches in list(self._watches.items()):
            for watch in watches:
                about = HOST if watch.rule.on_host else owner
                body = watch.alarm(watch.value(values.get(about, {}), dom0), now)
                if body:
                    uuid = about.uuid or self._host_id
                    await self._messages.send(NAME, watch.rule.priority, CLASSES[about.kind], uuid, body)

    def _watch(self, owner: Owner, rules: Iterable[Rule]) -> None:
        """What stays as it was goes on counting."""
        old = {watch.rule.text: watch for watch in self._watches.get(owner, ())}
        watches = tuple(old.get(rule.text) or RuleWatch(rule) for rule in rules)
        if watches:
            self._watches[owner] = watches
        else:
            self._watches.pop(owner, None)


def _by_owner(updates: Updates, row: int) -> Values:
    found: dict[Owner, dict[str, float]] = {}
    values = updates.values[row].tolist()
    for entry, value in zip(updates.legend, values, strict=True):
        _, kind, uuid, name = entry.split(":", 3)
        owner = HOST if kind == OwnerKind.HOST else Owner(OwnerKind(kind), uuid)
        found.setdefault(owner, {})[name] = math.nan if value is None else value
    return found


def _until_late(now: float) -> float:
    """Seconds until the next minute is complete, and a little more."""
    return STEP - (now - LATE) % STEP
