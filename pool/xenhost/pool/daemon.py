"""xenpoold for as long as it lives: a master or a member, and the other one when it becomes that."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Never

from xenhost.core.clock import Clock
from xenhost.pool.hosts.membership.handed import Handed
from xenhost.pool.hosts.membership.role import PoolRole, read_role
from xenhost.pool.master import MasterSettings, running
from xenhost.pool.member import running_member
from xenhost.pool.session.authenticator import Authenticator


async def serve(
    settings: MasterSettings,
    superusers: Authenticator,
    everybody: Authenticator,
    clock: Clock,
    ready: Callable[[str], None],
) -> Never:
    """Until cancelled. `ready` is told each time that clients are served, and what there is.

    Raises StoreFailed, CannotListen, ConfigError.
    """
    while True:
        of = await asyncio.to_thread(read_role, settings.state_dir)
        if of is None:
            await asyncio.to_thread(Handed(settings.state_dir).drop)  # it was taken, or never whole
            async with running(settings, superusers, everybody, clock) as master:
                ready(f"{len(master.database.rows('VM'))} VMs and templates")
                await _until_changed(master.role, master.background)
        else:
            async with running_member(settings, of, superusers, clock) as member:
                ready(f"member of {of.master}")
                await _until_changed(member.role, member.background)


async def _until_changed(role: PoolRole, background: Sequence[asyncio.Task[None]]) -> None:
    """Raises what ends one of those in the background."""
    changed = asyncio.create_task(role.changed.wait())
    try:
        await asyncio.wait({changed, *background}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        changed.cancel()
    for task in background:
        if task.done():
            task.result()
