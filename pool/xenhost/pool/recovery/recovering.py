"""VMs of a lost pool, taken over: their records out of its database, their disks where they are."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref, Role
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.session.table import SessionTable
from xenhost.pool.vms.recovery import Recovery, required_srs
from xenhost.pool.wire.caller import Caller
from xenhost.pool.xva.document import Document
from xenhost.pool.xva.gathering import Choice, Gathering
from xenhost.pool.xva.importer import Also, Importer

_ROLES: Final = frozenset({Role.POOL_ADMIN, Role.POOL_OPERATOR})
"""Who may open a database may recover from it."""


class Recovering:
    """Answers VM.recover and VM_appliance.recover, for the VMs of one database."""

    def __init__(self, own: Database, database: Database, importer: Importer, sessions: SessionTable) -> None:
        """`own`: of this pool; `database`: that of the lost one, or `own`, of which nothing can be recovered."""
        self._own: Final = own
        self._database: Final = database
        self._importer: Final = importer
        self._sessions: Final = sessions
        self._checks: Final = Recovery(own, database)

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {"VM.recover": self.recover_vm, "VM_appliance.recover": self.recover_appliance}

    async def recover_vm(self, context: Context, vm: Ref, session: Ref, force: bool) -> None:
        """With its snapshots, in this pool, halted; `session` is one of this pool.

        `force`: also in place of a newer one that is here, without what is missing, and without its memory if it was
        suspended. Raises ApiError RBAC_PERMISSION_DENIED, VM_REQUIRES_SR, VM_IS_PART_OF_AN_APPLIANCE, and as an import.
        """
        into = self._into(context, "VM.recover", session)
        await self._checks.assert_vm(context, vm, session)
        await self._recover(into, [vm], force)

    async def recover_appliance(self, context: Context, appliance: Ref, session: Ref, force: bool) -> None:
        """All its VMs, or none; then the appliance is here, with them. Raises as VM.recover."""
        into = self._into(context, "VM_appliance.recover", session)
        await self._checks.assert_appliance(context, appliance, session)
        record = self._database.get("VM_appliance", appliance)

        def write(transaction: Transaction, vms: tuple[Ref, ...]) -> None:
            names = ("uuid", "name_label", "name_description")
            found = transaction.by_uuid("VM_appliance", str(record["uuid"]))
            here = found or transaction.create("VM_appliance", {name: record[name] for name in names})
            for vm in vms:
                transaction.set("VM", vm, {"appliance": here})

        await self._recover(into, record.refs("VMs"), force, write)

    def _into(self, context: Context, method: str, session: Ref) -> Context:
        """That of the session that shall have it. Raises ApiError."""
        if self._database is self._own:
            raise ApiError("OPERATION_NOT_ALLOWED", f"{method} is called with a session of VDI.open_database")
        found = self._sessions.find(session)
        if found is None:
            raise ApiError("SESSION_INVALID", session)
        if not found.superuser and found.roles.isdisjoint(_ROLES):
            text = "The supplied session does not have the required permissions for VM recovery."
            raise ApiError("RBAC_PERMISSION_DENIED", method, text)
        return replace(Caller(context.client, local_superuser=False).of(found), task=context.task)

    async def _recover(
        self, into: Context, vms: Iterable[Ref], force: bool, also: Also = lambda transaction, vms: None
    ) -> None:
        """A recovery whose SRs have the VMs does not end with them there: they are kept with the VMs, or not at all."""
        things = Gathering(self._database, vms, Choice(snapshots=True, power_state=True)).things()

        def kept(transaction: Transaction, made: tuple[Ref, ...]) -> None:
            for sr in {sr for vm in made for sr in required_srs(self._own, vm)}:
                transaction.set("SR", sr, {"introduced_by": NULL_REF})
            also(transaction, made)

        await self._importer.recover(into, Document({thing.id: thing for thing in things}), force, kept)
