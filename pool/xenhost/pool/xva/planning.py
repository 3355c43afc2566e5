"""What is to be made of an archive: decided before anything is. Nothing here changes or waits."""

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final
from uuid import uuid4

from xenhost.core.units import TIB
from xenhost.pool.call import NULL_REF, ApiError, FrozenMap, Ref, Value
from xenhost.pool.database.codec import initial
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.engine.values import convert
from xenhost.pool.vms.unfinished import IMPORT_TASK
from xenhost.pool.xva.document import Document, Thing
from xenhost.pool.xva.vm_record import bios_strings, vm_fields

MAX_DISK: Final = 64 * TIB
MAX_NAME: Final = 1000
"""Characters."""
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VBD: Final = (
    *("userdevice", "bootable", "mode", "type", "unpluggable", "empty", "other_config"),
    *("qos_algorithm_type", "qos_algorithm_params"),
)
_VIF: Final = (
    *("device", "MAC", "MTU", "other_config", "qos_algorithm_type", "qos_algorithm_params"),
    *("locking_mode", "ipv4_allowed", "ipv6_allowed"),
)
_NETWORK: Final = ("name_label", "name_description", "MTU", "other_config", "bridge", "tags")
_VDI: Final = (
    *("uuid", "name_label", "name_description", "virtual_size", "type", "sharable", "read_only", "location", "SR"),
    *("other_config", "xenstore_data", "tags"),
)
MAC_SEED: Final = "mac_seed"


@dataclass(frozen=True, slots=True)
class Wanted:
    """How an archive is to be imported."""

    sr: Ref = NULL_REF
    """For the disks; NULL_REF: there are none in it, and those it names are looked for."""
    restore: bool = False
    """They are the VMs that were exported, with their UUIDs and MAC addresses, in place of those that there are."""
    force: bool = False
    """Wrong checksums are passed over, and what is not newer replaces what is there."""
    dry_run: bool = False
    """It is only looked whether it could be."""
    vdis: Mapping[str, str] = field(default_factory=dict)
    """UUIDs of disks in the archive, and of those to take instead."""


@dataclass(frozen=True, slots=True)
class NewVm:
    """A VM to make."""

    id: Ref
    args: Mapping[str, Value]
    """As its constructor takes them."""
    more: Mapping[str, Value]
    replaces: Ref = NULL_REF
    uuid: str = ""
    """That it shall have in the end; any, if empty."""
    snapshot_of: Ref = NULL_REF
    parent: Ref = NULL_REF


@dataclass(frozen=True, slots=True)
class NewDevice:
    """A VBD or VIF to make."""

    cls: str
    vm: Ref
    """In the archive; so is what it is connected to, NULL_REF: nothing."""
    other: Ref
    args: Mapping[str, Value]
    uuid: str = ""


@dataclass(frozen=True, slots=True)
class NewDisk:
    """A VDI to make, with its content from the archive."""

    id: Ref
    uuid: str
    size: int
    fields: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Plan:
    """All of it; `there` are objects of the pool that stand for those of the archive."""

    wanted: Wanted
    vms: Sequence[NewVm]
    disks: Sequence[NewDisk]
    networks: Mapping[Ref, Mapping[str, Value]]
    """As their constructor takes them."""
    devices: Sequence[NewDevice]
    there: Mapping[Ref, Ref]


class Planner:
    """Looks at an archive and at the pool."""

    def __init__(self, database: Database, document: Document, wanted: Wanted) -> None:
        self._database: Final = database
        self._document: Final = document
        self._wanted: Final = wanted
        self._there: Final[dict[Ref, Ref]] = {}
        self._disks: Final[dict[Ref, NewDisk]] = {}
        self._networks: Final[dict[Ref, Mapping[str, Value]]] = {}

    def plan(self) -> Generator[None, None, Plan]:
        """The plan, in short steps; others may get their turn between them.

        Raises ApiError IMPORT_ERROR… and what else stands against it.
        """
        vms: list[NewVm] = []
        for thing in self._document.of("VM"):
            if (made := self._vm(thing)) is not None:
                vms.append(made)
            yield
        mine = {vm.id for vm in vms}
        vbds: list[Thing] = []
        vifs: list[Thing] = []
        for cls, chosen in (("VBD", vbds), ("VIF", vifs)):
            for thing in self._document.of(cls):
                if self.ref(thing, "VM") in mine:
                    chosen.append(thing)
                yield
        for vbd in vbds:
            if (vdi := self.ref(vbd, "VDI")) != NULL_REF:
                self._vdi(self._document.get("VDI", vdi), is_cd=self.read(vbd, ("type",))["type"] == "CD")
            yield
        for vif in vifs:
            self._network(self._document.get("network", self.ref(vif, "network")))
        devices: list[NewDevice] = []
        for vbd in vbds:
            if (device := self._vbd(vbd)) is not None:
                devices.append(device)
            yield
        for vif in vifs:
            devices.append(self._vif(vif))
            yield
        disks = [self._disks[id] for id in sorted(self._disks)]
        return Plan(self._wanted, vms, disks, self._networks, devices, self._there)

    # Reading records, whose types are the model's

    def read(self, thing: Thing, names: Sequence[str]) -> dict[str, Value]:
        """Some fields; what is missing is as in a new object. Raises ApiError IMPORT_ERROR."""
        found: dict[str, Value] = {}
        for name in names:
            of = self._database.model.field(thing.cls, name)
            assert of is not None
            try:
                found[name] = (
                    convert(self._database.model, name, of.type, thing.record[name])
                    if name in thing.record
                    else initial(of)
                )
            except ApiError as error:
                raise ApiError("IMPORT_ERROR", f"{thing.cls} {thing.id}: {' '.join(error.as_xenapi())}") from error
            if name == "name_label" and len(str(found[name])) > MAX_NAME:
                raise ApiError("IMPORT_ERROR", f"{thing.cls} {thing.id}: its name is longer than {MAX_NAME}")
        return found

    def ref(self, thing: Thing, name: str) -> Ref:
        """A field that is a reference, of the archive."""
        return Ref(str(self.read(thing, (name,))[name]))

    def uuid(self, thing: Thing) -> str:
        """Raises ApiError IMPORT_ERROR."""
        text = str(self.read(thing, ("uuid",))["uuid"])
        if not _UUID.fullmatch(text):
            raise ApiError("IMPORT_ERROR", f"{thing.cls} {thing.id}: {text[:60]!r} is no UUID")
        return text

    # Each kind of object

    def _vm(self, thing: Thing) -> NewVm | None:
        """None: it is there, as a template that came with the software, or it is not to be made."""
        wanted, record = self._wanted, self.read(thing, ("name_label", "is_default_template", "is_control_domain"))
        fields = vm_fields(self._database.model, self, thing)
        config = fields["other_config"]
        assert isinstance(config, dict)
        if record["is_control_domain"]:
            return None
        from_the_software = record["is_default_template"] or config.get("default_template") == "true"
        found = next(self._database.by_name("VM", str(record["name_label"])), None) if from_the_software else None
        if found is not None:
            self._there[thing.id] = found
            return None
        if thing.record.get("power_state") == "Suspended" and not wanted.force:
            raise ApiError("IMPORT_ERROR", f"VM {thing.id} is suspended; with force it is imported without its memory")
        uuid = self.uuid(thing) if wanted.restore else ""
        old = self._replaced(uuid, thing) if uuid else None
        if old is not None and old["power_state"] != "Halted":
            if wanted.force:
                return None
            raise ApiError("VM_BAD_POWER_STATE", old.ref, "halted", str(old["power_state"]).lower())
        self._check_seed(uuid, thing, str(config.get(MAC_SEED, "")))
        if not wanted.restore:
            config = {**config, MAC_SEED: str(uuid4())}
        if not wanted.force:
            config = {name: value for name, value in config.items() if name != "default_template"}
        dropped = ("grant_guest_api_access", IMPORT_TASK)
        config = FrozenMap({name: value for name, value in config.items() if name not in dropped})
        version = fields["version"]
        assert isinstance(version, int)
        more: dict[str, Value] = {"bios_strings": bios_strings(self.read(thing, ("bios_strings",))["bios_strings"])}
        is_snapshot = wanted.sr == NULL_REF and bool(self.read(thing, ("is_a_snapshot",))["is_a_snapshot"])
        if is_snapshot:
            more |= self.read(thing, ("is_a_snapshot", "snapshot_time", "snapshot_info", "transportable_snapshot_id"))
        return NewVm(
            thing.id,
            {**fields, "other_config": config, "version": version + 1 if wanted.restore else 0},
            more,
            old.ref if old is not None else NULL_REF,
            uuid,
            self.ref(thing, "snapshot_of") if is_snapshot else NULL_REF,
            self.ref(thing, "parent") if wanted.sr == NULL_REF else NULL_REF,
        )

    def _replaced(self, uuid: str, thing: Thing) -> Record | None:
        """The VM that has this UUID. Raises ApiError VM_TO_IMPORT_IS_NOT_NEWER_VERSION."""
        try:
            old = self._database.get("VM", self._database.by_uuid("VM", uuid))
        except ApiError:
            return None
        here, there = int(str(old["version"])), int(str(self.read(thing, ("version",))["version"]))
        if old["power_state"] == "Halted" and here >= there and not self._wanted.force:
            raise ApiError("VM_TO_IMPORT_IS_NOT_NEWER_VERSION", old.ref, str(here), str(there))
        return old

    def _check_seed(self, uuid: str, thing: Thing, seed: str) -> None:
        """Two VMs with the same seed would have the same MAC addresses. Raises ApiError DUPLICATE_MAC_SEED."""
        if not self._wanted.restore or not seed or self.read(thing, ("is_a_snapshot",))["is_a_snapshot"]:
            return
        if self._seeds.get(seed, {uuid}) != {uuid}:
            raise ApiError("DUPLICATE_MAC_SEED", seed[:100])

    @cached_property
    def _seeds(self) -> Mapping[str, set[str]]:
        """UUIDs of the pool's VMs, no snapshots, by their seeds."""
        found: dict[str, set[str]] = {}
        for vm in self._database.rows("VM").values():
            config = vm["other_config"]
            assert isinstance(config, dict)
            if not vm["is_a_snapshot"]:
                found.setdefault(str(config.get(MAC_SEED, "")), set()).add(str(vm["uuid"]))
        return found

    def _vdi(self, thing: Thing, is_cd: bool) -> None:
        if thing.id in self._there or (thing.id in self._disks):
            return
        fields = self.read(thing, _VDI)
        sr = self._document.get("SR", Ref(str(fields["SR"])))
        if self.read(sr, ("content_type",))["content_type"] == "iso":
            self._found(thing, self._disc(str(fields["location"])))
        elif self._wanted.sr == NULL_REF:
            self._found(thing, self._existing(fields, sr))
        elif not is_cd:
            size = int(str(fields["virtual_size"]))
            if not 0 < size <= MAX_DISK:
                raise ApiError("IMPORT_ERROR", f"VDI {thing.id}: a size of {size} bytes")
            self._disks[thing.id] = NewDisk(thing.id, str(uuid4()), size, fields)

    def _found(self, thing: Thing, vdi: Ref) -> None:
        if vdi != NULL_REF:
            self._there[thing.id] = vdi

    def _disc(self, location: str) -> Ref:
        """A disc of that name in any library."""
        found = (self._places.get((sr, location)) for sr in self._libraries)
        return next((vdi for vdi in found if vdi is not None), NULL_REF)

    @cached_property
    def _libraries(self) -> Sequence[Ref]:
        rows = self._database.rows("SR").items()
        return [ref for ref, sr in rows if sr["content_type"] == "iso" and sr["type"] != "udev"]

    @cached_property
    def _places(self) -> Mapping[tuple[Value, Value], Ref]:
        """The pool's VDIs by SR and location."""
        found: dict[tuple[Value, Value], Ref] = {}
        for ref, vdi in self._database.rows("VDI").items():
            found.setdefault((vdi["SR"], vdi["location"]), ref)
        return found

    @cached_property
    def _bridges(self) -> Mapping[Value, Ref]:
        """The pool's networks by bridge."""
        found: dict[Value, Ref] = {}
        for ref, network in self._database.rows("network").items():
            found.setdefault(network["bridge"], ref)
        return found

    def _uuid_of(self, cls: str, uuid: str) -> Ref:
        """The pool's object, or NULL_REF."""
        try:
            return self._database.by_uuid(cls, uuid)
        except ApiError:
            return NULL_REF

    def _existing(self, fields: Mapping[str, Value], sr: Thing) -> Ref:
        """A disk whose content is not in the archive. Raises ApiError VDI_LOCATION_MISSING, VDI_CONTENT_ID_MISSING."""
        if (mapped := self._wanted.vdis.get(str(fields["uuid"]))) is not None:
            found = self._uuid_of("VDI", mapped)
            if found != NULL_REF:
                return found
        here = self._uuid_of("SR", self.uuid(sr))
        found = self._places.get((here, fields["location"]), NULL_REF)
        if found == NULL_REF and not self._wanted.force:
            if here == NULL_REF:
                raise ApiError("VDI_CONTENT_ID_MISSING")
            raise ApiError("VDI_LOCATION_MISSING", here, str(fields["location"])[:200])
        return found

    def _network(self, thing: Thing) -> None:
        """The one of that name, or with that bridge."""
        if thing.id in self._there or thing.id in self._networks:
            return
        fields = self.read(thing, _NETWORK)
        named = next(self._database.by_name("network", str(fields["name_label"])), None)
        bridge = fields["bridge"]
        found = named or (self._bridges.get(bridge) if bridge else None)
        if found is not None:
            self._there[thing.id] = found
        else:
            self._networks[thing.id] = {**fields, "bridge": ""}

    def _vbd(self, thing: Thing) -> NewDevice | None:
        """None for a disk that is nowhere. Raises ApiError IMPORT_ERROR_ATTACHED_DISKS_NOT_FOUND."""
        fields = self.read(thing, (*_VBD, "currently_attached"))
        vdi = self.ref(thing, "VDI")
        is_there = vdi in self._there or vdi in self._disks
        if not is_there and fields["type"] != "CD":
            if fields["currently_attached"] and not self._wanted.force:
                raise ApiError("IMPORT_ERROR_ATTACHED_DISKS_NOT_FOUND")
            return None
        del fields["currently_attached"]
        fields["empty"] = not is_there
        uuid = self.uuid(thing) if self._wanted.restore else ""
        return NewDevice("VBD", self.ref(thing, "VM"), vdi if is_there else NULL_REF, fields, uuid)

    def _vif(self, thing: Thing) -> NewDevice:
        fields = self.read(thing, _VIF)
        if not self._wanted.restore:
            fields["MAC"] = ""
        uuid = self.uuid(thing) if self._wanted.restore else ""
        return NewDevice("VIF", self.ref(thing, "VM"), self.ref(thing, "network"), fields, uuid)
