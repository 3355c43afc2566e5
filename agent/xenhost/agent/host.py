"""What runs on a host, without what others call: the order in which it is opened and closed."""

import asyncio
from dataclasses import dataclass

from xenhost.agent.dom0.dom0 import Dom0
from xenhost.agent.engine.engine import Engine
from xenhost.agent.metrics.engine import MetricsEngine
from xenhost.agent.metrics.http.servers import MetricsServers
from xenhost.agent.network.engine import NetworkEngine
from xenhost.agent.storage.engine import StorageEngine
from xenhost.core.ports.hypervisor import Hypervisor
from xenhost.sm.datapath.images import ImageServers
from xenhost.sm.registry import Drivers
from xenhost.sm.transfer.importing import Importer


@dataclass(frozen=True, slots=True)
class Host:
    """Made by the composition root."""

    hypervisor: Hypervisor
    drivers: Drivers
    images: ImageServers
    storage: StorageEngine
    importer: Importer
    engine: Engine
    dom0: Dom0
    network: NetworkEngine | None = None
    """None: the networks of this host are somebody else's."""
    metrics: MetricsEngine | None = None
    """None: nothing is measured."""
    metrics_servers: MetricsServers | None = None

    async def open_network(self) -> None:
        """Make the networks, before whatever needs one. Raises InternalError if its store cannot be used.

        What cannot be made now is tried again, and holds nothing else up.
        """
        if self.network is not None:
            await self.network.start()

    async def open_storage(self) -> None:
        """Find plugins, attach SRs, take over the VDIs in use. Raises InternalError if its store cannot be used.

        What cannot be attached now is tried again, and holds nothing else up.
        """
        await self.importer.spool.clear()
        await self.images.find()
        await self.drivers.discover()
        await self.storage.start()

    async def open_metrics(self) -> None:
        """Sample and serve, after the engines. Raises InternalError if there is no place for files, ConfigError."""
        try:
            if self.metrics is not None:
                await self.metrics.start()
            if self.metrics_servers is not None:
                await self.metrics_servers.open()
        except BaseException:
            await self.close_metrics()  # its threads must not outlive a start that fails
            raise

    async def close_metrics(self) -> None:
        """Serve no more, and write everything to disk."""
        try:
            if self.metrics_servers is not None:
                await self.metrics_servers.close()
        finally:
            if self.metrics is not None:
                await self.metrics.close()

    async def ended(self) -> None:
        """Wait until one of the engines has ended by itself, by a fault, which is raised."""
        waits = [asyncio.ensure_future(self.engine.ended()), asyncio.ensure_future(self.storage.ended())]
        if self.network is not None:
            waits.append(asyncio.ensure_future(self.network.ended()))
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        finally:
            for each in waits:
                each.cancel()

    async def close(self) -> None:
        """Everything, in reverse, each part even if another fails. VMs and what serves their disks run on."""
        try:
            await self.close_metrics()
        finally:
            await self._close_engines()

    async def _close_engines(self) -> None:
        try:
            await self.engine.close()
        finally:
            try:
                await self.storage.close()
            finally:
                try:
                    await self.drivers.close()
                    await self.images.release()
                finally:
                    try:
                        if self.network is not None:
                            await self.network.close()
                    finally:
                        await self.hypervisor.close()
