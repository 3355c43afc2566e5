"""Committing: a layer is copied into the one below it and leaves the chain, while the guest writes.

QEMU's job carries both numbers in its id, so an agent that finds it running knows what it does and waits for it. A job
on the leaf mirrors first and is completed when it has caught up; a snapshot that comes meanwhile gives it up.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xenhost.core.clock import Clock
from xenhost.core.ports.storage import Progress
from xenhost.core.storage import AttachMode
from xenhost.sm.datapath.graph import TOP, Node, Options
from xenhost.sm.datapath.image_server import ImageServer, settled
from xenhost.sm.datapath.storage_daemon import StorageDaemonError

POLL: Final = 0.2
"""Seconds between two looks at a job."""
CANCEL_WAIT: Final = 20.0
"""Seconds a job may take to end after it was cancelled."""


class CommitGivenUp(Exception):
    """The job was ended by somebody else: a snapshot of the same VDI was more important."""


@dataclass(frozen=True, slots=True)
class _Job:
    id: str
    status: str
    done: float
    error: str


async def commit(
    server: ImageServer, clock: Clock, top: str, base: str, bytes_per_second: int, progress: Progress
) -> None:
    """Commit the image `top` into `base`. No-op if `top` is not open.

    Raises StorageDaemonError, ValueError if `base` is not right below, CommitGivenUp. Cancelled: the job is ended.
    """
    async with server.lock:
        id = await settled(_begin(server, top, base, bytes_per_second))
    if id is None:
        return
    try:
        error = await _wait(server, clock, id, progress)
    except BaseException:
        await settled(give_up(server))
        raise
    async with server.lock:
        await settled(server.tidy())
    if error:
        raise StorageDaemonError(f"{top} was not merged into {base}: {error}")
    if any(node.layer.path == top for node in server.nodes()):
        raise CommitGivenUp(f"the merge of {top} was given up for a snapshot; it can be tried again")
    progress(1.0)


async def give_up(server: ImageServer, leaf_only: bool = False) -> None:
    """End what jobs run, and leave the chain as it was before them. `leaf_only`: only one that commits the leaf."""
    leaf = server.nodes()[0].image
    for job in await _jobs(server):
        if not leaf_only or job.id.startswith(f"commit-{leaf}-"):
            with contextlib.suppress(StorageDaemonError):  # it ended a moment ago
                await server.run("job-cancel", {"id": job.id})
            async with asyncio.timeout(CANCEL_WAIT):
                await _until_ended(server, job.id)
    await server.tidy()


async def _begin(server: ImageServer, top_path: str, base_path: str, bytes_per_second: int) -> str | None:
    """The id of a job that runs; None: there is nothing to do."""
    await server.tidy()
    chain = server.nodes()
    at = next((i for i, node in enumerate(chain) if node.layer.path == top_path), None)
    if at is None:
        return None
    if at + 1 >= len(chain) or chain[at + 1].layer.path != base_path:
        raise ValueError(f"{base_path} is not right below {top_path}, so that cannot be merged into it")
    top, base = chain[at : at + 2]
    id = f"commit-{top.image}-{base.image}"
    running = await _jobs(server)
    if any(job.id == id for job in running):
        await server.run("block-job-set-speed", {"device": id, "speed": bytes_per_second})
        return id
    if running:
        raise StorageDaemonError(f"another merge runs in this chain ({running[0].id}); try again when it is done")
    await _start(server, id, top, base, chain[at - 1] if at else None, bytes_per_second)
    return id


async def _start(
    server: ImageServer, id: str, top: Node, base: Node, above: Node | None, bytes_per_second: int
) -> None:
    job: Options = {
        "job-id": id,
        "device": TOP,
        "top-node": top.image,
        "base-node": base.image,
        "speed": bytes_per_second,
        "auto-dismiss": False,
    }
    writable = [base]
    if above is not None:
        job["backing-file"] = Path(base.layer.path).name
        writable.append(above)  # the name of its backing file is written into it
    try:
        await server.reopen([(node, AttachMode.RW) for node in writable])
        await server.run("block-commit", job)
    except StorageDaemonError:
        await server.tidy()
        raise


async def _wait(server: ImageServer, clock: Clock, id: str, progress: Progress) -> str:
    """Until it is done; why it failed, empty if it did not."""
    completing = False
    while True:
        job = next((job for job in await _jobs(server) if job.id == id), None)
        if job is None:
            return ""  # dismissed by who gave it up
        if job.status == "concluded":
            return "" if "cancel" in job.error.lower() else job.error
        if job.status == "ready" and not completing:
            completing = True
            await server.run("job-complete", {"id": id})
        progress(min(job.done, 1.0))
        await clock.sleep(POLL)


async def _until_ended(server: ImageServer, id: str) -> None:
    while True:
        if all(job.id != id or job.status == "concluded" for job in await _jobs(server)):
            return
        await asyncio.sleep(0.01)


async def _jobs(server: ImageServer) -> list[_Job]:
    jobs = []
    match await server.run("query-jobs"):
        case list() as untrusted_jobs:
            for job in untrusted_jobs:
                match job:
                    case {
                        "id": str() as id,
                        "status": str() as status,
                        "current-progress": int() as current,
                        "total-progress": int() as total,
                    }:
                        jobs.append(_Job(id, status, current / max(total, 1), str(job.get("error", ""))))
    return jobs
