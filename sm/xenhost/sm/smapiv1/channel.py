"""One SR and its driver: commands with everything that has to go with them."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from xenhost.core.ids import is_uuid
from xenhost.core.storage import Capability, DriverInfo, SrId, Vdi, VdiId
from xenhost.core.storage_errors import SrNotAttached, SrOperationNotSupported, VdiMissing
from xenhost.sm.smapiv1.failures import Subject, printable, process_failure
from xenhost.sm.smapiv1.plugin import Plugin
from xenhost.sm.smapiv1.records import vdi_of
from xenhost.sm.smapiv1.request import Request
from xenhost.sm.smapiv1.service import Service
from xenhost.sm.smapiv1.xenapi.schema import Record, Stored
from xenhost.sm.smapiv1.xenapi.special import MADE_FOR
from xenhost.sm.smapiv1.xenapi.tables import ref_of
from xenhost.system.xmlrpc import Value

MASTER: Final = {"SRmaster": "true"}
"""What is added to device-config: this host is the one that may change the SR."""


class Extra(NamedTuple):
    """Parts of a request that few commands have."""

    vdi_type: str = ""
    vdi_location: str = ""
    driver_params: Mapping[str, str] | None = None
    vdi_sm_config: Mapping[str, str] | None = None
    sr_sm_config: Mapping[str, str] | None = None
    new_uuid: str = ""
    making: str = ""
    """UUID asked for what the command makes; kept with it from its first moment on."""


class Channel:
    """Runs commands of one SR's driver, and reads and changes the SR's records."""

    def __init__(self, service: Service, plugin: Plugin, info: DriverInfo, sr: SrId) -> None:
        self.service = service
        self.tables = service.tables
        self.sr = sr
        self.sr_ref = ref_of("SR", sr)
        self.pbd_ref = ref_of("PBD", sr)
        self._plugin = plugin
        self._info = info

    def can(self, capability: Capability) -> bool:
        """Does the driver declare it?"""
        return self._info.can(capability)

    def need(self, capability: Capability) -> None:
        """Raises SrOperationNotSupported if it does not."""
        if not self.can(capability):
            raise SrOperationNotSupported(
                f"the driver {self._info.type} of SR {self.sr} does not declare {capability}", sr=self.sr
            )

    async def run(self, command: str, *args: str, vdi: VdiId | None = None, extra: Extra | None = None) -> Value:
        """Run a command on the SR, or on a VDI of it. Raises what it fails with."""
        extra = extra or Extra()
        record = None if vdi is None else self.vdi(vdi)
        request = Request(
            command=command,
            args=args,
            device_config=self._device_config() | MASTER,
            sr_sm_config=extra.sr_sm_config,
            sr_ref=self.sr_ref,
            sr_uuid=self.sr,
            vdi_type=extra.vdi_type,
            vdi_ref="" if vdi is None else ref_of("VDI", vdi),
            vdi_location=extra.vdi_location if record is None else str(record["location"]),
            vdi_uuid=vdi or "",
            driver_params=extra.driver_params,
            vdi_sm_config=extra.vdi_sm_config,
            new_uuid=extra.new_uuid,
            vdi_on_boot="" if record is None else str(record["on_boot"]),
            vdi_allow_caching="" if record is None else ("true" if record["allow_caching"] else "false"),
        )
        return await self.service.run(self._plugin, request, Subject(command, self.sr, vdi), extra.making)

    def made(self, command: str, answer: Value) -> VdiId:
        """The VDI that an answer names, {uuid, location}. Raises SrBackendFailure if it is none that was introduced."""
        uuid = answer.get("uuid") if isinstance(answer, Mapping) else None
        if isinstance(uuid, str) and is_uuid(uuid) and self.find(VdiId(uuid)) is not None:
            return VdiId(uuid)
        reason = f"{command} answered {printable(str(uuid))[:60]!r}, which is not the UUID of a VDI it has introduced"
        raise process_failure(reason, "", "")

    # Records

    def sr_record(self) -> Record:
        """The SR's. Raises SrNotAttached if it was destroyed."""
        return self._own("SR", self.sr_ref)

    def find(self, vdi: VdiId) -> Record | None:
        """The record of a VDI of this SR."""
        record = self.tables.find("VDI", ref_of("VDI", vdi))
        return record if record is not None and record["SR"] == self.sr_ref else None

    def vdi(self, vdi: VdiId) -> Record:
        """As `find`. Raises VdiMissing."""
        if (record := self.find(vdi)) is None:
            raise VdiMissing(f"SR {self.sr} has no VDI {vdi}", sr=self.sr, vdi=vdi)
        return record

    def made_for(self, wanted: VdiId) -> VdiId | None:
        """The VDI that was made when this UUID was asked for; it may have that very UUID."""
        if self.find(wanted) is not None:
            return wanted
        rows = self.tables.of_sr("VDI", self.sr_ref)
        found = [VdiId(str(row["uuid"])) for _, row in rows if row.get(MADE_FOR) == wanted and row["managed"]]
        return found[0] if len(found) == 1 else None

    def told(self, vdi: VdiId) -> Vdi:
        """A VDI as the port tells it. Raises VdiMissing."""
        return vdi_of(self.tables, self.vdi(vdi), str(self.sr_record()["content_type"]))

    def vdis(self) -> tuple[Vdi, ...]:
        """All of the SR."""
        content_type = str(self.sr_record()["content_type"])
        return tuple(vdi_of(self.tables, row, content_type) for _, row in self.tables.of_sr("VDI", self.sr_ref))

    async def change(self, vdi: VdiId, **fields: Stored) -> None:
        """Change the record of a VDI, durably. Raises VdiMissing."""
        self.vdi(vdi)
        self.tables.set("VDI", ref_of("VDI", vdi), **fields)
        await self.tables.flush()

    def _own(self, cls: str, ref: str) -> Record:
        if (record := self.tables.find(cls, ref)) is None:
            raise SrNotAttached(f"SR {self.sr} is not attached to this host", sr=self.sr)
        return record

    def _device_config(self) -> dict[str, str]:
        value = self._own("PBD", self.pbd_ref)["device_config"]
        assert isinstance(value, dict)  # by the schema
        return value
