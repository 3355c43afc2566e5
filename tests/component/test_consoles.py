"""ConsoleService over a real connection, in front of the simulated guest's pseudo-terminal."""

import asyncio
from typing import Any, cast

import grpc
import pytest

from component.harness.agent import Agent
from component.harness.client import EOF, Client, drained, refused
from xenhost.api.host.v1 import console_service_pb2 as api
from xenhost.api.host.v1 import vm_pb2
from xenhost.api.host.v1.vm_service_pb2 import ShutdownVmRequest, StartVmRequest

CODE = grpc.StatusCode


@pytest.fixture
async def vm(client: Client) -> vm_pb2.Vm:
    created = await client.create(name="talks")
    return await client.done(client.vms.StartVm(StartVmRequest(id=created.id)))


async def attached(client: Client, vm: str, first: bytes = b"") -> Any:
    call = client.consoles.AttachConsole()
    await call.write(api.AttachConsoleRequest(vm_id=vm, input=first))
    return call


async def until(call: Any, mark: bytes, output: bytes = b"") -> bytes:
    async with asyncio.timeout(5):
        while mark not in output:
            response = await call.read()
            assert response is not EOF, output
            output += response.output
    return output


async def test_what_is_typed_is_answered(client: Client, vm: vm_pb2.Vm) -> None:
    call = await attached(client, vm.id, b"echo first\r")
    await until(call, b"\r\nfirst\r\n")
    await call.write(api.AttachConsoleRequest(input=b"echo second\r"))
    await until(call, b"\r\nsecond\r\n")
    call.cancel()


async def test_two_clients_see_one_console(client: Client, agent: Agent, vm: vm_pb2.Vm) -> None:
    async with agent.client() as other:
        one, two = await attached(client, vm.id, b"\r"), await attached(other, vm.id)
        await until(one, b"# ")
        await two.write(api.AttachConsoleRequest(input=b"echo hello\r"))
        assert b"hello" in await until(one, b"\r\nhello\r\n")
        assert b"hello" in await until(two, b"\r\nhello\r\n")


async def test_a_console_ends_with_its_domain(client: Client, vm: vm_pb2.Vm) -> None:
    call = await attached(client, vm.id, b"\r")
    await until(call, b"# ")
    await client.done(client.vms.ShutdownVm(ShutdownVmRequest(id=vm.id, hard=True)))
    async with asyncio.timeout(5):
        await drained(call)
    assert await call.code() == CODE.OK


async def test_output_goes_on_when_the_client_has_nothing_more_to_type(client: Client, vm: vm_pb2.Vm) -> None:
    call = await attached(client, vm.id, b"echo last\r")
    await call.done_writing()
    await until(call, b"\r\nlast\r\n")
    call.cancel()


async def test_a_running_vm_says_where_its_consoles_are(client: Client, vm: vm_pb2.Vm) -> None:
    console = await client.consoles.GetConsole(api.GetConsoleRequest(vm_id=vm.id))
    assert console.serial_tty.startswith("/dev/pts/")


async def test_a_halted_vm_has_no_console(client: Client) -> None:
    vm = await client.create()
    call = client.consoles.GetConsole(api.GetConsoleRequest(vm_id=vm.id))
    await refused(call, "VM_BAD_POWER_STATE", CODE.FAILED_PRECONDITION)
    attach = await attached(client, vm.id)
    await refused(attach.read(), "VM_BAD_POWER_STATE", CODE.FAILED_PRECONDITION)


async def test_the_first_message_names_the_vm_and_later_ones_do_not(client: Client, vm: vm_pb2.Vm) -> None:
    await refused((await attached(client, "")).read(), "INVALID_VALUE", CODE.INVALID_ARGUMENT)
    await refused((await attached(client, "nobody")).read(), "HANDLE_INVALID", CODE.NOT_FOUND)
    call = await attached(client, vm.id, b"\r")
    await until(call, b"# ")
    await call.write(api.AttachConsoleRequest(vm_id=vm.id))
    await refused(drained(call), "INVALID_VALUE", CODE.INVALID_ARGUMENT)


async def test_the_first_answer_says_that_the_client_is_attached(client: Client, vm: vm_pb2.Vm) -> None:
    call = await attached(client, vm.id)
    async with asyncio.timeout(5):
        assert (await call.read()).output == b""
    call.cancel()


@pytest.fixture
async def hvm(client: Client) -> vm_pb2.Vm:
    created = await client.create(name="seen", type=vm_pb2.VM_TYPE_HVM, firmware=vm_pb2.FirmwareBoot())
    return await client.done(client.vms.StartVm(StartVmRequest(id=created.id)))


async def looking(client: Client, vm: str) -> Any:
    call = client.consoles.AttachConsole()
    await call.write(api.AttachConsoleRequest(vm_id=vm, protocol=api.CONSOLE_PROTOCOL_RFB))
    await until(call, b"RFB 003.008\n")
    await call.write(api.AttachConsoleRequest(input=b"RFB 003.008\n"))
    await until(call, b"\x01\x01")
    await call.write(api.AttachConsoleRequest(input=b"\x01"))
    await until(call, bytes(4))
    await call.write(api.AttachConsoleRequest(input=b"\x01"))
    assert b"\x01\x40\x00\xc8" in await until(call, b"seen")  # 320 x 200
    return call


async def test_a_screen_is_looked_at_by_several_each_with_a_connection_of_their_own(
    client: Client, hvm: vm_pb2.Vm
) -> None:
    one, two = await looking(client, hvm.id), await looking(client, hvm.id)
    everything = b"\x03\x00\x00\x00\x00\x00\x01\x40\x00\xc8"
    picture = 320 * 200 * 4
    for call in (one, two):
        await call.write(api.AttachConsoleRequest(input=everything))
        seen = b""
        async with asyncio.timeout(5):
            while len(seen) < 16 + picture:
                seen += (await call.read()).output
        assert seen[16:20] == b"\xff\xff\xff\x00"
    one.cancel()
    await two.write(api.AttachConsoleRequest(input=b"\x04\x01\x00\x00\x00\x00\x00\x41" + everything))
    async with asyncio.timeout(5):
        assert (await two.read()).output[16:20] == b"\x00\xff\xff\x00"  # yellow, in its byte order
    two.cancel()


async def test_a_screen_ends_with_its_domain(client: Client, hvm: vm_pb2.Vm) -> None:
    call = await looking(client, hvm.id)
    await client.done(client.vms.ShutdownVm(ShutdownVmRequest(id=hvm.id, hard=True)))
    async with asyncio.timeout(5):
        await drained(call)
    assert await call.code() == CODE.OK


async def test_a_vm_without_an_emulator_has_no_screen(client: Client, vm: vm_pb2.Vm) -> None:
    call = client.consoles.AttachConsole()
    await call.write(api.AttachConsoleRequest(vm_id=vm.id, protocol=api.CONSOLE_PROTOCOL_RFB))
    await refused(call.read(), "OPERATION_NOT_ALLOWED", CODE.FAILED_PRECONDITION)
    unknown = client.consoles.AttachConsole()
    await unknown.write(api.AttachConsoleRequest(vm_id=vm.id, protocol=cast(Any, 99)))
    await refused(unknown.read(), "INVALID_VALUE", CODE.INVALID_ARGUMENT)
