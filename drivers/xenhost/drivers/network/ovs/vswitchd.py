"""Questions to ovs-vswitchd itself, over its control socket, as ovs-appctl(8) asks them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from xenhost.drivers.network.ovs.json_rpc import JsonRpc, Refused

_ANSWER: Final = 5.0
"""Seconds."""


class Unanswered(Exception):
    """It is not there, or does not know the command."""


async def ask(rundir: Path, *questions: tuple[str, ...]) -> list[str]:
    """The answers to commands with their arguments, one after the other. Raises Unanswered."""
    try:
        rpc = JsonRpc(await asyncio.to_thread(_socket, rundir))
        await rpc.open(_ANSWER)
        try:
            return [str(await rpc.call(command, list(words), _ANSWER)) for command, *words in questions]
        finally:
            await rpc.close()
    except (OSError, ValueError, Refused) as error:
        raise Unanswered(str(error)) from error


@asynccontextmanager
async def revalidated(rundir: Path) -> AsyncIterator[None]:
    """What is done inside makes ovs-vswitchd look whether the datapath remembers packets rightly; that is waited for.

    The round that ends may have begun before: do it twice to be sure. Nothing is waited for if it does not answer.
    """
    try:
        rpc = JsonRpc(await asyncio.to_thread(_socket, rundir))
        await rpc.open(_ANSWER)
    except (OSError, ValueError):
        yield
        return
    waiting = asyncio.create_task(rpc.call("revalidator/wait", [], _ANSWER))
    try:
        await asyncio.sleep(0)  # the question is sent
        with contextlib.suppress(Unanswered):
            await ask(rundir, ("version",))  # and it was read: that came later and is answered
        yield
        with contextlib.suppress(OSError, Refused):
            await waiting
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await rpc.close()


def _socket(rundir: Path) -> Path:
    number = int((rundir / "ovs-vswitchd.pid").read_text())
    return rundir / f"ovs-vswitchd.{number}.ctl"
