"""Whether this xenpoold is a pool's master or a member of one: a file, which is there if it is a member."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from xenhost.core.config_error import ConfigError
from xenhost.pool.call import ApiError
from xenhost.pool.hosts.database_files import RESTORED, remove_database
from xenhost.pool.hosts.membership.handed import Handed
from xenhost.system.whole_file import replace_file, sync_folder

FILE: Final = "member.json"
ANSWER_SECONDS: Final = 0.5
"""Between a change of role and its effect: whoever asked for it hears that it was done."""


@dataclass(frozen=True, slots=True)
class MemberOf:
    """The master of a member."""

    master: str
    """Where clients are sent: an address, with a port if it is not the usual one."""
    link: str
    """Where it listens for agents: `host:port`."""
    host: str = ""
    """The UUID of its host, if the mastership was handed over to it. Then those who ask here are told."""
    handover: str = ""
    """What it was handed."""


def read_role(folder: Path) -> MemberOf | None:
    """None for a master. Blocks. Raises ConfigError: who does not know what he is must not be a master."""
    path = folder / FILE
    try:
        found = json.loads(path.read_text())
        handed = (str(found.get(name, "")) for name in ("host", "handover"))
        return MemberOf(str(found["master"]), str(found["link"]), *handed)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{path} does not say whose member this host is: {error!r}") from error


class PoolRole:
    """What this xenpoold shall be. Whoever runs it waits for `changed`, and starts it anew."""

    def __init__(self, folder: Path, database: str) -> None:
        """`database`: the name of that of a master in `folder`; a member keeps it for the day it is one again."""
        self._folder: Final = folder
        self._database: Final = database
        self.handed: Final = Handed(folder)
        self.changed: Final = asyncio.Event()
        self.changing = False
        """It is being made another one than the daemon was started with. Once: then it is started anew."""

    async def become_member(self, of: MemberOf) -> None:
        """From now on, also after `kill -9`. Once begun it is done, also if it is cancelled.

        Raises OSError; ApiError OPERATION_NOT_ALLOWED if the role is being changed already.
        """
        content = json.dumps(asdict(of)).encode()
        await self._change(lambda: replace_file(self._folder / FILE, content, 0o600))

    async def become_master(self, fresh: bool = False) -> None:
        """The same: of what was handed over to it, else of the pool that it had; `fresh`: of a new one."""
        await self._change(lambda: self._leave(fresh))

    async def _change(self, write: Callable[[], None]) -> None:
        if self.changing:
            raise ApiError("OPERATION_NOT_ALLOWED", "this host is just becoming another pool's, or a pool of its own")
        self.changing = True
        await asyncio.shield(self._changed(write))

    async def _changed(self, write: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(write)
        except OSError:
            self.changing = False
            raise
        asyncio.get_running_loop().call_later(ANSWER_SECONDS, self.changed.set)

    def _leave(self, fresh: bool) -> None:
        if fresh:  # first: while the file is there, it is done again
            remove_database(self._folder / RESTORED)
            remove_database(self._folder / self._database)
            self.handed.drop()
        else:
            self.handed.take()
        (self._folder / FILE).unlink(missing_ok=True)
        sync_folder(self._folder)
