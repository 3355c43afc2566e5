"""What needs the master's own disk, listener or time: certificates, reports, blobs, dumps, settings of guests."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from xenhost.core.clock import Clock
from xenhost.pool.database.database import Database
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.front import Routes
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.blob_contents import BlobContents
from xenhost.pool.hosts.certificates.server import ServerCertificates
from xenhost.pool.hosts.certificates.store import TrustStore
from xenhost.pool.hosts.certificates.trusted import TrustedCertificates
from xenhost.pool.hosts.crash_dumps import CrashDumps
from xenhost.pool.hosts.database_files import DatabaseFiles
from xenhost.pool.hosts.guest_agents import GuestAgents
from xenhost.pool.hosts.machine_facts import MachineFacts
from xenhost.pool.hosts.membership.handed import BLOBS, TRUST
from xenhost.pool.hosts.reports.reports import StatusReports
from xenhost.pool.hosts.sr_drivers import SrDrivers
from xenhost.pool.wire.gate import Gate
from xenhost.pool.wire.listener import PoolListener


@dataclass(frozen=True, slots=True)
class Served:
    """Its parts."""

    reports: StatusReports
    blobs: BlobContents
    dumps: DatabaseFiles
    guests: GuestAgents
    crash_dumps: CrashDumps
    machines: MachineFacts
    drivers: SrDrivers
    trust: TrustedCertificates

    async def run(self) -> None:
        """Until cancelled: hosts that come back are told of settings, and asked what they have."""
        asked = (self.guests, self.crash_dumps, self.machines, self.drivers)
        await asyncio.gather(*(each.hosts.run() for each in asked))

    def routes(self, gate: Gate) -> Routes:
        """All paths."""
        return {**self.reports.routes(gate), **self.blobs.routes(gate), **self.dumps.routes(gate)}


def register_served(
    implementations: Implementations, database: Database, agents: Agents, folder: Path, clock: Clock
) -> Served:
    """`folder`: the master's state."""
    trust = TrustedCertificates(database, TrustStore(folder / TRUST), clock)
    reports = StatusReports(database, agents, clock, trust.tls)
    guests, crash_dumps = GuestAgents(database, agents), CrashDumps(database, agents)
    for part in (trust.answers(), reports.answers(), guests.answers(), crash_dumps.answers()):
        implementations.register_all(part)
    blobs, dumps = BlobContents(database, folder / BLOBS, clock), DatabaseFiles(database, folder)
    machines, drivers = MachineFacts(database, agents), SrDrivers(database, agents)
    return Served(reports, blobs, dumps, guests, crash_dumps, machines, drivers, trust)


def register_listener(
    implementations: Implementations, database: Database, listener: PoolListener, tls: Path, clock: Clock
) -> ServerCertificates:
    """`tls`: where the listener's certificate is. Somebody has to let them begin."""
    certificates = ServerCertificates(database, listener, tls, clock)
    implementations.register_all(certificates.answers())
    return certificates
