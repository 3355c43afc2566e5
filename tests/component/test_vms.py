"""VmService over a real connection: every call, and every error of its tables."""

import asyncio
from uuid import uuid4

import grpc
import pytest
from google.longrunning.operations_pb2 import CancelOperationRequest
from google.protobuf.field_mask_pb2 import FieldMask

from component.harness.agent import Agent
from component.harness.client import Client, refused
from xenhost.api.host.v1 import vm_pb2
from xenhost.api.host.v1.vm_service_pb2 import (
    CreateVmRequest,
    DeleteVmRequest,
    GetVmRequest,
    ListVmsRequest,
    PauseVmRequest,
    RebootVmRequest,
    ShutdownVmRequest,
    StartVmRequest,
    UnpauseVmRequest,
    UpdateVmRequest,
)
from xenhost.core.errors import (
    BootloaderFailed,
    DomainBuildFailed,
    DomainExists,
    HostNotEnoughFreeMemory,
    ShutdownNotAcknowledged,
    ShutdownTimeout,
)
from xenhost.core.ids import DomId, VmId
from xenhost.core.units import GIB, MIB

CODE = grpc.StatusCode
BRIDGE = vm_pb2.Vif(bridge="xenbr0")


async def started(client: Client, **fields: object) -> vm_pb2.Vm:
    vm = await client.create(**fields)
    return await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))


async def test_a_vm_goes_through_its_life(client: Client, agent: Agent) -> None:
    vm = await client.create(name="one", vifs=[BRIDGE])
    assert vm.status.power_state == vm_pb2.POWER_STATE_HALTED
    vm = await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))
    assert (vm.status.power_state, vm.status.domid) == (vm_pb2.POWER_STATE_RUNNING, 1)
    assert vm.status.memory_bytes > 0
    vm = await client.done(client.vms.PauseVm(PauseVmRequest(id=vm.id)))
    assert vm.status.power_state == vm_pb2.POWER_STATE_PAUSED
    vm = await client.done(client.vms.UnpauseVm(UnpauseVmRequest(id=vm.id)))
    vm = await client.done(client.vms.RebootVm(RebootVmRequest(id=vm.id)))
    assert (vm.status.power_state, vm.status.domid) == (vm_pb2.POWER_STATE_RUNNING, 2)
    vm = await client.done(client.vms.ShutdownVm(ShutdownVmRequest(id=vm.id)))
    assert (vm.status.power_state, vm.status.domid) == (vm_pb2.POWER_STATE_HALTED, 0)
    await client.vms.DeleteVm(DeleteVmRequest(id=vm.id))
    assert not (await client.vms.ListVms(ListVmsRequest())).vms
    assert not agent.world.domains


async def test_a_vm_may_be_named_by_its_name(client: Client) -> None:
    vm = await client.create(name="web")
    assert (await client.vms.GetVm(GetVmRequest(id="web"))).id == vm.id
    assert (await client.done(client.vms.StartVm(StartVmRequest(id="web", paused=True)))).status.domid == 1


async def test_a_name_that_two_vms_have_names_neither(client: Client) -> None:
    for _ in range(2):
        await client.create(name="twin")
    await refused(client.vms.GetVm(GetVmRequest(id="twin")), "INVALID_VALUE", CODE.INVALID_ARGUMENT)


async def test_vms_are_listed_by_name(client: Client) -> None:
    for name in ("c", "a", "b"):
        await client.create(name=name)
    assert [vm.name for vm in (await client.vms.ListVms(ListVmsRequest())).vms] == ["a", "b", "c"]


async def test_the_same_request_creates_one_vm(client: Client) -> None:
    vm = vm_pb2.Vm(name="x", type=vm_pb2.VM_TYPE_PV, memory=vm_pb2.Memory(static_max_bytes=64 * MIB), vifs=[BRIDGE])
    vm.direct.kernel = "/k"
    request = CreateVmRequest(vm=vm, request_id=str(uuid4()))
    first, again = await client.vms.CreateVm(request), await client.vms.CreateVm(request)
    assert (first.id, first.vifs[0].mac) == (again.id, again.vifs[0].mac)
    assert len((await client.vms.ListVms(ListVmsRequest())).vms) == 1


async def test_another_vm_with_the_same_id_is_a_duplicate(client: Client) -> None:
    vm = await client.create()
    await refused(client.create(id=vm.id, name="other"), "DUPLICATE_VM", CODE.ALREADY_EXISTS)


async def test_the_same_request_starts_once_and_names_one_operation(client: Client, agent: Agent) -> None:
    vm = await client.create()
    request = StartVmRequest(id=vm.id, request_id=str(uuid4()))
    first, again = await client.vms.StartVm(request), await client.vms.StartVm(request)
    assert first.name == again.name
    await client.done(first)
    assert (await client.done(client.vms.StartVm(request))).status.domid == 1
    assert len(agent.world.domains) == 1


async def test_a_request_id_with_other_contents_is_refused(client: Client) -> None:
    one, other = await client.create(), await client.create()
    name = str(uuid4())
    await client.done(client.vms.StartVm(StartVmRequest(id=one.id, request_id=name)))
    call = client.vms.StartVm(StartVmRequest(id=other.id, request_id=name))
    await refused(call, "INVALID_VALUE", CODE.INVALID_ARGUMENT)


@pytest.mark.parametrize("name", ["7", "not a uuid", "x" * 5000])
async def test_a_request_id_is_a_uuid(client: Client, name: str) -> None:
    vm = await client.create()
    call = client.vms.StartVm(StartVmRequest(id=vm.id, request_id=name))
    error = await refused(call, "INVALID_VALUE", CODE.INVALID_ARGUMENT)
    assert error.values["field"] == "request_id"


@pytest.mark.parametrize(
    "request_",
    [
        ("GetVm", GetVmRequest),
        ("DeleteVm", DeleteVmRequest),
        ("StartVm", StartVmRequest),
        ("ShutdownVm", ShutdownVmRequest),
        ("RebootVm", RebootVmRequest),
        ("PauseVm", PauseVmRequest),
        ("UnpauseVm", UnpauseVmRequest),
    ],
    ids=lambda request: request[0],
)
async def test_what_does_not_exist_is_not_found(client: Client, request_: tuple[str, type]) -> None:
    method, make = request_
    for name in (str(uuid4()), "nobody"):
        await refused(getattr(client.vms, method)(make(id=name)), "HANDLE_INVALID", CODE.NOT_FOUND)
    await refused(getattr(client.vms, method)(make()), "INVALID_VALUE", CODE.INVALID_ARGUMENT)


async def test_a_bad_vm_is_refused_with_the_field(client: Client) -> None:
    error = await refused(client.create(platform={"sound": "loud"}), "INVALID_VALUE", CODE.INVALID_ARGUMENT)
    assert error.values == {"field": "platform", "value": "sound"}
    await refused(client.create(id="seven"), "UUID_INVALID", CODE.INVALID_ARGUMENT)
    await refused(client.vms.CreateVm(CreateVmRequest()), "INVALID_VALUE", CODE.INVALID_ARGUMENT)
    assert not (await client.vms.ListVms(ListVmsRequest())).vms


async def test_a_path_of_unstated_kind_is_looked_at(client: Client, tmp_path: object) -> None:
    disk = f"{tmp_path}/disk.img"
    with open(disk, "wb") as file:  # noqa: ASYNC230 - a test may wait for its file
        file.truncate(MIB)
    vm = await client.create(vbds=[vm_pb2.Vbd(device="xvda", source=vm_pb2.Source(path=disk))])
    assert vm.vbds[0].source.kind == vm_pb2.SOURCE_KIND_FILE
    assert vm.vbds[0].mode == vm_pb2.VBD_MODE_RW
    for path in (f"{tmp_path}/absent", str(tmp_path), "relative"):
        call = client.create(vbds=[vm_pb2.Vbd(device="xvda", source=vm_pb2.Source(path=path))])
        error = await refused(call, "INVALID_VALUE", CODE.INVALID_ARGUMENT)
        assert error.values["field"] == "vbd.source.path"


async def test_power_states_are_respected(client: Client) -> None:
    halted = await client.create()
    running = await started(client)
    bad = "VM_BAD_POWER_STATE"
    for call in (
        client.vms.StartVm(StartVmRequest(id=running.id)),
        client.vms.ShutdownVm(ShutdownVmRequest(id=halted.id)),
        client.vms.RebootVm(RebootVmRequest(id=halted.id)),
        client.vms.PauseVm(PauseVmRequest(id=halted.id)),
        client.vms.UnpauseVm(UnpauseVmRequest(id=running.id)),
        client.vms.DeleteVm(DeleteVmRequest(id=running.id)),
    ):
        error = await refused(call, bad, CODE.FAILED_PRECONDITION)
        assert set(error.values) == {"vm", "expected", "actual"}


async def test_two_operations_on_one_vm_do_not_meet(client: Client, agent: Agent) -> None:
    vm = await client.create()
    agent.world.faults.hang("build_domain")
    first = await client.vms.StartVm(StartVmRequest(id=vm.id))
    second = client.vms.ShutdownVm(ShutdownVmRequest(id=vm.id, hard=True))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await second
    assert caught.value.code() in {CODE.ABORTED, CODE.FAILED_PRECONDITION}
    await client.operations.CancelOperation(CancelOperationRequest(name=first.name))
    assert (await client.ended(first)).error.code == CODE.CANCELLED.value[0]
    assert not agent.world.domains


@pytest.mark.parametrize(
    ("verb", "error"),
    [
        ("create_domain", HostNotEnoughFreeMemory("no", needed="2", available="1")),
        ("create_domain", DomainExists("there", vm="v", domid="3")),
        ("build_domain", BootloaderFailed("nothing to boot", vm="v", msg="no kernel")),
        ("build_domain", DomainBuildFailed("bad kernel", vm="v", function="f", msg="m")),
    ],
    ids=lambda value: value if isinstance(value, str) else value.reason,
)
async def test_a_start_that_fails_says_why_and_leaves_nothing(
    client: Client, agent: Agent, verb: str, error: DomainExists
) -> None:
    vm = await client.create(vifs=[BRIDGE])
    agent.world.faults.fail(verb, error=error)
    with pytest.raises(type(error)) as caught:
        await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))
    assert caught.value.values == error.values
    assert not agent.world.domains
    assert (await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))).status.domid


async def test_a_vm_that_does_not_fit_is_not_started(client: Client) -> None:
    vm = await client.create(memory=vm_pb2.Memory(static_max_bytes=1000 * GIB))
    call = client.vms.StartVm(StartVmRequest(id=vm.id))
    error = await refused(call, "HOST_NOT_ENOUGH_FREE_MEMORY", CODE.RESOURCE_EXHAUSTED)
    assert int(error.values["needed"]) > int(error.values["available"])


async def test_a_foreign_domain_with_the_same_uuid_is_left_alone(client: Client, agent: Agent) -> None:
    vm = await client.create()
    foreign = agent.world.add_foreign_domain(vm=VmId(vm.id))
    with pytest.raises(DomainExists):
        await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))
    assert list(agent.world.domains) == [foreign]


async def test_a_silent_guest_is_not_shut_down_cleanly_but_hard(client: Client, agent: Agent) -> None:
    vm = await started(client)
    agent.world.guest(DomId(vm.status.domid)).silent()
    with pytest.raises((ShutdownNotAcknowledged, ShutdownTimeout)):
        await client.done(client.vms.ShutdownVm(ShutdownVmRequest(id=vm.id, timeout_seconds=1)))
    assert (await client.vms.GetVm(GetVmRequest(id=vm.id))).status.power_state == vm_pb2.POWER_STATE_RUNNING
    vm = await client.done(client.vms.ShutdownVm(ShutdownVmRequest(id=vm.id, hard=True)))
    assert vm.status.power_state == vm_pb2.POWER_STATE_HALTED


async def test_a_guest_that_never_stops_times_out(client: Client, agent: Agent) -> None:
    vm = await started(client)
    agent.world.guest(DomId(vm.status.domid)).never_stop()
    with pytest.raises(ShutdownTimeout) as caught:
        await client.done(client.vms.ShutdownVm(ShutdownVmRequest(id=vm.id, timeout_seconds=1)))
    assert float(caught.value.values["timeout"]) == 1


async def test_a_timeout_beyond_a_day_is_refused(client: Client) -> None:
    vm = await client.create()
    call = client.vms.ShutdownVm(ShutdownVmRequest(id=vm.id, timeout_seconds=10**9))
    error = await refused(call, "INVALID_VALUE", CODE.INVALID_ARGUMENT)
    assert error.values["field"] == "timeout"


async def test_an_update_changes_the_fields_of_its_mask(client: Client) -> None:
    vm = await client.create(name="old", platform={"nx": "1"}, xenstore_data={"vm-data/a": "1"})
    change = vm_pb2.Vm(id=vm.id, name="new", memory=vm_pb2.Memory(static_max_bytes=128 * MIB), platform={"pae": "1"})
    mask = FieldMask(paths=["name", "memory", "platform"])
    after = await client.vms.UpdateVm(UpdateVmRequest(vm=change, update_mask=mask))
    assert (after.name, after.memory.static_max_bytes, dict(after.platform)) == ("new", 128 * MIB, {"pae": "1"})
    assert dict(after.xenstore_data) == {"vm-data/a": "1"}


async def test_a_running_vm_takes_new_weights_at_once_but_no_new_type(client: Client, agent: Agent) -> None:
    vm = await started(client)
    change = vm_pb2.Vm(id=vm.id, vcpus=vm_pb2.Vcpus(weight=512), type=vm_pb2.VM_TYPE_PV)
    await client.vms.UpdateVm(UpdateVmRequest(vm=change, update_mask=FieldMask(paths=["vcpus.weight"])))
    async with asyncio.timeout(5):
        while agent.world.domains[DomId(vm.status.domid)].weight != 512:
            await asyncio.sleep(0.01)
    call = client.vms.UpdateVm(UpdateVmRequest(vm=change, update_mask=FieldMask(paths=["type"])))
    await refused(call, "VM_BAD_POWER_STATE", CODE.FAILED_PRECONDITION)


@pytest.mark.parametrize("paths", [[], ["id"], ["vbds"], ["status.domid"], ["colour"]])
async def test_an_update_refuses_paths_that_cannot_change(client: Client, paths: list[str]) -> None:
    vm = await client.create()
    call = client.vms.UpdateVm(UpdateVmRequest(vm=vm_pb2.Vm(id=vm.id), update_mask=FieldMask(paths=paths)))
    error = await refused(call, "INVALID_VALUE", CODE.INVALID_ARGUMENT)
    assert error.values["field"] == "update_mask"
