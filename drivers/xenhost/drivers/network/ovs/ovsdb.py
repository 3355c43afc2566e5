"""The connection to ovsdb-server: a copy of the database that is always current, and transactions.

    db = Ovsdb(Path("/run/openvswitch/db.sock"))
    await db.open()
    change = Change(); ...                 # from what db.data says
    await db.commit(change)                # one transaction, and ovs-vswitchd has done it

It reconnects by itself, and reads everything again then. The server tells of what a transaction changed before it
answers (RFC 7047, section 4.1.6), so `data` has it when `commit` returns.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from xenhost.core.errors import InternalError
from xenhost.core.network_errors import SwitchUnavailable
from xenhost.drivers.network.ovs.change import Change
from xenhost.drivers.network.ovs.database import COLUMNS, Database, Table
from xenhost.drivers.network.ovs.json_rpc import JsonRpc, Refused
from xenhost.drivers.network.ovs.values import Json, Malformed, Uuid

_log = structlog.get_logger()
_DATABASE: Final = "Open_vSwitch"
_PAUSES: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between tries to reconnect; the last one from then on."""
_LARGE: Final = 100
"""Operations for which ovs-vswitchd may take as long again: a device of the kernel takes it tens of milliseconds."""
Touched = frozenset[tuple[Table, Uuid]]


class Interrupted(Exception):
    """The connection was lost in the middle of a change, which was made or not: look again."""


class Ovsdb:
    """For one event loop. `patience` is how many seconds a daemon may take to answer, or to come back."""

    def __init__(self, socket: Path, patience: float = 20.0) -> None:
        self._socket: Final = socket
        self._patience: Final = patience
        self._rpc: JsonRpc | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._connected: Final = asyncio.Event()
        self._listeners: Final[list[Callable[[Touched], None]]] = []
        self._wakers: Final[set[asyncio.Event]] = set()
        self.data = Database()

    async def open(self) -> None:
        """Connect and read. Raises SwitchUnavailable."""
        try:
            rpc = await self._connect()
        except (OSError, ValueError, Refused) as error:
            raise _unavailable(f"ovsdb-server does not answer on {self._socket}: {error}") from error
        self._keeping = asyncio.create_task(self._keep(rpc), name="ovsdb")

    async def close(self) -> None:
        """Hang up."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
            self._keeping = None
        if self._rpc is not None:
            await self._rpc.close()
        self._connected.clear()
        self._listeners.clear()

    def listen(self, on_change: Callable[[Touched], None]) -> None:
        """Call it with rows that changed; after a reconnection with all there are."""
        self._listeners.append(on_change)

    async def commit(self, change: Change) -> None:
        """Do it in one transaction, and wait for ovs-vswitchd to do it.

        Raises SwitchUnavailable, InternalError, Interrupted.
        """
        await self.done(await self.transact(change), len(change.operations))

    async def transact(self, change: Change) -> int:
        """Do it in one transaction; the number `done` takes. Raises as `commit`. Cancelled: done or not."""
        await self._wait_connected()
        rpc = self._rpc
        if rpc is None:
            raise _unavailable("not connected to ovsdb-server")
        operations: list[Json] = [_DATABASE, *change.told(self.data.root.uuid)]
        try:
            results = await rpc.call("transact", operations, self._patience)
        except TimeoutError as error:
            raise _unavailable(f"ovsdb-server has not answered for {self._patience:g} s") from error
        except ConnectionError as error:
            if rpc is self._rpc:
                self._connected.clear()
            raise Interrupted from error
        except Refused as error:
            raise InternalError(f"ovsdb-server refused a transaction: {error}", message=str(error)) from error
        return _next_cfg(results)

    async def done(self, number: int, operations: int = 0) -> None:
        """Wait until ovs-vswitchd has done that transaction, longer for a larger one. Raises SwitchUnavailable."""
        seconds = self._patience * (1 + operations / _LARGE)
        if not await self.until(lambda data: (data.root.number("cur_cfg") or 0) >= number, seconds):
            raise _unavailable(f"ovs-vswitchd has not done a change for {seconds:g} s; is it running?")

    async def until(self, condition: Callable[[Database], bool], seconds: float | None = None) -> bool:
        """Wait until something is so in the database; False when patience (or so many seconds) ran out."""
        waker = asyncio.Event()
        self._wakers.add(waker)
        try:
            async with asyncio.timeout(self._patience if seconds is None else seconds):
                while not condition(self.data):
                    await waker.wait()
                    waker.clear()
        except TimeoutError:
            return condition(self.data)
        finally:
            self._wakers.discard(waker)
        return True

    async def _wait_connected(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._connected.wait()
        except TimeoutError as error:
            raise _unavailable(f"ovsdb-server does not answer on {self._socket}") from error

    async def _connect(self) -> JsonRpc:
        data = Database()
        rpc = JsonRpc(self._socket, lambda method, params: self._notice(data, method, params))
        try:
            await rpc.open(self._patience)
            wanted = {table: {"columns": list(columns)} for table, columns in COLUMNS.items()}
            touched = data.update(await rpc.call("monitor", [_DATABASE, None, wanted], self._patience))
            _ = data.root
        except BaseException:
            await rpc.close()
            raise
        self._rpc, self.data = rpc, data
        self._connected.set()
        self._tell(touched)
        return rpc

    async def _keep(self, rpc: JsonRpc) -> None:
        while True:
            await rpc.closed.wait()
            self._connected.clear()
            _log.warning("the connection to ovsdb-server was lost", socket=str(self._socket))
            tries = 0
            while not self._connected.is_set():
                await asyncio.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
                tries += 1
                try:
                    rpc = await self._connect()
                except (OSError, ValueError, Refused) as error:
                    _log.debug("ovsdb-server does not answer", error=str(error))
            _log.info("connected to ovsdb-server again", tries=tries)

    def _notice(self, data: Database, method: str, params: Json) -> None:
        if method != "update":
            return
        if not isinstance(params, list) or len(params) != 2:
            raise Malformed("an update without its rows")
        touched = data.update(params[1])
        if data is self.data:
            self._tell(touched)

    def _tell(self, touched: Touched) -> None:
        for waker in self._wakers:
            waker.set()
        for listener in self._listeners:
            listener(touched)


def _unavailable(message: str) -> SwitchUnavailable:
    return SwitchUnavailable(message, switch="openvswitch")


def _next_cfg(untrusted_results: Json) -> int:
    """Of the answer to a transaction. Raises InternalError with the first operation that failed."""
    results = untrusted_results if isinstance(untrusted_results, list) else []
    for each in results:
        if isinstance(each, dict) and (error := each.get("error")) is not None:
            text = f"{error}: {each.get('details', '')}"[:500]
            raise InternalError(f"Open vSwitch's database refused a change: {text}", message=text)
    try:
        return int(results[-1]["rows"][0]["next_cfg"])
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise InternalError("ovsdb-server's answer is malformed", message="malformed answer") from error
