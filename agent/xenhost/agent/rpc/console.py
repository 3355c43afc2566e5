"""ConsoleService: where the consoles are, and what is said there through us."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from xenhost.agent.console.relay import Consoles, SerialViewer
from xenhost.agent.console.screen import ScreenViewer
from xenhost.agent.engine.engine import Engine
from xenhost.agent.rpc.context import Context
from xenhost.agent.rpc.resolve import vm_named
from xenhost.api.host.v1 import console_service_pb2, console_service_pb2_grpc
from xenhost.core.clock import Clock
from xenhost.core.errors import InvalidValue, OperationNotAllowed
from xenhost.core.ids import VmId

TTY_SECONDS: Final = 5.0
"""xenconsoled makes the terminal a moment after the domain is introduced."""
LOOK_SECONDS: Final = 0.1


class ConsoleServicer(console_service_pb2_grpc.ConsoleServiceServicer):
    """Answers by the engine and the open consoles."""

    def __init__(self, engine: Engine, consoles: Consoles, clock: Clock) -> None:
        self._engine = engine
        self._consoles = consoles
        self._clock = clock

    async def GetConsole(
        self, request: console_service_pb2.GetConsoleRequest, context: Context
    ) -> console_service_pb2.Console:
        """Where the consoles of a VM are."""
        console = await self._engine.console(vm_named(self._engine, request.vm_id, "vm_id"))
        return console_service_pb2.Console(serial_tty=console.serial_tty, vnc_socket=console.vnc_socket)

    async def AttachConsole(
        self, requests: AsyncIterator[console_service_pb2.AttachConsoleRequest], context: Context
    ) -> AsyncIterator[console_service_pb2.AttachConsoleResponse]:
        """Output of the console as it comes; input as the client sends it. Ends with the domain."""
        first = await anext(requests, None)
        if first is None or not first.vm_id:
            raise InvalidValue("the first message must name the VM in vm_id", field="vm_id", value="")
        viewer = await self._attached(vm_named(self._engine, first.vm_id, "vm_id"), first.protocol)
        typing = asyncio.ensure_future(_type(first, requests, viewer))
        typing.add_done_callback(lambda done: viewer.end() if not done.cancelled() and done.exception() else None)
        try:
            yield console_service_pb2.AttachConsoleResponse()  # it is attached
            async for output in viewer.output():
                yield console_service_pb2.AttachConsoleResponse(output=output)
            if typing.done():
                typing.result()  # a bad message ended it
        finally:
            typing.cancel()
            viewer.detach()

    async def _attached(self, vm: VmId, protocol: console_service_pb2.ConsoleProtocol) -> SerialViewer | ScreenViewer:
        match protocol:
            case console_service_pb2.CONSOLE_PROTOCOL_UNSPECIFIED | console_service_pb2.CONSOLE_PROTOCOL_VT100:
                return SerialViewer(self._consoles.relay(await self._terminal(vm)))
            case console_service_pb2.CONSOLE_PROTOCOL_RFB:
                socket = (await self._engine.console(vm)).vnc_socket
                if not socket:
                    raise _has_no("screen")
                return await self._consoles.screens.connect(socket)
        raise InvalidValue(f"protocol {protocol} of a console is not known", field="protocol", value=str(protocol))

    async def _terminal(self, vm: VmId) -> str:
        deadline = self._clock.monotonic() + TTY_SECONDS
        while True:
            console = await self._engine.console(vm)
            if console.serial_tty:
                return console.serial_tty
            if self._clock.monotonic() >= deadline:
                raise _has_no("serial console")
            await self._clock.sleep(LOOK_SECONDS)


def _has_no(what: str) -> OperationNotAllowed:
    reason = f"the VM has no {what}"
    return OperationNotAllowed(reason, reason_text=reason)


async def _type(
    first: console_service_pb2.AttachConsoleRequest,
    requests: AsyncIterator[console_service_pb2.AttachConsoleRequest],
    viewer: SerialViewer | ScreenViewer,
) -> None:
    await viewer.write(first.input)
    async for request in requests:
        if request.vm_id:
            raise InvalidValue(
                "vm_id goes into the first message only; attach again for another VM",
                field="vm_id",
                value=request.vm_id[:80],
            )
        await viewer.write(request.input)
