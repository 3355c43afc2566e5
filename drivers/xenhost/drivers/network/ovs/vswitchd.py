"""Questions to ovs-vswitchd itself, over its control socket, as ovs-appctl(8) asks them."""

import asyncio
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


def _socket(rundir: Path) -> Path:
    number = int((rundir / "ovs-vswitchd.pid").read_text())
    return rundir / f"ovs-vswitchd.{number}.ctl"
