"""UpdateVif over a real connection, and `xenhost vif set`."""

import grpc
import pytest
import structlog
from google.protobuf.field_mask_pb2 import FieldMask

from component.harness.agent import Agent
from component.harness.client import Client, refused
from component.harness.command import CommandLine
from xenhost.api.host.v1 import vm_pb2
from xenhost.api.host.v1.vif_service_pb2 import UpdateVifRequest
from xenhost.api.host.v1.vm_service_pb2 import GetVmRequest, StartVmRequest
from xenhost.core.errors import DeviceAttachFailed

CODE = grpc.StatusCode
MAC = "00:16:3e:00:00:01"


@pytest.fixture
async def vm(client: Client) -> vm_pb2.Vm:
    """Runs, with a VIF."""
    created = await client.create(vifs=[vm_pb2.Vif(index=0, mac=MAC, bridge="xenbr0")])
    return await client.done(client.vms.StartVm(StartVmRequest(id=created.id)))


def change(vm: vm_pb2.Vm, *paths: str, **fields: object) -> UpdateVifRequest:
    vif = vm_pb2.Vif(**fields)  # type: ignore[arg-type]  # the test's own
    return UpdateVifRequest(vm_id=vm.id, vif=vif, update_mask=FieldMask(paths=paths or list(fields)))


async def test_a_vif_of_a_running_vm_is_locked_and_keeps_everything_else(client: Client, vm: vm_pb2.Vm) -> None:
    locked = change(
        vm, locking=vm_pb2.VIF_LOCKING_LOCKED, ipv4_allowed=["10.0.0.5", "10.1.0.0/16"], ipv6_allowed=["FD00::5"]
    )
    after = (await client.done(client.vifs.UpdateVif(locked))).vifs[0]
    assert (after.locking, list(after.ipv4_allowed), list(after.ipv6_allowed)) == (
        vm_pb2.VIF_LOCKING_LOCKED,
        ["10.0.0.5", "10.1.0.0/16"],
        ["fd00::5"],
    )
    assert (after.mac, after.bridge, after.state) == (MAC, "xenbr0", vm_pb2.DEVICE_STATE_ATTACHED)
    after = (await client.done(client.vifs.UpdateVif(change(vm, rate_kbps=5, link_down=True)))).vifs[0]
    assert (after.rate_kbps, after.link_down, list(after.ipv4_allowed)) == (5, True, ["10.0.0.5", "10.1.0.0/16"])


async def test_a_vif_of_a_halted_vm_is_changed_in_the_record(client: Client) -> None:
    vm = await client.create(vifs=[vm_pb2.Vif(index=0, mac=MAC, bridge="xenbr0")])
    after = await client.done(client.vifs.UpdateVif(change(vm, bridge="lan7", mtu=9000)))
    assert (after.vifs[0].bridge, after.vifs[0].mtu) == ("lan7", 9000)


async def test_a_move_to_a_bridge_that_is_not_there_changes_nothing(client: Client, vm: vm_pb2.Vm) -> None:
    call = client.done(client.vifs.UpdateVif(change(vm, bridge="nobridge")))
    with pytest.raises(DeviceAttachFailed):
        await call
    now = await client.vms.GetVm(GetVmRequest(id=vm.id))
    assert (now.vifs[0].bridge, now.vifs[0].state) == ("xenbr0", vm_pb2.DEVICE_STATE_ATTACHED)


@pytest.mark.parametrize(
    ("paths", "fields", "field"),
    [
        (["mac"], {"mac": MAC}, "update_mask"),
        ([], {}, "update_mask"),
        (["ipv4_allowed"], {"ipv4_allowed": ["10.0.0.300"]}, "vif.ipv4_allowed"),
        (["ipv4_allowed"], {"ipv4_allowed": ["10.0.0.1/8"]}, "vif.ipv4_allowed"),
        (["ipv6_allowed"], {"ipv6_allowed": ["10.0.0.1"]}, "vif.ipv6_allowed"),
        (["ipv4_allowed"], {"ipv4_allowed": [f"10.0.{n // 256}.{n % 256}" for n in range(300)]}, "vif.ipv4_allowed"),
        (["trunks"], {"trunks": [4095]}, "vif.trunks"),
        (["ipv4"], {"ipv4": vm_pb2.GuestIp(address="10.0.0.5")}, "vif.ipv4"),
        (["ipv6"], {"ipv6": vm_pb2.GuestIp(gateway="fd00::1")}, "vif.ipv6"),
        (["receive_kbps"], {"receive_kbps": 1 << 31}, "vif.receive_kbps"),
        (["mtu"], {"mtu": 20}, "vif.mtu"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    client: Client, vm: vm_pb2.Vm, paths: list[str], fields: dict[str, object], field: str
) -> None:
    vif = vm_pb2.Vif(**fields)  # type: ignore[arg-type]  # the test's own
    request = UpdateVifRequest(vm_id=vm.id, vif=vif, update_mask=FieldMask(paths=paths))
    error = await refused(client.vifs.UpdateVif(request), "INVALID_VALUE", CODE.INVALID_ARGUMENT)
    assert error.values["field"] == field


async def test_a_vif_that_is_not_there_is_missing(client: Client, vm: vm_pb2.Vm) -> None:
    request = change(vm, rate_kbps=1)
    request.index = 5
    await refused(client.vifs.UpdateVif(request), "HANDLE_INVALID", CODE.NOT_FOUND)


async def test_the_command_line_changes_a_card(client: Client, vm: vm_pb2.Vm, agent: Agent) -> None:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    xenhost = CommandLine(str(agent.config.api.socket))
    said = await xenhost.ok(
        *("vif", "set", vm.id, "0", "--locking", "locked", "--allow", "10.0.0.5", "--allow", "fd00::/64"),
        *("--rate", "1M", "--receive-rate", "20", "--no-link", "--trunks", "5,6", "--ipv4", "10.0.0.5/24,10.0.0.1"),
    )
    assert said == f"network card 0 of {vm.name} is changed\n"
    vif = (await client.vms.GetVm(GetVmRequest(id=vm.id))).vifs[0]
    assert (vif.rate_kbps, vif.receive_kbps, list(vif.trunks), vif.link_down) == (1024, 20, [5, 6], True)
    assert (vif.ipv4.address, vif.ipv4.gateway) == ("10.0.0.5/24", "10.0.0.1")
    assert "locked to 10.0.0.5, fd00::/64" in await xenhost.ok("vm", "show", vm.id)
    await xenhost.ok("vif", "set", vm.id, "0", "--allow-none", "--link", "--locking", "network-default")
    vif = (await client.vms.GetVm(GetVmRequest(id=vm.id))).vifs[0]
    assert (list(vif.ipv4_allowed), vif.link_down) == ([], False)
    wrong = await xenhost.run("vif", "set", vm.id, "0")
    assert (wrong.exit_code, "say what to change" in wrong.stderr) == (2, True)
    assert (await xenhost.run("vif", "set", vm.id, "0", "--trunks", "x")).exit_code == 2
    structlog.reset_defaults()
