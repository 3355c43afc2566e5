"""The calls that do more than read or change a field."""

import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Final

import structlog

from xenhost.core.clock import Clock
from xenhost.core.ids import is_uuid
from xenhost.core.storage import VdiType
from xenhost.sm.smapiv1.failures import printable
from xenhost.sm.smapiv1.xenapi.failure import ApiFailure, invalid_value, uuid_invalid
from xenhost.sm.smapiv1.xenapi.generic import expect, text
from xenhost.sm.smapiv1.xenapi.port import Verbs
from xenhost.sm.smapiv1.xenapi.schema import CLASSES, Stored, from_wire
from xenhost.sm.smapiv1.xenapi.sessions import Session
from xenhost.sm.smapiv1.xenapi.tables import Tables, ref_of
from xenhost.sm.smapiv1.xenapi.times import stamp
from xenhost.system.xmlrpc import Value

Call = Callable[[Session, Sequence[Value]], Coroutine[object, object, Value]]

MADE_FOR: Final = "_made_for"
"""Kept with a VDI, and not shown to plugins: the UUID that was asked for what became this one."""
_INTRODUCED: Final = (
    *("uuid", "name_label", "name_description", "SR", "type", "sharable", "read_only", "other_config", "location"),
    *("xenstore_data", "sm_config", "managed", "virtual_size", "physical_utilisation", "metadata_of_pool"),
    *("is_a_snapshot", "snapshot_time", "snapshot_of", "cbt_enabled"),
)
"""What db_introduce takes, in that order."""
_VDI_TYPES: Final = frozenset(str(kind) for kind in VdiType)
_SHORT_FORM: Final = 11
"""LVM's scan gives so many only."""


class Special:
    """These calls."""

    def __init__(self, tables: Tables, verbs: Verbs, clock: Clock, log: structlog.typing.FilteringBoundLogger) -> None:
        self._tables = tables
        self._verbs = verbs
        self._clock = clock
        self._log = log

    def calls(self) -> Mapping[str, Call]:
        """By name."""
        return {
            "VDI.db_introduce": self._introduce_vdi,
            "VDI.db_forget": self._forget_vdi_as_driver,
            "VDI.forget": self._forget_vdi,
            "VDI.snapshot": self._snapshot_vdi,
            "SR.update": self._update_sr,
            "SR.scan": self._scan_sr,
            "host.call_plugin": self._call_plugin,
            "message.create": self._create_message,
            "message.destroy": self._remover("message"),
            "task.create": self._create_task,
            "task.cancel": self._cancel_task,
            "task.destroy": self._remover("task"),
            "secret.create": self._create_secret,
            "secret.destroy": self._remover("secret"),
        }

    # VDIs

    async def _introduce_vdi(self, session: Session, params: Sequence[Value]) -> Value:
        if not _SHORT_FORM <= len(params) <= len(_INTRODUCED):
            raise ApiFailure(
                "MESSAGE_PARAMETER_COUNT_MISMATCH", "VDI.db_introduce", str(len(_INTRODUCED)), str(len(params))
            )
        columns = CLASSES["VDI"]
        fields: dict[str, Stored] = {
            name: from_wire(columns[name], name, value) for name, value in zip(_INTRODUCED, params, strict=False)
        }
        uuid_, sr = str(fields.pop("uuid")), str(fields["SR"])
        self._own(session, sr, "VDI.db_introduce")
        self._tables.get("SR", sr)
        if not is_uuid(uuid_):
            raise uuid_invalid("VDI", uuid_[:100])
        if fields["type"] not in _VDI_TYPES:
            raise invalid_value("type", str(fields["type"]))
        if self._tables.find("VDI", ref_of("VDI", uuid_)) is not None:
            # what xapi's database says
            raise ApiFailure("INTERNAL_ERROR", f'Db_exn.Uniqueness_constraint_violation("VDI", "uuid", "{uuid_}")')
        if session.making:
            fields[MADE_FOR] = session.making
        return self._tables.insert("VDI", uuid_, **fields)

    def _own(self, session: Session, sr: str, method: str) -> None:
        if session.sr != sr:
            raise ApiFailure("PERMISSION_DENIED", f"{method}: the session is not of the driver of that SR")

    async def _forget_vdi_as_driver(self, session: Session, params: Sequence[Value]) -> Value:
        (vdi,) = expect("VDI.db_forget", params, 1)
        self._own(session, str(self._tables.get("VDI", vdi)["SR"]), "VDI.db_forget")
        self._tables.remove("VDI", vdi)
        return ""

    async def _forget_vdi(self, session: Session, params: Sequence[Value]) -> Value:
        (vdi,) = expect("VDI.forget", params, 1)
        self._tables.get("VDI", vdi)
        self._tables.remove("VDI", vdi)
        return ""

    async def _snapshot_vdi(self, session: Session, params: Sequence[Value]) -> Value:
        if len(params) != 2 or not isinstance(params[1], Mapping):
            raise ApiFailure("MESSAGE_PARAMETER_COUNT_MISMATCH", "VDI.snapshot", "2", str(len(params)))
        record = self._tables.get("VDI", text(params[0]))
        sr = self._tables.get("SR", str(record["SR"]))
        driver_params = {key: text(value) for key, value in params[1].items()}
        made = await self._verbs.snapshot_vdi(str(sr["uuid"]), str(record["uuid"]), driver_params)
        return ref_of("VDI", made)

    # SRs

    async def _update_sr(self, session: Session, params: Sequence[Value]) -> Value:
        (sr,) = expect("SR.update", params, 1)
        await self._verbs.update_sr(str(self._tables.get("SR", sr)["uuid"]))
        return ""

    async def _scan_sr(self, session: Session, params: Sequence[Value]) -> Value:
        (sr,) = expect("SR.scan", params, 1)
        await self._verbs.scan_sr(str(self._tables.get("SR", sr)["uuid"]))
        return ""

    # The host

    async def _call_plugin(self, session: Session, params: Sequence[Value]) -> Value:
        if len(params) != 4 or not isinstance(params[3], Mapping):
            raise ApiFailure("MESSAGE_PARAMETER_COUNT_MISMATCH", "host.call_plugin", "4", str(len(params)))
        host, name, function = (text(param) for param in params[:3])
        self._tables.get("host", host)
        args = {key: text(value) for key, value in params[3].items()}
        return await self._verbs.call_plugin(name, function, args)

    # What plugins make themselves

    async def _create_message(self, session: Session, params: Sequence[Value]) -> Value:
        name, priority, cls, about, body = (printable(value) for value in expect("message.create", params, 5))
        self._log.warning("smapiv1.message", name=name, priority=priority, cls=cls, about=about, body=body)
        number = int(priority) if priority.isascii() and priority.isdecimal() and len(priority) < 5 else 0
        return self._tables.insert(
            "message",
            str(uuid.uuid4()),
            name=name,
            priority=number,
            cls=cls,
            obj_uuid=about,
            body=body,
            timestamp=self._now(),
        )

    async def _create_task(self, session: Session, params: Sequence[Value]) -> Value:
        label, description = expect("task.create", params, 2)
        return self.task(label, description)

    def task(self, label: str, description: str) -> str:
        """A new task record."""
        return self._tables.insert(
            "task", str(uuid.uuid4()), name_label=label, name_description=description, created=self._now()
        )

    async def _cancel_task(self, session: Session, params: Sequence[Value]) -> Value:
        (task,) = expect("task.cancel", params, 1)
        if self._tables.get("task", task)["status"] == "pending":
            self._tables.set("task", task, status="cancelled", finished=self._now())
        return ""

    async def _create_secret(self, session: Session, params: Sequence[Value]) -> Value:
        if len(params) != 1 or not isinstance(params[0], Mapping):
            raise ApiFailure("MESSAGE_PARAMETER_COUNT_MISMATCH", "secret.create", "1", str(len(params)))
        return self._tables.insert("secret", str(uuid.uuid4()), value=text(params[0].get("value", "")))

    def _remover(self, cls: str) -> Call:
        async def remove(session: Session, params: Sequence[Value]) -> Value:
            (ref,) = expect(f"{cls}.destroy", params, 1)
            self._tables.get(cls, ref)
            self._tables.remove(cls, ref)
            return ""

        return remove

    def _now(self) -> str:
        return stamp(self._clock.now())
