"""Who answers what, of the parts that need nothing but the database; others register themselves."""

from xenhost.core.clock import Clock
from xenhost.pool.database.database import Database
from xenhost.pool.engine.changelog import Changelog
from xenhost.pool.engine.events import EventCalls
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.engine.task_calls import TaskCalls
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.records.blobs import Blobs
from xenhost.pool.records.introduce import Introductions
from xenhost.pool.records.messages import Messages
from xenhost.pool.records.setters import PlainSetters
from xenhost.pool.records.vgpus import Vgpus
from xenhost.pool.vms.fields import VmFields
from xenhost.pool.vms.vmss import SnapshotSchedules


def register_records(implementations: Implementations, database: Database, clock: Clock) -> None:
    """What ends in the database."""
    for part in (
        PlainSetters(database),
        VmFields(database),
        Introductions(database),
        Messages(database, clock),
        Blobs(database, clock),
        Vgpus(database),
        SnapshotSchedules(database),
    ):
        implementations.register_all(part.answers())


def register_engine(
    implementations: Implementations, database: Database, log: Changelog, tasks: Tasks, clock: Clock
) -> EventCalls:
    """Events and tasks."""
    events = EventCalls(database, log, clock)
    implementations.register_all(events.answers())
    implementations.register_all(TaskCalls(database, tasks).answers())
    return events
