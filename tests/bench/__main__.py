"""Run inside dom0: `python -m bench [--rounds N] [--only WORD] [--out FILE]`."""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import devices, domains, xenstore
from bench.contest import Contest, prepare
from bench.meter import Meter
from bench.stats import Row, as_json, table
from xenhost.native.xenctrl import Xenctrl


async def contest(options: argparse.Namespace) -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench") as folder, Xenctrl() as xenctrl:
        work, meter = Path(folder), Meter(xenctrl)
        await prepare(work)
        async with Contest(work, meter, options.rounds) as ring:
            jobs = {
                "xenstore tree": lambda: xenstore.tree_read(meter, options.rounds),
                "xenstore reads": lambda: xenstore.small_reads(meter, options.rounds, work),
                "start destroy pv": lambda: domains.start_and_destroy(ring, "pv"),
                "start destroy pvh": lambda: domains.start_and_destroy(ring, "pvh"),
                "plug unplug": lambda: devices.plug_and_unplug(ring),
                "eight": lambda: domains.eight_at_once(ring),
                "memory": lambda: domains.resident_memory(ring),
            }
            for name, job in jobs.items():
                if options.only and not any(word in name for word in options.only):
                    continue
                print(f"-- {name}", flush=True)
                made = await job()
                new: Sequence[Row] = [made] if isinstance(made, Row) else made
                rows += new
                print(table(new), flush=True)
            notes = ring.notes
    print("\n== all\n" + table(rows))
    for note in notes:
        print("note:", note)
    if options.out:
        Path(options.out).write_text(json.dumps({"rows": as_json(rows), "notes": notes}, indent=1))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant (default 5)")
    parser.add_argument("--only", action="append", help="only the jobs whose name holds this word; may be repeated")
    parser.add_argument("--out", help="write every sample to this file as JSON")
    asyncio.run(contest(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
