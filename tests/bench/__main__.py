"""Run inside dom0: `python -m bench [--rounds N] [--only WORD] [--out FILE]`."""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bench import devices, disks, domains, many_networks, metrics, networks, pool, pool_wire, xenstore
from bench.contest import Contest, prepare
from bench.meter import Meter, is_xen, of_dom0, of_machine, of_this
from bench.stats import Row, as_json, table
from bench.toolstack import CommandFailed
from xenhost.native.xenctrl import Xenctrl

Job = Callable[[], Awaitable[list[Row]]]


async def contest(options: argparse.Namespace) -> list[Row]:
    """Run the chosen jobs, print each table when it is there, and all at the end."""
    rows: list[Row] = []

    async def run(jobs: Mapping[str, Job]) -> None:
        for name, job in jobs.items():
            print(f"-- {name}", flush=True)
            try:
                made = await job()
            except (CommandFailed, TimeoutError, AssertionError) as error:
                if not name.startswith("disk "):
                    raise
                print(f"{name} failed: {error!r}", flush=True)
                ring.notes.append(f"{name} failed: {error!r}")
                continue
            rows.extend(made)
            print(table(made), flush=True)

    def chosen(jobs: Mapping[str, Job]) -> dict[str, Job]:
        return {name: job for name, job in jobs.items() if not options.only or any(w in name for w in options.only)}

    with (
        tempfile.TemporaryDirectory(prefix="bench") as folder,
        tempfile.TemporaryDirectory(prefix="bench", dir="/var/tmp") as on_disk,  # /tmp is memory in the test bed
        ExitStack() as stack,
    ):
        work, rounds = Path(folder), options.rounds
        if is_xen():
            meter = Meter(partial(of_dom0, stack.enter_context(Xenctrl())))
            await prepare(work)
        else:
            meter = Meter(of_this if options.shared else of_machine)
        await run(
            chosen(
                {
                    "xenstore tree": lambda: xenstore.tree_read(meter, rounds),
                    "xenstore reads": lambda: xenstore.small_reads(meter, rounds, work),
                }
            )
        )
        await run(
            chosen(
                {
                    "network vif": lambda: networks.plug(meter, rounds),
                    "network many vifs": lambda: networks.many(meter, min(rounds, 2)),
                    "network failover": lambda: networks.failover(meter, rounds),
                    "network restore": lambda: many_networks.restored(meter, min(rounds, 2)),
                    "network vlans": lambda: many_networks.made(meter, min(rounds, 2)),
                }
            )
        )
        await run(
            chosen(
                {
                    "metrics": lambda: metrics.store(rounds),
                    "pool": lambda: pool.measure(rounds),
                    "pool wire": lambda: pool_wire.measure(rounds),
                }
            )
        )
        ring = Contest(work, Path(on_disk), meter, rounds)
        domain_jobs = chosen(
            {
                "start destroy pv": lambda: domains.start_and_destroy(ring, "pv"),
                "start destroy pvh": lambda: domains.start_and_destroy(ring, "pvh"),
                "plug unplug": lambda: devices.plug_and_unplug(ring),
                "eight": lambda: domains.eight_at_once(ring),
                "memory": lambda: domains.resident_memory(ring),
            }
        )
        disk_jobs = chosen(
            {
                "disk qcow2": lambda: disks.throughput(ring, "qcow2"),
                "disk thin": lambda: disks.throughput(ring, "thin"),
                "disk chain": lambda: disks.deep_chain(ring),
                "disk raw": lambda: disks.throughput(ring, "raw"),
            }
        )
        ring.with_libvirt = bool(domain_jobs)
        if domain_jobs or disk_jobs:
            async with ring:
                await run(domain_jobs)
                await run(disk_jobs)
                await disks.end(ring)
    print("\n== all\n" + table(rows))
    for note in ring.notes:
        print("note:", note)
    if options.out:
        Path(options.out).write_text(json.dumps({"rows": as_json(rows), "notes": ring.notes}, indent=1))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant (default 5)")
    parser.add_argument("--only", action="append", help="only the jobs whose name holds this word; may be repeated")
    parser.add_argument("--shared", action="store_true", help="not under Xen: count only our own CPU time")
    parser.add_argument("--out", help="write every sample to this file as JSON")
    asyncio.run(contest(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
