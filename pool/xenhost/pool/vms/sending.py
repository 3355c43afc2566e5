"""VMs that are sent to a host of their own pool, with their disks to other SRs: what clients use to move storage.

Sources: xapi's xapi_host.ml (migrate_receive) and xapi_vm_migrate.ml, for what is refused and how. Its URLs of the
services that would take a VM of another pool (`SM`, `xenops`) are not in the answer: there are none here.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from xenhost.pool.call import NULL_REF, ApiError, Context, FrozenMap, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.storage.moving import VdiMoves
from xenhost.pool.vms.busy import Busy
from xenhost.pool.vms.migrating import VmMigration, check_not_live
from xenhost.pool.vms.placement import attached, vdis_of

_OTHER_POOL: Final = "no VM is sent to another pool; export it there (/export, /import), or its disks"
_RUNS: Final = "disks of a VM that is not halted stay where they are; shut it down, or leave them out of vdi_map"
_COPY: Final = "no copy is made within a pool by migrate_send, it would move the VM; VM.copy and VM.clone make one"
_OTHERS: Final = "vgpu_map and vdi_format_map must be empty: no VM has a GPU, and the SR says what format a disk has"


def check_moves(options: Mapping[str, str], others: Iterable[object] = ()) -> None:
    """Raises ApiError OPERATION_NOT_ALLOWED: for copy=true, as the VM itself would go, and for GPUs and formats."""
    if options.get("copy", "false").lower() == "true":
        raise ApiError("OPERATION_NOT_ALLOWED", _COPY)
    if any(others):
        raise ApiError("OPERATION_NOT_ALLOWED", _OTHERS)


class VmSending:
    """Answers host.migrate_receive, VM.assert_can_migrate and VM.migrate_send."""

    def __init__(self, database: Database, agents: Agents, busy: Busy, migration: VmMigration, moves: VdiMoves) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._busy: Final = busy
        self._migration: Final = migration
        self._moves: Final = moves

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "host.migrate_receive": self.receive,
            "VM.assert_can_migrate": self.assert_can,
            "VM.migrate_send": self.send,
        }

    async def receive(self, context: Context, host: Ref, network: Ref, options: Mapping[str, str]) -> FrozenMap:
        """What to pass to migrate_send for that host. No session is in it: a task's result is not for it alone.

        Raises ApiError HOST_OFFLINE, HOST_DISABLED, HOST_CANNOT_ATTACH_NETWORK, INTERFACE_HAS_NO_IP.
        """
        self._check_host(host)
        pifs = [self._database.get("PIF", pif) for pif in self._database.get("network", network).refs("PIFs")]
        pif = next((pif for pif in pifs if pif["host"] == host), None)
        if pif is None:
            raise ApiError("HOST_CANNOT_ATTACH_NETWORK", host, network)
        if not pif["IP"] and not pif["IPv6"]:
            raise ApiError("INTERFACE_HAS_NO_IP", pif.ref)
        master = next(pool.one("master") for pool in self._database.rows("pool").values())
        address = str(self._database.get("host", master)["address"])
        return FrozenMap({"host": host, "session_id": NULL_REF, "master": f"http://{address}/"})

    async def assert_can(
        self,
        context: Context,
        vm: Ref,
        dest: Mapping[str, str],
        live: bool,
        vdi_map: Mapping[Ref, Ref],
        vif_map: Mapping[Ref, Ref],
        options: Mapping[str, str],
        *others: object,
    ) -> None:
        """Raises ApiError: why it could not be sent now."""
        check_moves(options, others)
        self._busy.check(vm, "migrate_send")
        self._check(vm, dest, live, vdi_map, vif_map)

    async def send(
        self,
        context: Context,
        vm: Ref,
        dest: Mapping[str, str],
        live: bool,
        vdi_map: Mapping[Ref, Ref],
        vif_map: Mapping[Ref, Ref],
        options: Mapping[str, str],
        *others: object,
    ) -> Ref:
        """It runs on that host if it runs, as after pool_migrate; if it is halted, its disks are in those SRs. The VM.

        Raises ApiError. If a disk cannot move, those before it have moved.
        """
        check_moves(options, others)
        if self._database.get("VM", vm)["power_state"] == "Running":
            self._busy.check(vm, "migrate_send")
            host = self._check(vm, dest, live, vdi_map, vif_map)
            await self._migration.pool_migrate(context, vm, host, {})
            return vm
        with self._busy.doing(context, vm, "migrate_send"):
            self._check(vm, dest, live, vdi_map, vif_map)
            for vdi, sr in self._moving(vdi_map):
                await self._moves.migrate(context, vdi, sr, {})
        return vm

    def _check(
        self,
        vm: Ref,
        dest: Mapping[str, str],
        live: bool,
        vdi_map: Mapping[Ref, Ref],
        vif_map: Mapping[Ref, Ref],
    ) -> Ref:
        """The host. Raises ApiError."""
        record = self._database.get("VM", vm)
        host, source = Ref(str(dest.get("host", ""))), record.one("resident_on")
        if not host:
            raise ApiError("INVALID_VALUE", "dest", "it is not what host.migrate_receive answered")
        if self._database.find("host", host) is None:
            raise ApiError("VM_MIGRATE_FAILED", vm, source, host, _OTHER_POOL)
        self._check_host(host)
        if vif_map:
            raise ApiError("OPERATION_NOT_ALLOWED", "VIF mapping is not allowed for intra-pool migration")
        mine = set(vdis_of(self._database, record))
        for vdi, sr in vdi_map.items():
            self._database.get("SR", sr)
            if self._database.get("VDI", vdi).ref not in mine:
                raise ApiError("INVALID_VALUE", "vdi_map", vdi)
        if record["power_state"] == "Running":
            check_not_live(record, host, live)
        for vdi, _ in self._moving(vdi_map):  # all of them before the first moves
            if record["power_state"] != "Halted":
                raise ApiError("VM_MIGRATE_FAILED", vm, source, host, _RUNS)
            self._moves.check(vdi)
        self._check_reach(record, host, vdi_map)
        return host

    def _check_reach(self, vm: Record, host: Ref, vdi_map: Mapping[Ref, Ref]) -> None:
        for vdi in vdis_of(self._database, vm):
            sr = vdi_map.get(vdi, self._database.get("VDI", vdi).one("SR"))
            if not attached(self._database, sr, host):
                raise ApiError("VM_REQUIRES_SR", vm.ref, sr)

    def _check_host(self, host: Ref) -> None:
        if not self._database.get("host", host)["enabled"]:
            raise ApiError("HOST_DISABLED", host)
        if not self._agents.alive(host):
            raise ApiError("HOST_OFFLINE", host)

    def _moving(self, vdi_map: Mapping[Ref, Ref]) -> list[tuple[Ref, Ref]]:
        """Those that are not in their SR already."""
        return [(vdi, sr) for vdi, sr in vdi_map.items() if self._database.get("VDI", vdi)["SR"] != sr]
