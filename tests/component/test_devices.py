"""VbdService and VifService over a real connection."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest

from component.harness.agent import Agent
from component.harness.client import Client, refused
from xenhost.api.host.v1 import vm_pb2
from xenhost.api.host.v1.vbd_service_pb2 import EjectVbdRequest, InsertVbdRequest, PlugVbdRequest, UnplugVbdRequest
from xenhost.api.host.v1.vif_service_pb2 import PlugVifRequest, UnplugVifRequest
from xenhost.api.host.v1.vm_service_pb2 import GetVmRequest, StartVmRequest
from xenhost.core.errors import (
    DeviceAttachFailed,
    DeviceAttachTimeout,
    DeviceDetachRejected,
    DeviceDetachTimeout,
    XenhostError,
)
from xenhost.core.ids import DomId

CODE = grpc.StatusCode
FILE = vm_pb2.SOURCE_KIND_FILE
ATTACHED = vm_pb2.DEVICE_STATE_ATTACHED


def disk(device: str, path: str = "/disks/one") -> vm_pb2.Vbd:
    return vm_pb2.Vbd(device=device, source=vm_pb2.Source(kind=FILE, path=path))


@pytest.fixture
async def vm(client: Client) -> vm_pb2.Vm:
    """Runs, with a disk and an empty CD drive."""
    drive = vm_pb2.Vbd(device="hdc", type=vm_pb2.VBD_TYPE_CD)
    created = await client.create(vbds=[disk("xvda"), drive])
    return await client.done(client.vms.StartVm(StartVmRequest(id=created.id)))


async def test_a_disk_is_plugged_into_a_running_vm_and_out_again(client: Client, vm: vm_pb2.Vm) -> None:
    after = await client.done(client.vbds.PlugVbd(PlugVbdRequest(vm_id=vm.id, vbd=disk("xvdb", "/disks/two"))))
    assert {vbd.device: vbd.state for vbd in after.vbds}["xvdb"] in {ATTACHED, vm_pb2.DEVICE_STATE_ATTACHING}
    after = await client.done(client.vbds.UnplugVbd(UnplugVbdRequest(vm_id=vm.id, device="xvdb")))
    assert [vbd.device for vbd in after.vbds] == ["xvda", "hdc"]


async def test_a_vif_is_plugged_into_a_running_vm_and_out_again(client: Client, vm: vm_pb2.Vm, agent: Agent) -> None:
    request = PlugVifRequest(vm_id=vm.id, vif=vm_pb2.Vif(index=3, bridge="xenbr0"), request_id=str(uuid4()))
    after = await client.done(client.vifs.PlugVif(request))
    assert after.vifs[0].index == 3
    assert int(after.vifs[0].mac[:2], 16) & 3 == 2
    assert (await client.done(client.vifs.PlugVif(request))).vifs == after.vifs
    after = await client.done(client.vifs.UnplugVif(UnplugVifRequest(vm_id=vm.id, index=3)))
    assert not after.vifs


async def test_a_medium_goes_into_the_drive_and_out_again(client: Client, vm: vm_pb2.Vm) -> None:
    source = vm_pb2.Source(kind=FILE, path="/iso/debian.iso")
    after = await client.done(client.vbds.InsertVbd(InsertVbdRequest(vm_id=vm.id, device="hdc", source=source)))
    assert {vbd.device: vbd.source.path for vbd in after.vbds}["hdc"] == "/iso/debian.iso"
    call = client.vbds.InsertVbd(InsertVbdRequest(vm_id=vm.id, device="hdc", source=source))
    await refused(call, "VBD_NOT_EMPTY", CODE.FAILED_PRECONDITION)
    after = await client.done(client.vbds.EjectVbd(EjectVbdRequest(vm_id=vm.id, device="hdc")))
    assert {vbd.device: vbd.source.kind for vbd in after.vbds}["hdc"] == vm_pb2.SOURCE_KIND_EMPTY
    call = client.vbds.EjectVbd(EjectVbdRequest(vm_id=vm.id, device="hdc"))
    await refused(call, "VBD_IS_EMPTY", CODE.FAILED_PRECONDITION)


async def test_a_disk_is_no_drive(client: Client, vm: vm_pb2.Vm) -> None:
    source = vm_pb2.Source(kind=FILE, path="/iso")
    for call in (
        client.vbds.InsertVbd(InsertVbdRequest(vm_id=vm.id, device="xvda", source=source)),
        client.vbds.EjectVbd(EjectVbdRequest(vm_id=vm.id, device="xvda")),
    ):
        await refused(call, "VBD_NOT_REMOVABLE_MEDIA", CODE.FAILED_PRECONDITION)


async def test_nothing_is_inserted_without_a_path(client: Client, vm: vm_pb2.Vm) -> None:
    call = client.vbds.InsertVbd(InsertVbdRequest(vm_id=vm.id, device="hdc"))
    error = await refused(call, "INVALID_VALUE", CODE.INVALID_ARGUMENT)
    assert error.values["field"] == "source.path"


async def test_a_place_holds_one_device(client: Client, vm: vm_pb2.Vm) -> None:
    call = client.vbds.PlugVbd(PlugVbdRequest(vm_id=vm.id, vbd=disk("xvda", "/other")))
    await refused(call, "DEVICE_ALREADY_EXISTS", CODE.ALREADY_EXISTS)


async def test_what_is_not_plugged_is_not_found(client: Client, vm: vm_pb2.Vm) -> None:
    for call in (
        client.vbds.UnplugVbd(UnplugVbdRequest(vm_id=vm.id, device="xvdz")),
        client.vifs.UnplugVif(UnplugVifRequest(vm_id=vm.id, index=7)),
        client.vbds.EjectVbd(EjectVbdRequest(vm_id=vm.id, device="xvdz")),
    ):
        await refused(call, "HANDLE_INVALID", CODE.NOT_FOUND)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda client, vm: client.vbds.PlugVbd(PlugVbdRequest(vm_id=vm)), "vbd"),
        (lambda client, vm: client.vifs.PlugVif(PlugVifRequest(vm_id=vm)), "vif"),
        (lambda client, vm: client.vbds.PlugVbd(PlugVbdRequest(vm_id=vm, vbd=disk("floppy"))), "device"),
        (lambda client, vm: client.vbds.UnplugVbd(UnplugVbdRequest(vm_id=vm, device="")), "device"),
        (lambda client, vm: client.vifs.UnplugVif(UnplugVifRequest(vm_id=vm, index=4000)), "index"),
        (
            lambda client, vm: client.vifs.PlugVif(PlugVifRequest(vm_id=vm, vif=vm_pb2.Vif(bridge="a/b"))),
            "vif.bridge",
        ),
        (lambda client, vm: client.vbds.PlugVbd(PlugVbdRequest(vbd=disk("xvdb"))), "vm_id"),
    ],
    ids=["no vbd", "no vif", "no disk", "no name", "index", "bridge", "no vm"],
)
async def test_a_bad_device_is_refused_with_the_field(
    client: Client, vm: vm_pb2.Vm, make: Callable[[Client, str], Awaitable[Any]], field: str
) -> None:
    error = await refused(make(client, vm.id), "INVALID_VALUE", CODE.INVALID_ARGUMENT)
    assert error.values["field"] == field


@pytest.mark.parametrize(
    "error",
    [DeviceAttachFailed("busy", device="xvdb", msg="busy"), DeviceAttachTimeout("slow", type="VBD", ref="xvdb")],
    ids=lambda error: error.reason,
)
async def test_a_disk_that_cannot_be_plugged_is_not_added(
    client: Client, vm: vm_pb2.Vm, agent: Agent, error: XenhostError
) -> None:
    agent.world.faults.fail("plug_vbd", error=error)
    with pytest.raises(type(error)):
        await client.done(client.vbds.PlugVbd(PlugVbdRequest(vm_id=vm.id, vbd=disk("xvdb"))))
    after = await client.vms.GetVm(GetVmRequest(id=vm.id))
    assert [vbd.device for vbd in after.vbds] == ["xvda", "hdc"]


async def test_a_vif_without_its_bridge_is_not_added(client: Client, vm: vm_pb2.Vm) -> None:
    with pytest.raises(DeviceAttachFailed):
        await client.done(client.vifs.PlugVif(PlugVifRequest(vm_id=vm.id, vif=vm_pb2.Vif(bridge="nobr9"))))
    assert not (await client.vms.GetVm(GetVmRequest(id=vm.id))).vifs


async def test_a_guest_may_refuse_and_is_quoted(client: Client, vm: vm_pb2.Vm, agent: Agent) -> None:
    agent.world.guest(DomId(vm.status.domid)).refuse_unplug("mounted on /")
    with pytest.raises(DeviceDetachRejected) as caught:
        await client.done(client.vbds.UnplugVbd(UnplugVbdRequest(vm_id=vm.id, device="xvda")))
    assert "mounted on /" in caught.value.values["msg"]
    assert [vbd.device for vbd in (await client.vms.GetVm(GetVmRequest(id=vm.id))).vbds] == ["xvda", "hdc"]
    after = await client.done(client.vbds.UnplugVbd(UnplugVbdRequest(vm_id=vm.id, device="xvda", force=True)))
    assert [vbd.device for vbd in after.vbds] == ["hdc"]


async def test_a_guest_that_does_not_answer_keeps_its_device(client: Client, vm: vm_pb2.Vm, agent: Agent) -> None:
    agent.world.guest(DomId(vm.status.domid)).silent()
    with pytest.raises(DeviceDetachTimeout):
        await client.done(client.vbds.UnplugVbd(UnplugVbdRequest(vm_id=vm.id, device="xvda", timeout_seconds=1)))
    assert len((await client.vms.GetVm(GetVmRequest(id=vm.id))).vbds) == 2


async def test_devices_are_added_to_a_halted_vm_too(client: Client, tmp_path: Path) -> None:
    halted = await client.create()
    await client.done(client.vbds.PlugVbd(PlugVbdRequest(vm_id=halted.id, vbd=disk("0"))))
    after = await client.done(client.vifs.PlugVif(PlugVifRequest(vm_id=halted.id, vif=vm_pb2.Vif(bridge="xenbr0"))))
    assert ([vbd.device for vbd in after.vbds], len(after.vifs)) == (["xvda"], 1)
    assert after.vbds[0].state == vm_pb2.DEVICE_STATE_DETACHED
