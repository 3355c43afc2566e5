"""Disaster recovery, put together."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from xenhost.core.clock import Clock
from xenhost.pool.call import Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.front import Front
from xenhost.pool.host_parts import HostParts
from xenhost.pool.recovery.dr_tasks import DrTasks
from xenhost.pool.recovery.metadata_vdis import MetadataVdis
from xenhost.pool.recovery.opened import OpenedDatabases, SessionDispatcher
from xenhost.pool.recovery.recovering import Recovering
from xenhost.pool.recovery.replication import Replication
from xenhost.pool.vms.recovery import Recovery
from xenhost.pool.xva.importer import Importer


@dataclass(frozen=True, slots=True)
class RecoveryParts:
    """They are to be run."""

    replication: Replication
    metadata: MetadataVdis

    async def run(self) -> None:
        """Never returns."""
        await asyncio.gather(self.replication.run(), self.metadata.run())


def register_recovery(
    implementations: Implementations,
    database: Database,
    tasks: Tasks,
    parts: HostParts,
    importer: Importer,
    front: Front,
    dispatcher: SessionDispatcher,
    master: Callable[[], Ref],
    clock: Clock,
) -> RecoveryParts:
    """The database of this pool on SRs, and those of other pools."""

    def of(other: Database) -> Mapping[str, Implementation]:
        return {
            **Recovery(database, other).answers(),
            **Recovering(database, other, importer, front.sessions).answers(),
        }

    metadata = MetadataVdis(database, parts.streams, clock)
    replication = Replication(database, parts.streams, metadata, implementations, clock)
    opened = OpenedDatabases(database, metadata, dispatcher, front.sessions, tasks, of, clock)
    own = Recovering(database, database, importer, front.sessions)
    for part in (metadata, replication, opened, own, DrTasks(database, metadata, implementations, master)):
        implementations.register_all(part.answers())
    front.book.listeners.append(opened.session_ended)
    return RecoveryParts(replication, metadata)
