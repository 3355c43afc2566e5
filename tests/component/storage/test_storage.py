"""SRs and VDIs over gRPC, on a `file` SR."""

import asyncio
import base64
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from component.harness.agent import Agent
from component.harness.client import Client, refused
from xenhost.api.host.v1 import event_service_pb2, operation_pb2, storage_pb2, vbd_service_pb2, vm_pb2
from xenhost.api.host.v1.sr_service_pb2 import (
    AttachSrRequest,
    CoalesceSrRequest,
    CreateSrRequest,
    DestroySrRequest,
    DetachSrRequest,
    ForgetSrRequest,
    GetSrRequest,
    IntroduceSrRequest,
    ListChoresRequest,
    ListDatapathsRequest,
    ListDriversRequest,
    ListSrsRequest,
    ProbeSrRequest,
    ScanSrRequest,
    UpdateSrRequest,
)
from xenhost.api.host.v1.vdi_service_pb2 import (
    CloneVdiRequest,
    CompareVdisRequest,
    CopyVdiRequest,
    CreateVdiRequest,
    DestroyVdiDataRequest,
    DestroyVdiRequest,
    DisableCbtRequest,
    EnableCbtRequest,
    ForgetVdiRequest,
    GetVdiRequest,
    IntroduceVdiRequest,
    ListChangedBlocksRequest,
    ListVdisRequest,
    ResizeVdiRequest,
    RevertVdiRequest,
    SnapshotVdiRequest,
    UpdateVdiRequest,
)
from xenhost.api.host.v1.vm_service_pb2 import ShutdownVmRequest, StartVmRequest
from xenhost.core.units import MIB

Code = grpc.StatusCode


async def vdi_of(client: Client, name: str) -> storage_pb2.Vdi:
    vdi: storage_pb2.Vdi = await client.vdis.GetVdi(GetVdiRequest(id=name))
    return vdi


async def names(client: Client, sr: str = "") -> list[str]:
    return [vdi.name for vdi in (await client.vdis.ListVdis(ListVdisRequest(sr_id=sr))).vdis]


async def test_the_types_of_srs_say_what_they_take(client: Client) -> None:
    drivers = {each.type: each for each in (await client.srs.ListDrivers(ListDriversRequest())).drivers}
    assert list(drivers) == sorted(drivers)
    file = drivers["file"]
    assert [key.name for key in file.configuration if key.required] == ["location"]
    assert file.capabilities["VDI_SNAPSHOT"] >= 1


async def test_an_sr_lives_its_life(client: Client, place: Path) -> None:
    sr = await client.create_sr("local", place)
    assert (sr.name, sr.type, sr.status.attached) == ("local", "file", True)
    assert dict(sr.device_config) == {"location": str(place)}
    assert sr.status.physical_size_bytes > 0
    listed = (await client.srs.ListSrs(ListSrsRequest())).srs
    assert [(each.id, each.status.attached) for each in listed] == [(sr.id, True)]
    change = UpdateSrRequest(
        sr=storage_pb2.Sr(id="local", name="other", other_config={"a": "b"}),
        update_mask=FieldMask(paths=["name", "other_config"]),
    )
    changed = await client.sr_done(client.srs.UpdateSr(change))
    assert (changed.name, dict(changed.other_config)) == ("other", {"a": "b"})
    detached = await client.sr_done(client.srs.DetachSr(DetachSrRequest(id="other")))
    assert not detached.status.attached
    await refused(client.vdis.CreateVdi(_new("other")), "SR_NOT_ATTACHED", Code.FAILED_PRECONDITION)
    await client.srs.ForgetSr(ForgetSrRequest(id="other"))
    await refused(client.srs.GetSr(GetSrRequest(id="other")), "HANDLE_INVALID", Code.NOT_FOUND)
    config = {"location": str(place)}
    again = storage_pb2.Sr(id=sr.id, name="back", type="file", device_config=config)
    known = await client.srs.IntroduceSr(IntroduceSrRequest(sr=again))
    assert (known.id, known.status.attached) == (sr.id, False)
    attached = await client.sr_done(client.srs.AttachSr(AttachSrRequest(id="back")))
    assert attached.status.attached
    gone = await client.sr_done(client.srs.DestroySr(DestroySrRequest(id="back")))
    assert gone.id == sr.id
    assert not (await client.srs.ListSrs(ListSrsRequest())).srs


async def test_a_probe_says_what_is_missing_and_what_is_there(client: Client, place: Path) -> None:
    found = await client.srs.ProbeSr(ProbeSrRequest(type="file"))
    assert (found.missing, len(found.entries)) == ("location", 0)
    sr = await client.create_sr("local", place)
    found = await client.srs.ProbeSr(ProbeSrRequest(type="file", device_config={"location": str(place)}))
    assert found.missing == ""
    assert [entry.sr_id for entry in found.entries if entry.complete] in ([sr.id], [])


async def test_a_vdi_lives_its_life(client: Client, sr: storage_pb2.Sr) -> None:
    vdi = await client.create_vdi("local", "root", 10 * MIB, description="d")
    assert (vdi.sr_id, vdi.virtual_size_bytes, vdi.description, vdi.type) == (
        *(sr.id, 10 * MIB, "d"),
        storage_pb2.VDI_TYPE_USER,
    )
    assert vdi.status.managed
    change = UpdateVdiRequest(vdi=storage_pb2.Vdi(id="root", name="web"), update_mask=FieldMask(paths=["name"]))
    assert (await client.vdi_done(client.vdis.UpdateVdi(change))).name == "web"
    bigger = await client.vdi_done(client.vdis.ResizeVdi(ResizeVdiRequest(id="web", virtual_size_bytes=20 * MIB)))
    assert (bigger.id, bigger.virtual_size_bytes) == (vdi.id, 20 * MIB)
    smaller = ResizeVdiRequest(id="web", virtual_size_bytes=5 * MIB)
    await refused(client.vdis.ResizeVdi(smaller), "VDI_TOO_SMALL", Code.INVALID_ARGUMENT)
    gone = await client.vdi_done(client.vdis.DestroyVdi(DestroyVdiRequest(id="web")))
    assert gone.id == vdi.id
    assert await names(client) == []


async def test_snapshots_clones_and_reverts(client: Client, sr: storage_pb2.Sr) -> None:
    vdi = await client.create_vdi("local", "root")
    snapshot = await client.vdi_done(client.vdis.SnapshotVdi(SnapshotVdiRequest(id="root", name="monday")))
    assert (snapshot.name, snapshot.status.is_a_snapshot, snapshot.status.snapshot_of) == ("monday", True, vdi.id)
    assert snapshot.status.snapshot_time.seconds > 0
    clone = await client.vdi_done(client.vdis.CloneVdi(CloneVdiRequest(id="monday")))
    assert (clone.name, clone.status.is_a_snapshot) == ("monday", False)
    reverted = await client.vdi_done(client.vdis.RevertVdi(RevertVdiRequest(snapshot_id=snapshot.id)))
    assert reverted.id == vdi.id
    await refused(client.vdis.RevertVdi(RevertVdiRequest(snapshot_id=vdi.id)), "INVALID_VALUE", Code.INVALID_ARGUMENT)
    assert sorted(await names(client, "local")) == ["monday", "monday", "root"]


async def test_a_copy_is_the_same_and_a_difference_is_named(client: Client, sr: storage_pb2.Sr, place: Path) -> None:
    second = place.parent / "second"
    second.mkdir()
    await client.create_sr("second", second)
    vdi = await client.create_vdi("local", "root")
    request = CopyVdiRequest(id="root", sr_id="second", name="copy", bytes_per_second=1 << 30)
    copy = await client.vdi_done(client.vdis.CopyVdi(request))
    assert (copy.name, copy.virtual_size_bytes) == ("copy", vdi.virtual_size_bytes)
    assert copy.sr_id != vdi.sr_id
    same = await client.vdi_done(client.vdis.CompareVdis(CompareVdisRequest(id="root", other_id="copy")))
    assert same.id == vdi.id


async def test_the_same_request_makes_one_vdi(client: Client, sr: storage_pb2.Sr) -> None:
    request = _new("local", request_id=str(uuid4()))
    first = await client.vdi_done(client.vdis.CreateVdi(request))
    again = await client.vdi_done(client.vdis.CreateVdi(request))
    assert (first.id, await names(client)) == (again.id, ["new"])
    request.vdi.name = "other"
    await refused(client.vdis.CreateVdi(request), "INVALID_VALUE", Code.INVALID_ARGUMENT)


async def test_changed_blocks_are_listed_between_snapshots(client: Client, sr: storage_pb2.Sr) -> None:
    await client.create_vdi("local", "root")
    tracked = await client.vdi_done(client.vdis.EnableCbt(EnableCbtRequest(id="root")))
    assert tracked.status.cbt_enabled
    first = await client.vdi_done(client.vdis.SnapshotVdi(SnapshotVdiRequest(id="root", name="one")))
    second = await client.vdi_done(client.vdis.SnapshotVdi(SnapshotVdiRequest(id="root", name="two")))
    request = ListChangedBlocksRequest(older_id=first.id, newer_id=second.id)
    parts = [part async for part in client.vdis.ListChangedBlocks(request)]
    assert base64.b64decode("".join(part.bitmap for part in parts)) == bytes(2)
    assert (parts[0].size_bytes, parts[0].granularity_bytes) == (MIB, 65536)
    freed = await client.vdi_done(client.vdis.DestroyVdiData(DestroyVdiDataRequest(id="one")))
    assert freed.type == storage_pb2.VDI_TYPE_CBT_METADATA
    plain = await client.vdi_done(client.vdis.DisableCbt(DisableCbtRequest(id="root")))
    assert not plain.status.cbt_enabled


async def test_a_vdi_is_forgotten_and_found_again(client: Client, sr: storage_pb2.Sr, place: Path) -> None:
    vdi = await client.create_vdi("local", "root")
    await client.vdis.ForgetVdi(ForgetVdiRequest(id="root"))
    assert await names(client) == []
    await client.sr_done(client.srs.ScanSr(ScanSrRequest(id="local")))
    assert (await vdi_of(client, vdi.id)).name == "root"


async def test_a_file_is_taken_on_as_a_vdi(client: Client, sr: storage_pb2.Sr, place: Path) -> None:
    name = f"{uuid4()}.raw"
    (place / name).write_bytes(bytes(MIB))
    introduce = IntroduceVdiRequest(sr_id="local", location=name, name="old")
    vdi = await client.vdi_done(client.vdis.IntroduceVdi(introduce))
    assert vdi.virtual_size_bytes == MIB
    missing = IntroduceVdiRequest(sr_id="local", location=f"{uuid4()}.raw")
    ended = await client.ended(client.vdis.IntroduceVdi(missing))
    assert ended.error.message


async def test_upkeep_is_listed_and_done(client: Client, sr: storage_pb2.Sr) -> None:
    assert (await client.srs.ListChores(ListChoresRequest(id="local"))).chores == []
    done = await client.sr_done(client.srs.CoalesceSr(CoalesceSrRequest(id="local")))
    assert done.id == sr.id


async def test_vdis_come_by_pages(client: Client, sr: storage_pb2.Sr) -> None:
    for number in range(5):
        await client.create_vdi("local", f"vdi {number}")
    seen, token = [], ""
    while True:
        page = await client.vdis.ListVdis(ListVdisRequest(page_size=2, page_token=token))
        seen += [vdi.name for vdi in page.vdis]
        token = page.next_page_token
        if not token:
            break
    assert seen == [f"vdi {number}" for number in range(5)]
    bad = ListVdisRequest(page_token="x")
    await refused(client.vdis.ListVdis(bad), "INVALID_VALUE", Code.INVALID_ARGUMENT)


async def test_a_vm_runs_on_a_vdi_with_limits(agent: Agent, client: Client, sr: storage_pb2.Sr) -> None:
    vdi = await client.create_vdi("local", "root")
    disk = vm_pb2.Vbd(device="xvda", source=vm_pb2.Source(vdi_id="root"), limits=vm_pb2.IoLimits(iops=500))
    vm = await client.create(name="web", vbds=[disk])
    source = vm.vbds[0].source
    assert (source.kind, source.vdi_id, source.path) == (vm_pb2.SOURCE_KIND_VDI, vdi.id, "")
    assert vm.vbds[0].limits.iops == 500
    await client.done(client.vms.StartVm(StartVmRequest(id="web")))
    (datapath,) = (await client.srs.ListDatapaths(ListDatapathsRequest(sr_id="local"))).datapaths
    assert (datapath.name, datapath.vdi_id, datapath.mode) == (
        *(f"vbd/{vm.id}/xvda", vdi.id),
        storage_pb2.ATTACH_MODE_RW,
    )
    assert list((await vdi_of(client, "root")).status.datapaths) == [datapath.name]
    await refused(client.vdis.DestroyVdi(DestroyVdiRequest(id="root")), "VDI_IN_USE", Code.FAILED_PRECONDITION)
    await refused(client.srs.DetachSr(DetachSrRequest(id="local")), "SR_DEVICE_IN_USE", Code.FAILED_PRECONDITION)
    snapshot = await client.vdi_done(client.vdis.SnapshotVdi(SnapshotVdiRequest(id="root")))
    assert snapshot.name == "root"
    second = vm_pb2.Vbd(device="xvdb", source=vm_pb2.Source(vdi_id=snapshot.id), mode=vm_pb2.VBD_MODE_RO)
    plugged = await client.done(client.vbds.PlugVbd(vbd_service_pb2.PlugVbdRequest(vm_id="web", vbd=second)))
    assert plugged.vbds[1].source.vdi_id == snapshot.id
    await client.done(client.vms.ShutdownVm(ShutdownVmRequest(id="web", hard=True)))
    assert not (await client.srs.ListDatapaths(ListDatapathsRequest())).datapaths


async def test_a_cd_comes_from_a_vdi(client: Client, sr: storage_pb2.Sr) -> None:
    await client.create_vdi("local", "cd", read_only=True)
    drive = vm_pb2.Vbd(device="xvdd", type=vm_pb2.VBD_TYPE_CD)
    await client.create(name="web", vbds=[drive])
    insert = vbd_service_pb2.InsertVbdRequest(vm_id="web", device="xvdd", source=vm_pb2.Source(vdi_id="cd"))
    vm = await client.done(client.vbds.InsertVbd(insert))
    assert vm.vbds[0].source.kind == vm_pb2.SOURCE_KIND_VDI


@pytest.mark.parametrize(
    "fields",
    [
        {"vdi_id": "nothing"},
        {"vdi_id": str(UUID(int=7)), "path": "/dev/null"},
        {"kind": vm_pb2.SOURCE_KIND_VDI},
        {"kind": vm_pb2.SOURCE_KIND_BLOCK, "vdi_id": str(UUID(int=7))},
        {"kind": vm_pb2.SOURCE_KIND_NBD, "path": "/x"},
    ],
    ids=str,
)
async def test_a_source_that_makes_no_sense_is_refused(client: Client, fields: dict[str, Any]) -> None:
    source = vm_pb2.Source(**fields)
    await client.create(name="web")
    plug = vbd_service_pb2.PlugVbdRequest(vm_id="web", vbd=vm_pb2.Vbd(device="xvda", source=source))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.vbds.PlugVbd(plug)
    assert caught.value.code() in {Code.INVALID_ARGUMENT, Code.NOT_FOUND}


async def test_what_changes_is_told(client: Client, place: Path) -> None:
    stream = client.events.WatchEvents(event_service_pb2.WatchEventsRequest())
    await stream.read()
    await client.create_sr("local", place)
    vdi = await client.create_vdi("local", "root")
    await client.vdi_done(client.vdis.DestroyVdi(DestroyVdiRequest(id="root")))
    seen: set[tuple[int, str, int]] = set()
    async with asyncio.timeout(10):
        while (event_service_pb2.OBJECT_KIND_VDI, vdi.id, event_service_pb2.CHANGE_KIND_DELETED) not in seen:
            seen |= {(each.kind, each.id, each.change) for each in (await stream.read()).events}
    stream.cancel()
    assert {kind for kind, _, _ in seen} >= {event_service_pb2.OBJECT_KIND_SR, event_service_pb2.OBJECT_KIND_VDI}


async def test_an_operation_says_what_it_is_about(client: Client, sr: storage_pb2.Sr) -> None:
    vdi = await client.create_vdi("local", "root")
    ended = await client.ended(client.vdis.SnapshotVdi(SnapshotVdiRequest(id="root")))
    metadata = operation_pb2.OperationMetadata()
    assert ended.metadata.Unpack(metadata)
    assert (metadata.kind, metadata.target_kind, metadata.target, metadata.target_name, metadata.vm_name) == (
        *("vdi.snapshot", event_service_pb2.OBJECT_KIND_VDI),
        *(vdi.id, "root", ""),
    )


async def test_what_is_asked_of_nothing_is_not_found(client: Client, sr: storage_pb2.Sr) -> None:
    nobody = str(uuid4())
    for call in (
        client.srs.GetSr(GetSrRequest(id=nobody)),
        client.srs.AttachSr(AttachSrRequest(id="nobody")),
        client.vdis.GetVdi(GetVdiRequest(id=nobody)),
        client.vdis.SnapshotVdi(SnapshotVdiRequest(id="nobody")),
        client.vdis.CreateVdi(_new(nobody)),
        client.vdis.CopyVdi(CopyVdiRequest(id=nobody)),
    ):
        await refused(call, "HANDLE_INVALID", Code.NOT_FOUND)


async def test_an_sr_of_no_known_type_or_with_a_uuid_that_is_taken_is_refused(
    client: Client, sr: storage_pb2.Sr, place: Path
) -> None:
    unknown = CreateSrRequest(sr=storage_pb2.Sr(name="a", type="nothing"))
    await refused(client.srs.CreateSr(unknown), "SR_UNKNOWN_DRIVER", Code.NOT_FOUND)
    await refused(client.srs.ProbeSr(ProbeSrRequest(type="nothing")), "SR_UNKNOWN_DRIVER", Code.NOT_FOUND)
    config = {"location": str(place)}
    taken = CreateSrRequest(sr=storage_pb2.Sr(id=sr.id, name="a", type="file", device_config=config))
    await refused(client.srs.CreateSr(taken), "SR_UUID_EXISTS", Code.ALREADY_EXISTS)


def _new(sr: str, **fields: Any) -> CreateVdiRequest:
    return CreateVdiRequest(vdi=storage_pb2.Vdi(sr_id=sr, name="new", virtual_size_bytes=MIB), **fields)
