"""The states of a device's two ends, and waiting for them.

Protocol source: xen/include/public/io/xenbus.h.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from enum import IntEnum
from typing import Final

from xenhost.native.xenstore import Watch, Xenstore, XenstoreError


class XenbusState(IntEnum):
    """What an end of a device writes into its `state` node."""

    UNKNOWN = 0
    """There is no such node, or nonsense in it."""
    INITIALISING = 1
    INIT_WAIT = 2
    """The backend is ready and waits for the frontend (or for hotplug)."""
    INITIALISED = 3
    CONNECTED = 4
    CLOSING = 5
    CLOSED = 6
    RECONFIGURING = 7
    RECONFIGURED = 8


_S = XenbusState
BACKEND_NEXT: Final[Mapping[XenbusState, frozenset[XenbusState]]] = {
    _S.UNKNOWN: frozenset(),
    _S.INITIALISING: frozenset({_S.INIT_WAIT, _S.INITIALISED, _S.CLOSING, _S.UNKNOWN}),
    _S.INIT_WAIT: frozenset({_S.INITIALISED, _S.CONNECTED, _S.CLOSING, _S.CLOSED, _S.UNKNOWN}),
    _S.INITIALISED: frozenset({_S.CONNECTED, _S.CLOSING, _S.CLOSED, _S.UNKNOWN}),
    _S.CONNECTED: frozenset({_S.CLOSING, _S.CLOSED, _S.RECONFIGURING, _S.UNKNOWN}),
    _S.RECONFIGURING: frozenset({_S.RECONFIGURED, _S.CLOSING, _S.CLOSED, _S.UNKNOWN}),
    _S.RECONFIGURED: frozenset({_S.CONNECTED, _S.CLOSING, _S.CLOSED, _S.UNKNOWN}),
    _S.CLOSING: frozenset({_S.CLOSED, _S.UNKNOWN}),
    _S.CLOSED: frozenset({_S.UNKNOWN}),
}
"""The state in which a backend may be found next, unless it is set up anew. Only dom0's kernel and we write it."""

TAKEN: Final = frozenset({_S.INIT_WAIT, _S.INITIALISED, _S.CONNECTED})
"""A backend in one of these has taken its device."""

ASKABLE: Final = frozenset({_S.INITIALISED, _S.CONNECTED, _S.CLOSING, _S.RECONFIGURING, _S.RECONFIGURED})
"""A backend in one of these has, or had just now, a frontend to talk to."""

_TEXT_LIMIT: Final = 200


def parse_state(untrusted: bytes | XenstoreError | None) -> XenbusState:
    """The state in a node; UNKNOWN if it is absent, unreadable or no state."""
    if not isinstance(untrusted, bytes) or len(untrusted) != 1 or not b"0" <= untrusted <= b"8":
        return XenbusState.UNKNOWN
    return XenbusState(int(untrusted))


def guest_text(untrusted: bytes | XenstoreError | None) -> str:
    """A message from a guest: one printable line of bounded length, empty if there is none."""
    if not isinstance(untrusted, bytes):
        return ""
    text = untrusted[: 4 * _TEXT_LIMIT].decode("utf-8", "replace").strip("\0 \n")
    return "".join(char if char.isprintable() else "?" for char in text)[:_TEXT_LIMIT]


def can_become(state: XenbusState, wanted: Collection[XenbusState]) -> bool:
    """Whether a backend in that state may still come to one of the wanted ones without being set up anew."""
    seen: set[XenbusState] = set()
    todo = {state}
    while todo:
        if not todo.isdisjoint(wanted):
            return True
        seen |= todo
        todo = {after for one in todo for after in BACKEND_NEXT[one]} - seen
    return False


async def wait_for(xs: Xenstore, path: str, states: Collection[XenbusState], within: float) -> XenbusState:
    """Wait until the backend state in `path` is one of `states`, and return it.

    Returns another state as soon as the wanted ones cannot come any more. Raises TimeoutError after `within` seconds.
    Event driven; cancelling leaves no watch.
    """
    async with asyncio.timeout(within), xs.watch(path) as watch:
        async for _ in watch:
            state = parse_state(await xs.get(path))
            if state in states or not can_become(state, states):
                return state
    raise AssertionError("a watch ends only when it is closed")


@contextlib.asynccontextmanager
async def changes(xs: Xenstore, *paths: str) -> AsyncIterator[asyncio.Event]:
    """An event that is set at once, and whenever something at or below one of the paths may have changed.

    The user clears it before looking. Losing the watches sets it too; the next request then tells.
    """
    changed = asyncio.Event()

    async def pump(watch: Watch) -> None:
        try:
            async for _ in watch:
                changed.set()
        except XenstoreError:
            changed.set()

    def close(opened: asyncio.Task[Watch]) -> None:
        if not opened.cancelled() and opened.exception() is None:
            xs.close_watch(opened.result())

    with contextlib.ExitStack() as stack:
        opening = [asyncio.create_task(xs.open_watch(path)) for path in paths]
        for task in opening:
            stack.callback(task.add_done_callback, close)
            stack.callback(task.cancel)
        for task in opening:
            stack.callback(asyncio.create_task(pump(await task)).cancel)
        yield changed
