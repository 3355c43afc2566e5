"""SRs and VDIs on the wire."""

import base64
from dataclasses import replace

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from xenhost.agent.rpc.convert.sr import HIDDEN, driver_to_proto, probe_to_proto, spec_from_proto, sr_to_proto
from xenhost.agent.rpc.convert.storage_update import sr_change, vdi_change
from xenhost.agent.rpc.convert.vdi import BITMAP_PART, bitmap_to_proto, new_from_proto, vdi_to_proto
from xenhost.api.host.v1 import storage_pb2
from xenhost.core.errors import InvalidValue, UuidInvalid
from xenhost.core.storage import (
    Bitmap,
    Capability,
    ConfigKey,
    DriverInfo,
    LunPaths,
    NewVdi,
    OnBoot,
    ProbeEntry,
    ProbeReport,
    SrId,
    SrSpec,
    SrStat,
    Vdi,
    VdiId,
    VdiType,
)
from xenhost.core.storage_errors import SrUnknownDriver
from xenhost.core.storage_views import SrView, VdiView

SR = SrId("6a1f4d0e-0000-4000-8000-00000000000a")
VDI = VdiId("6a1f4d0e-0000-4000-8000-00000000000b")
REQUEST = "6a1f4d0e-0000-4000-8000-00000000000c"
DRIVER = DriverInfo(
    *("smb", "SMB", "", "", "", "1", "1.0"),
    capabilities={Capability.SR_PROBE: 1, Capability.VDI_RESET_ON_BOOT: 2},
    configuration=(ConfigKey("server", "//host/share", True), ConfigKey("key", "", secret=True)),
)
SPEC = SrSpec(SR, "smb", {"server": "//h/s", "key": "k", "password": "hunter2", "x": ""}, "nas", sm_config={"a": "b"})


def sr(**fields: object) -> storage_pb2.Sr:
    message = storage_pb2.Sr(name="nas", type="SMB")
    message.MergeFrom(storage_pb2.Sr(**fields))  # type: ignore[arg-type] # any field
    return message


def vdi(**fields: object) -> storage_pb2.Vdi:
    message = storage_pb2.Vdi(virtual_size_bytes=1 << 20)
    message.MergeFrom(storage_pb2.Vdi(**fields))  # type: ignore[arg-type] # any field
    return message


def test_secrets_of_an_sr_are_not_shown() -> None:
    view = SrView(SPEC, True, SrStat(10, 5, 7, problem="slow"), (), ("scan",), "", 3)
    message = sr_to_proto(view)
    assert dict(message.device_config) == {"server": "//h/s", "key": "k", "password": HIDDEN, "x": ""}
    assert (message.status.physical_size_bytes, message.status.problem) == (10, "slow")
    without = sr_to_proto(replace(view, stat=None))
    assert without.device_config["password"] == HIDDEN
    assert without.status.health == storage_pb2.SR_HEALTH_UNSPECIFIED
    found = ProbeReport((ProbeEntry({"server": "//h/s", "password": "hunter2", "key": "hunter2"}, True),))
    assert "hunter2" not in str(probe_to_proto(found, DRIVER))
    assert [(key.name, key.secret) for key in driver_to_proto(DRIVER).configuration] == [
        ("server", False),
        ("key", True),
    ]


def test_ways_to_the_luns_of_an_sr_are_shown_while_it_is_attached() -> None:
    stat = SrStat(10, 5, 7, paths=(LunPaths("3600a", 1, 2),), iscsi_sessions=2)
    view = SrView(SPEC, True, stat, (), ("scan",), "", 3)
    (paths,) = sr_to_proto(view).status.paths
    assert (paths.scsi_id, paths.current, paths.maximum) == ("3600a", 1, 2)
    assert sr_to_proto(view).status.iscsi_sessions == 2
    assert not sr_to_proto(replace(view, attached=False)).status.paths


def test_an_sr_that_is_not_named_by_its_owner_gets_an_id_from_the_request() -> None:
    first = spec_from_proto(sr(), 0, REQUEST)
    assert first == spec_from_proto(sr(), 0, REQUEST)
    assert (first.type, first.id != spec_from_proto(sr(), 0, "other").id) == ("smb", True)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "a\nb"}, "sr.name"),
        ({"name": "a" * 256}, "sr.name"),
        ({"description": "a" * 5000}, "sr.description"),
        ({"device_config": {"password": HIDDEN}}, "sr.device_config.password"),
        ({"device_config": {"a": "b\nc"}}, "sr.device_config.a"),
        ({"device_config": {"": "b"}}, "sr.device_config"),
        ({"device_config": {str(number): "" for number in range(65)}}, "sr.device_config"),
        ({"sm_config": {"a\0": ""}}, "sr.sm_config"),
    ],
)
def test_what_no_sr_can_have_is_refused(fields: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        spec_from_proto(sr(**fields), 0, REQUEST)
    assert caught.value.values["field"] == field


def test_what_is_no_type_of_an_sr_has_no_driver() -> None:
    with pytest.raises(SrUnknownDriver) as caught:
        spec_from_proto(sr(type="../x"), 0, REQUEST)
    assert caught.value.values == {"driver": "../x"}


def test_an_sr_needs_a_name_and_a_uuid_that_is_one() -> None:
    with pytest.raises(InvalidValue, match="name is required"):
        spec_from_proto(storage_pb2.Sr(type="file"), 0, REQUEST)
    with pytest.raises(UuidInvalid):
        spec_from_proto(sr(id="x"), 0, REQUEST)
    with pytest.raises(InvalidValue, match="1 PiB"):
        spec_from_proto(sr(), 1 << 60, REQUEST)


def test_a_vdi_on_the_wire_is_the_one_that_was_found() -> None:
    found = Vdi(
        *(VDI, "b.qcow2", 1 << 30, 5, "root", "d", VdiType.SYSTEM, "qcow2", False, True),
        is_a_snapshot=True,
        snapshot_of=VDI,
        snapshot_time=1.5,
        on_boot=OnBoot.RESET,
        depth=3,
    )
    message = vdi_to_proto(VdiView(SR, found, True, ("vbd/a/xvda",), (), ("snapshot",), 9))
    assert (message.sr_id, message.type, message.on_boot) == (
        SR,
        storage_pb2.VDI_TYPE_SYSTEM,
        storage_pb2.ON_BOOT_RESET,
    )
    status = message.status
    assert (status.depth, status.missing, list(status.datapaths)) == (3, True, ["vbd/a/xvda"])
    assert status.snapshot_time.ToNanoseconds() == 1_500_000_000


def test_a_vdi_to_be_made_has_the_defaults_that_are_documented() -> None:
    new = new_from_proto(vdi())
    assert new == NewVdi(VdiId(""), 1 << 20)
    assert new_from_proto(vdi(id=VDI.upper())).id == VDI


@pytest.mark.parametrize(
    "fields",
    [
        {"virtual_size_bytes": 1 << 60},
        {"type": storage_pb2.VDI_TYPE_CBT_METADATA},
        {"type": 99},
        {"name": "\x1b"},
        {"sm_config": {"a": "x" * 5000}},
    ],
)
def test_what_no_vdi_can_have_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidValue):
        new_from_proto(vdi(**fields))


def test_a_vdi_needs_a_size() -> None:
    with pytest.raises(InvalidValue, match="is required"):
        new_from_proto(storage_pb2.Vdi())


def test_only_what_the_mask_names_changes() -> None:
    change = vdi_change(vdi(name="n", read_only=True), FieldMask(paths=["name"]))
    assert (change.name, change.read_only, change.on_boot) == ("n", None, None)
    change = vdi_change(vdi(), FieldMask(paths=["description", "on_boot", "sharable"]))
    assert (change.name, change.description, change.on_boot, change.sharable) == (None, "", OnBoot.PERSIST, False)
    update = sr_change(SR, sr(other_config={"a": "b"}), FieldMask(paths=["other_config"]))
    assert (update.name, update.description, update.other_config) == (None, None, {"a": "b"})


@pytest.mark.parametrize("paths", [[], ["id"], ["virtual_size_bytes"], ["status.location"], ["nothing"]])
def test_what_cannot_be_changed_is_refused(paths: list[str]) -> None:
    with pytest.raises(InvalidValue):
        vdi_change(vdi(), FieldMask(paths=paths))
    with pytest.raises(InvalidValue):
        sr_change(SR, sr(), FieldMask(paths=paths))
    with pytest.raises(InvalidValue, match="needs a name"):
        sr_change(SR, storage_pb2.Sr(), FieldMask(paths=["name"]))


def test_changed_blocks_are_those_of_xenserver_in_parts_that_join() -> None:
    bits = bytes([0b0000_0001]) + bytes(BITMAP_PART) + bytes([0b1100_0000])
    parts = list(bitmap_to_proto(Bitmap(bits, 123)))
    assert len(parts) == 2
    whole = base64.b64decode("".join(part.bitmap for part in parts))
    assert whole == bytes([0b1000_0000]) + bytes(BITMAP_PART) + bytes([0b0000_0011])
    assert (parts[0].size_bytes, parts[0].granularity_bytes) == (123, 65536)
    (empty,) = bitmap_to_proto(Bitmap(b"", 0))
    assert empty.bitmap == ""
