"""The listeners: a unix socket for the host's own administrators, TLS with client certificates for the pool."""

import asyncio
import grp
import os
from pathlib import Path
from typing import Any, Final

import grpc
import structlog
from google.longrunning import operations_pb2_grpc
from grpc_health.v1 import health_pb2_grpc

from xenhost.agent.config import ApiConfig
from xenhost.agent.console.relay import Consoles
from xenhost.agent.dom0.dom0 import Dom0
from xenhost.agent.engine.engine import Engine
from xenhost.agent.metrics.engine import MetricsEngine
from xenhost.agent.rpc.bond import BondServicer
from xenhost.agent.rpc.console import ConsoleServicer
from xenhost.agent.rpc.events import CHECKPOINT_SECONDS, EventServicer
from xenhost.agent.rpc.health import AGENT, Health
from xenhost.agent.rpc.host import HostServicer
from xenhost.agent.rpc.image_stream import ImageStreams
from xenhost.agent.rpc.interceptors import LAST_SECONDS, Edge
from xenhost.agent.rpc.metrics import MetricsServicer
from xenhost.agent.rpc.network import NetworkServicer
from xenhost.agent.rpc.networking import Networking
from xenhost.agent.rpc.operations import OperationsServicer
from xenhost.agent.rpc.pif import PifServicer
from xenhost.agent.rpc.pvs import PvsServicer
from xenhost.agent.rpc.sdn import SdnControllerServicer
from xenhost.agent.rpc.sr import SrServicer
from xenhost.agent.rpc.sriov import NetworkSriovServicer
from xenhost.agent.rpc.tunnel import TunnelServicer
from xenhost.agent.rpc.unmanaged import UnmanagedNetworks
from xenhost.agent.rpc.vbd import VbdServicer
from xenhost.agent.rpc.vdi import VdiServicer
from xenhost.agent.rpc.vif import VifServicer
from xenhost.agent.rpc.vlan import VlanServicer
from xenhost.agent.rpc.vm import VmServicer
from xenhost.agent.storage.engine import StorageEngine
from xenhost.api.credentials import server_credentials
from xenhost.api.host.v1 import (
    bond_service_pb2_grpc,
    console_service_pb2_grpc,
    event_service_pb2_grpc,
    host_service_pb2_grpc,
    metrics_service_pb2_grpc,
    network_service_pb2_grpc,
    pif_service_pb2_grpc,
    pvs_service_pb2_grpc,
    sdn_service_pb2_grpc,
    sr_service_pb2_grpc,
    sriov_service_pb2_grpc,
    tunnel_service_pb2_grpc,
    vbd_service_pb2_grpc,
    vdi_service_pb2_grpc,
    vif_service_pb2_grpc,
    vlan_service_pb2_grpc,
    vm_service_pb2_grpc,
)
from xenhost.core.clock import Clock
from xenhost.core.config_error import ConfigError
from xenhost.core.units import KIB, MIB
from xenhost.sm.transfer.importing import Importer

Log = structlog.typing.FilteringBoundLogger

SERVICES: Final = (
    "xenhost.api.host.v1.VmService",
    "xenhost.api.host.v1.VbdService",
    "xenhost.api.host.v1.VifService",
    "xenhost.api.host.v1.SrService",
    "xenhost.api.host.v1.VdiService",
    "xenhost.api.host.v1.NetworkService",
    "xenhost.api.host.v1.PifService",
    "xenhost.api.host.v1.BondService",
    "xenhost.api.host.v1.VlanService",
    "xenhost.api.host.v1.TunnelService",
    "xenhost.api.host.v1.NetworkSriovService",
    "xenhost.api.host.v1.SdnControllerService",
    "xenhost.api.host.v1.PvsService",
    "xenhost.api.host.v1.HostService",
    "xenhost.api.host.v1.EventService",
    "xenhost.api.host.v1.MetricsService",
    "xenhost.api.host.v1.ConsoleService",
    "google.longrunning.Operations",
    "grpc.health.v1.Health",
)
OPTIONS: Final = (
    ("grpc.max_receive_message_length", 1 * MIB),
    ("grpc.max_metadata_size", 16 * KIB),
    ("grpc.max_concurrent_streams", 256),
    ("grpc.so_reuseport", 0),  # a second daemon on the port must fail, not share it
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)
MAX_CALLS: Final = 1024
"""Calls and streams under way; one more is answered RESOURCE_EXHAUSTED."""


class ApiServer:
    """Serves the engine. Until `serve` every call but health is answered HOST_STILL_BOOTING."""

    def __init__(
        self,
        config: ApiConfig,
        engine: Engine,
        storage: StorageEngine,
        importer: Importer,
        consoles: Consoles,
        edge: Edge,
        health: Health,
        clock: Clock,
        log: Log,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
        network: Networking | None = None,
        metrics: MetricsEngine | None = None,
        dom0: Dom0 | None = None,
    ) -> None:
        """Without `dom0`, what is asked of it is answered UNIMPLEMENTED."""
        self._config = config
        self._engine = engine
        self._storage = storage
        self._network = network or UnmanagedNetworks()
        self._metrics = metrics
        self._dom0 = dom0
        self._importer = importer
        self._consoles = consoles
        self._edge = edge
        self._health = health
        self._clock = clock
        self._log = log
        self._checkpoint_seconds = checkpoint_seconds
        self._server: grpc.aio.Server | None = None
        self.targets: tuple[str, ...] = ()
        """The TLS listeners, as gRPC targets, once open."""

    async def open(self) -> None:
        """Listen. Raises ConfigError if an address or a certificate cannot be used."""
        # the server belongs to the running loop, so it is made here and not in the constructor
        server = grpc.aio.server(interceptors=(self._edge,), options=OPTIONS, maximum_concurrent_rpcs=MAX_CALLS)
        self._server = server
        self._add_services(server)
        if self._config.listen:
            credentials = await asyncio.to_thread(server_credentials, self._config.tls, self._log)
            self.targets = tuple(_listen_tls(server, address, credentials) for address in self._config.listen)
        await asyncio.to_thread(self._config.socket.parent.mkdir, parents=True, exist_ok=True)
        _listen_unix(server, self._config.socket)
        await asyncio.to_thread(_give, self._config.socket, self._config.socket_group)
        await server.start()
        self._log.info("listening", socket=str(self._config.socket), tls=list(self.targets))

    def serve(self) -> None:
        """Answer calls from now on."""
        self._edge.serve()
        self._health.set(AGENT, True)

    async def close(self, drain_seconds: float) -> None:
        """Take no more calls, end the streams, let calls under way finish. Without effect if not open."""
        self._health.set(AGENT, False)
        await self._edge.stop(drain_seconds)
        if self._server is not None:
            await self._server.stop(LAST_SECONDS)
            self._server = None
        self._consoles.close()

    def _add_services(self, server: grpc.aio.Server) -> None:
        engine, storage, network = self._engine, self._storage, self._network
        streams = ImageStreams(engine, storage, self._importer, self._clock)
        events = EventServicer(engine, self._checkpoint_seconds)
        adders: list[tuple[Any, Any]] = [
            (vm_service_pb2_grpc.add_VmServiceServicer_to_server, VmServicer(engine, storage)),
            (vbd_service_pb2_grpc.add_VbdServiceServicer_to_server, VbdServicer(engine, storage)),
            (vif_service_pb2_grpc.add_VifServiceServicer_to_server, VifServicer(engine)),
            (sr_service_pb2_grpc.add_SrServiceServicer_to_server, SrServicer(storage)),
            (vdi_service_pb2_grpc.add_VdiServiceServicer_to_server, VdiServicer(storage, streams)),
            (network_service_pb2_grpc.add_NetworkServiceServicer_to_server, NetworkServicer(network)),
            (pif_service_pb2_grpc.add_PifServiceServicer_to_server, PifServicer(network)),
            (bond_service_pb2_grpc.add_BondServiceServicer_to_server, BondServicer(network)),
            (vlan_service_pb2_grpc.add_VlanServiceServicer_to_server, VlanServicer(network)),
            (tunnel_service_pb2_grpc.add_TunnelServiceServicer_to_server, TunnelServicer(network)),
            (sriov_service_pb2_grpc.add_NetworkSriovServiceServicer_to_server, NetworkSriovServicer(network)),
            (sdn_service_pb2_grpc.add_SdnControllerServiceServicer_to_server, SdnControllerServicer(network)),
            (pvs_service_pb2_grpc.add_PvsServiceServicer_to_server, PvsServicer(network, engine)),
            (host_service_pb2_grpc.add_HostServiceServicer_to_server, HostServicer(engine, self._dom0)),
            (event_service_pb2_grpc.add_EventServiceServicer_to_server, events),
            (
                metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server,
                MetricsServicer(engine, storage, self._metrics, self._clock),
            ),
            (
                console_service_pb2_grpc.add_ConsoleServiceServicer_to_server,
                ConsoleServicer(engine, self._consoles, self._clock),
            ),
            (operations_pb2_grpc.add_OperationsServicer_to_server, OperationsServicer(engine, storage, network)),
            (health_pb2_grpc.add_HealthServicer_to_server, self._health),
        ]
        for add, servicer in adders:
            add(servicer, server)
        if self._config.reflection:
            from grpc_reflection.v1alpha import reflection  # costs memory only where it is wanted

            reflection.enable_server_reflection((*SERVICES, reflection.SERVICE_NAME), server)


def _listen_unix(server: grpc.aio.Server, path: Path) -> None:
    before = os.umask(0o177)  # nobody else connects before the mode is set
    try:
        server.add_insecure_port(f"unix:{path}")
    except RuntimeError as error:
        raise ConfigError(f"{path} cannot be listened on: is its folder there, and writable?") from error
    finally:
        os.umask(before)


def _give(path: Path, group: str) -> None:
    try:
        os.chown(path, -1, grp.getgrnam(group).gr_gid)
        path.chmod(0o660)
    except (KeyError, PermissionError):
        path.chmod(0o600)  # no such group, or not root: the owner alone


def _listen_tls(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials) -> str:
    try:
        port = server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise ConfigError(f"[api] listen: {address} cannot be listened on; is another process there?") from error
    return f"{address.rpartition(':')[0]}:{port}"
