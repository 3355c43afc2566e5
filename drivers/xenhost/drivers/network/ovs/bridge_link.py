"""The OpenFlow connection to one bridge, on its management socket; no controller is involved.

It stays open: that it ends means that ovs-vswitchd, or the bridge, is gone, and with it every flow.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Final

from xenhost.core.errors import InternalError
from xenhost.core.network_errors import SwitchUnavailable
from xenhost.drivers.network.ovs import openflow
from xenhost.drivers.network.ovs.openflow import BundleControl, Kind, Message, OpenFlowStream

_CHUNK: Final = 64 * 1024
_MASK: Final = 0xFFFFFFFF


class BridgeLink:
    """Changes are made one bundle after the other. Make a new one when `closed`."""

    def __init__(self, socket: Path, patience: float, on_lost: Callable[[], None]) -> None:
        self._socket: Final = socket
        self._patience: Final = patience
        self._on_lost: Final = on_lost
        self._numbers: Final = count(1)
        self._waiting: Final[dict[int, asyncio.Queue[Message | None]]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._one_at_a_time: Final = asyncio.Lock()
        self.closed = False

    async def open(self) -> None:
        """Connect and agree on the version. Raises SwitchUnavailable."""
        try:
            async with asyncio.timeout(self._patience):
                reader, self._writer = await asyncio.open_unix_connection(self._socket)
                self._writer.write(openflow.hello(next(self._numbers) & _MASK))
                stream = OpenFlowStream()
                first: Message | None = None
                while first is None:
                    if not (data := await reader.read(_CHUNK)):
                        raise ConnectionError("it hung up")
                    first = next(stream.feed(data), None)
        except (OSError, ValueError) as error:
            self._hang_up()
            raise self._unavailable(str(error)) from error
        except asyncio.CancelledError:
            self._hang_up()
            raise
        if first.kind != Kind.HELLO:
            self._hang_up()
            raise self._unavailable("it does not speak OpenFlow 1.4; allow it in the column `protocols` of the bridge")
        self._reading = asyncio.create_task(self._read(reader, stream), name=f"openflow {self._socket.name}")

    async def close(self) -> None:
        """Hang up; `on_lost` is not called."""
        self.closed = True
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        self._hang_up()

    async def change(self, make: Sequence[Callable[[int], bytes]]) -> None:
        """Do all of it at one moment, or nothing: no packet sees a part. Each maker gets the transaction to put in.

        Raises SwitchUnavailable (done or not), InternalError (the switch refused: not done).
        """
        if not make:
            return
        async with self._one_at_a_time:
            number = next(self._numbers) & _MASK
            transactions = {next(self._numbers) & _MASK: each for each in make}
            opening, barrier, commit = (next(self._numbers) & _MASK for _ in range(3))
            burst = [openflow.bundle(opening, number, BundleControl.OPEN)]
            burst += [openflow.bundled(number, each(transaction)) for transaction, each in transactions.items()]
            burst.append(openflow.message(Kind.BARRIER_REQUEST, barrier))
            errors = await self._ask(burst, barrier, {opening, *transactions})
            if not errors:
                errors = await self._ask([openflow.bundle(commit, number, BundleControl.COMMIT)], commit, set())
            else:
                self._send([openflow.bundle(commit, number, BundleControl.DISCARD)])
        if errors:
            raise InternalError(f"{self._socket.name} refused a change of flows: {errors[0]}", message=errors[0])

    def send(self, port: int, packet: bytes) -> None:
        """Send a packet out of a port. Raises SwitchUnavailable."""
        self._send([openflow.packet_out(next(self._numbers) & _MASK, port, packet)])

    async def _ask(self, burst: list[bytes], last: int, others: set[int]) -> list[str]:
        """Send; errors that came before the answer to the last message."""
        answers: asyncio.Queue[Message | None] = asyncio.Queue()
        concerned = {last, *others}
        self._waiting.update(dict.fromkeys(concerned, answers))
        errors = []
        try:
            self._send(burst)
            while True:
                answer = await self._next(answers)
                if answer.kind == Kind.ERROR:
                    errors.append(openflow.parse_error(answer.body))
                if answer.transaction == last:
                    return errors
        except ValueError as error:
            raise self._unavailable(str(error)) from error
        finally:
            for each in concerned:
                del self._waiting[each]

    async def _next(self, answers: asyncio.Queue[Message | None]) -> Message:
        try:
            async with asyncio.timeout(self._patience):
                if (answer := await answers.get()) is not None:
                    return answer
        except TimeoutError as error:
            raise self._unavailable(f"no answer for {self._patience:g} s") from error
        raise self._unavailable("it hung up")

    def _send(self, messages: list[bytes]) -> None:
        if self.closed or self._writer is None:
            raise self._unavailable("it hung up")
        self._writer.writelines(messages)

    async def _read(self, reader: asyncio.StreamReader, stream: OpenFlowStream) -> None:
        try:
            while data := await reader.read(_CHUNK):
                for message in stream.feed(data):
                    self._take(message)
        except (OSError, ValueError):
            pass  # a peer that talks nonsense is as good as gone
        if not self.closed:
            self.closed = True
            for answers in set(self._waiting.values()):
                answers.put_nowait(None)
            self._hang_up()
            self._on_lost()

    def _take(self, message: Message) -> None:
        if message.kind == Kind.ECHO_REQUEST:
            self._send([openflow.message(Kind.ECHO_REPLY, message.transaction, message.body)])
        elif (answers := self._waiting.get(message.transaction)) is not None:
            answers.put_nowait(message)

    def _hang_up(self) -> None:
        self.closed = True
        if self._writer is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._writer.close()

    def _unavailable(self, message: str) -> SwitchUnavailable:
        return SwitchUnavailable(f"ovs-vswitchd, {self._socket}: {message}", switch="openvswitch")
