"""Who answers what, of the parts that need hosts."""

from dataclasses import dataclass

from xenhost.core.clock import Clock
from xenhost.pool.database.database import Database
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.hosts.administration import administration
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.answers import HostAnswers
from xenhost.pool.hosts.multipathing import Multipathing
from xenhost.pool.hosts.ssh import HostSsh
from xenhost.pool.metrics.sources import DataSources
from xenhost.pool.networks.keeper import NetworkKeeper
from xenhost.pool.networks.networking import networking
from xenhost.pool.networks.networks import Networks
from xenhost.pool.storage.moving import VdiMoves
from xenhost.pool.storage.pbds import Pbds
from xenhost.pool.storage.probes import Probes
from xenhost.pool.storage.srs import Srs
from xenhost.pool.storage.streams import VdiStreams
from xenhost.pool.storage.tracking import VdiTracking
from xenhost.pool.storage.vdi_work import VdiWork
from xenhost.pool.storage.vdis import Vdis
from xenhost.pool.vms import overhead
from xenhost.pool.vms.advice import Advice
from xenhost.pool.vms.appliances import Appliances
from xenhost.pool.vms.busy import Busy
from xenhost.pool.vms.checkpoints import Checkpoints
from xenhost.pool.vms.copies import VmCopies
from xenhost.pool.vms.devices import VmDevices
from xenhost.pool.vms.evacuating import Evacuation
from xenhost.pool.vms.guest import GuestRequests
from xenhost.pool.vms.live import Live
from xenhost.pool.vms.making import VmMaking
from xenhost.pool.vms.membership import VmMembership
from xenhost.pool.vms.migrating import VmMigration
from xenhost.pool.vms.power import VmPower
from xenhost.pool.vms.recovery import Recovery
from xenhost.pool.vms.scheduler import Scheduler
from xenhost.pool.vms.sending import VmSending
from xenhost.pool.vms.sizes import VmSizes
from xenhost.pool.vms.suspend_images import SuspendImages
from xenhost.pool.vms.suspended import SuspendedMemory
from xenhost.pool.vms.suspending import VmSuspending
from xenhost.pool.vms.unfinished import Unfinished
from xenhost.pool.vms.usbs import Vusbs


@dataclass(frozen=True, slots=True)
class HostParts:
    """Those that others need."""

    streams: VdiStreams
    tracking: VdiTracking
    busy: Busy
    making: VmMaking
    networks: NetworkKeeper
    ssh: HostSsh
    unfinished: Unfinished
    """Is to be run, and so is:"""
    migration: VmMigration


def register_schedules(implementations: Implementations, database: Database, tasks: Tasks, clock: Clock) -> Scheduler:
    """Snapshots by schedule; somebody has to let it run."""
    scheduler = Scheduler(database, implementations, tasks, clock)
    implementations.register_all(scheduler.answers())
    return scheduler


def register_host_parts(
    implementations: Implementations, database: Database, agents: Agents, tasks: Tasks, clock: Clock
) -> HostParts:
    """VMs, their devices, storage, networks and metrics."""
    busy, advice = Busy(database), Advice(database, implementations)
    networks = networking(database, agents, clock, busy)
    for each in (*administration(database, agents, clock), *networks.parts):
        implementations.register_all(each.answers())
    live = Live(database, agents, busy, clock)
    vdi_busy = Busy(database, "VDI", busy)
    streams, vdi_work = VdiStreams(database, agents, tasks, vdi_busy, clock), VdiWork(database, agents, tasks, vdi_busy)
    tracking, pbds = VdiTracking(database, agents, vdi_work), Pbds(database, agents, tasks)
    vdis, ssh = Vdis(database, agents, vdi_work, streams, tracking), HostSsh(database, agents, clock)
    images = SuspendImages(database, agents, vdis)
    making = VmMaking(database, agents, busy, images)
    power = VmPower(database, agents, tasks, busy, clock, images)
    copies = VmCopies(database, making, vdis, busy, images, power, clock)
    suspending = VmSuspending(database, agents, busy, power, images)
    migration = VmMigration(database, agents, busy, suspending, images, clock)
    moves = VdiMoves(database, agents, vdi_work, vdis)
    unfinished = Unfinished(database, agents, Networks(database, agents), busy, clock)
    for part in (
        making,
        vdis,
        copies,
        Checkpoints(database, busy, power, images, copies, unfinished),
        VmDevices(database, agents),
        power,
        suspending,
        migration,
        Evacuation(database, tasks, migration),
        Appliances(database, tasks, power),
        Recovery(database, database),
        live,
        VmSizes(database, live, busy),
        VmMembership(database),
        GuestRequests(database, implementations, busy, clock),
        Vusbs(database),
        SuspendedMemory(database, streams),
        advice,
        moves,
        VmSending(database, agents, busy, migration, moves),
        tracking,
        Probes(database, agents),
        pbds,
        Srs(database, agents, tasks, pbds),
        HostAnswers(database, agents),
        ssh,
        DataSources(database, agents),
    ):
        implementations.register_all(part.answers())
    database.follow(overhead.follow)
    database.follow(Multipathing(database, clock).follow)
    advice.begin()
    return HostParts(streams, tracking, busy, making, networks.keeper, ssh, unfinished, migration)
