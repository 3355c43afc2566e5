"""The hosts as the master knows them: registered, alive as long as they are heard of, lost when they are not."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

import structlog

from xenhost.api.host.v1 import event_service_pb2, host_service_pb2
from xenhost.api.link.v1 import link_service_pb2
from xenhost.core.clock import Clock
from xenhost.pool.call import NOTHING, NULL_REF, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.host import put_host, put_lost, put_memory
from xenhost.pool.hosts.told.reports import Seen, known, put_changes

EJECTED: Final = "ejected_hosts"
"""Of pool.other_config: UUIDs of hosts that shall not come back by themselves, with commas between."""


def ejected(pool: Record) -> list[str]:
    """UUIDs."""
    config = pool["other_config"]
    assert isinstance(config, Mapping)
    return [uuid for uuid in str(config.get(EJECTED, "")).split(",") if uuid]


def keep_out(transaction: Transaction, uuid: str) -> None:
    """A host shall not come back by itself."""
    for ref, pool in tuple(transaction.rows("pool").items()):
        _put_ejected(transaction, ref, [*(each for each in ejected(pool) if each != uuid), uuid])


def let_in(transaction: Transaction, uuid: str) -> None:
    """A host may come, though it was ejected before."""
    for ref, pool in tuple(transaction.rows("pool").items()):
        if uuid in ejected(pool):
            _put_ejected(transaction, ref, [each for each in ejected(pool) if each != uuid])


def _put_ejected(transaction: Transaction, pool: Ref, uuids: Sequence[str]) -> None:
    transaction.remove_from_map("pool", pool, "other_config", EJECTED)
    if uuids:
        transaction.add_to_map("pool", pool, "other_config", EJECTED, ",".join(uuids))


@dataclass(slots=True)
class Member:
    """A host that has registered since this master runs."""

    uuid: str
    ref: Ref
    address: str
    session: str
    endpoints: tuple[str, ...]
    heard: float
    """Monotonic seconds."""
    live: bool = True
    seen: Seen | None = None
    """None between snapshots."""
    known: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What it had when it registered, for its first snapshot."""


class Hosts:
    """Takes in what agents tell; all in one event loop.

    A report is in memory when it is acknowledged, and on disk soon after: what is lost with the master is told again,
    as an agent begins each connection with all there is.
    """

    def __init__(self, database: Database, clock: Clock, lease_seconds: float) -> None:
        """`lease_seconds`: how long a host counts as alive after it was heard of."""
        self.lease_seconds: Final = lease_seconds
        self._database: Final = database
        self._clock: Final = clock
        self._members: Final[dict[str, Member]] = {}
        self._sessions: Final[dict[str, Member]] = {}
        self._by_ref: Final[dict[Ref, Member]] = {}
        self._log: Final = structlog.get_logger("xenpoold.hosts")
        self.joining: Final[dict[str, Mapping[str, Value]]] = {}
        """What hosts are called that will soon register for the first time: fields by UUID."""
        self.on_returned: Final[list[Callable[[Ref], None]]] = []
        """Told of each host when its first snapshot is whole."""
        self.on_new_drivers: Final[list[Callable[[Ref], None]]] = []
        """Told of each host that has come to have other types of SRs."""

    def open(self) -> None:
        """The master has just begun: no host is alive before it has registered, and nothing is being done."""

        def begin(transaction: Transaction) -> None:
            for host in transaction.rows("host"):
                put_lost(Book(transaction, host), host)
            for vm in tuple(transaction.rows("VM")):
                transaction.set("VM", vm, {"scheduled_to_be_resident_on": NULL_REF})
            for cls in ("VM", "VBD", "VIF", "SR", "VDI", "VM_appliance"):
                for ref, record in tuple(transaction.rows(cls).items()):
                    if record["current_operations"]:
                        transaction.set(cls, ref, {"current_operations": NOTHING})

        self._database.note(begin)

    def admits(self, uuid: str) -> bool:
        """May the host with that UUID be a member? One that was ejected stays outside while its pool names it."""
        return not any(uuid in ejected(pool) for pool in self._database.rows("pool").values())

    def member(self, host: Ref) -> Member | None:
        """A host by its reference, if it is alive."""
        member = self._by_ref.get(host)
        return member if member is not None and member.live else None

    def session(self, name: str) -> Member | None:
        """The host whose current session that is."""
        return self._sessions.get(name)

    async def register(
        self, told: host_service_pb2.Host, endpoints: Iterable[str], address: str, here: bool = False
    ) -> str:
        """A host introduces itself; the name of its session. An older session of it ends. Raises ApiError.

        `here`: it is the one that we run on, and so the pool's master. If it goes meanwhile, it is lost like others.
        """
        return await asyncio.shield(self._register(told, tuple(endpoints), address, here))

    async def _register(self, told: host_service_pb2.Host, endpoints: tuple[str, ...], address: str, here: bool) -> str:
        def put(transaction: Transaction) -> Member:
            host = put_host(Book(transaction, NULL_REF), told, address, self._now())
            transaction.set("host", host, self.joining.get(told.id, NOTHING))
            if here:
                for pool in tuple(transaction.rows("pool")):
                    transaction.set("pool", pool, {"master": host})
            self._forget(told.id)
            member = Member(told.id, host, address, str(uuid4()), endpoints, self._clock.monotonic())
            self._members[told.id] = self._sessions[member.session] = self._by_ref[host] = member
            return member  # from here on: who sees that it is alive may call it

        member = await self._database.change(put)
        self.joining.pop(told.id, None)
        member.known = self._known(member.ref)
        self._log.info("a host has registered", host=told.id, name=told.name, address=address)
        return member.session

    def forget(self, host: Ref) -> None:
        """It is no member any more: what its old connection may still say is not heard."""
        member = self._by_ref.get(host)
        if member is not None:
            self._forget(member.uuid)

    def _forget(self, uuid: str) -> None:
        old = self._members.pop(uuid, None)
        if old is not None:
            del self._sessions[old.session]
            del self._by_ref[old.ref]

    def _known(self, host: Ref) -> Mapping[str, Sequence[str]]:
        return self._database.note(lambda transaction: known(Book(transaction, host)))

    def report(self, member: Member, told: link_service_pb2.ReportRequest) -> None:
        """Take a report in. Raises ApiError if the database cannot."""

        def write(book: Book) -> None:
            match told.WhichOneof("report"):
                case "snapshot":
                    self._snapshot(book, member, told.snapshot)
                case "changes":
                    put_changes(book, told.changes)
                case "heartbeat":
                    put_memory(book, member.ref, None, told.heartbeat.memory_free_bytes, self._now())

        self._database.note(lambda transaction: write(Book(transaction, member.ref)))
        member.heard = self._clock.monotonic()
        member.live = True
        if told.WhichOneof("report") == "snapshot" and member.seen is None:
            for listener in self.on_returned:
                listener(member.ref)
        if any(event.kind == event_service_pb2.OBJECT_KIND_SM for event in told.changes.events):
            for listener in self.on_new_drivers:
                listener(member.ref)

    async def watch(self) -> None:
        """Until cancelled: a host that is not heard of within its lease is shown as lost."""
        while True:
            await self._clock.sleep(self.lease_seconds / 4)
            now = self._clock.monotonic()
            for member in self._members.values():
                if member.live and now - member.heard > self.lease_seconds:
                    self._lose(member, now - member.heard)

    def _lose(self, member: Member, silent_for: float) -> None:
        member.live = False
        self._log.warning("a host is lost", host=member.uuid, silent_for=round(silent_for, 1))
        self._database.note(lambda transaction: put_lost(Book(transaction, member.ref), member.ref))

    def _snapshot(self, book: Book, member: Member, told: link_service_pb2.Snapshot) -> None:
        if member.seen is None:
            member.seen = Seen(member.known or known(book))
            member.known = {}
            put_host(book, told.host, member.address, self._now())
        member.seen.put(book, told)
        if not told.more:
            seen, member.seen = member.seen, None
            seen.forget_others(book)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC)
