"""A program to be killed: it fills a store and saves it, as fast as it can. `python archive_writer.py FOLDER NOW`."""

import sys
from pathlib import Path

import structlog

from unit.rrd.store_kit import HOST_UUID, VM, gauge
from xenhost.core.metrics import Reading
from xenhost.rrd.archive import Archive
from xenhost.rrd.store import Store


def main() -> None:
    now = float(sys.argv[2])
    store, archive = Store(HOST_UUID, now), Archive(Path(sys.argv[1]), structlog.get_logger())
    archive.open()
    store.load(VM, archive.load(VM))
    number = 0
    print("ready", flush=True)
    while True:
        number += 1
        # Now and then a data source comes or goes, so that files are rewritten, too.
        sources = tuple(gauge(f"memory_of_a_long_name_{each}", VM) for each in range(5 + number // 12 % 3))
        store.tick(now, [Reading(now, sources, tuple(float(number) for _ in sources))])
        now += 5
        if number % 12 == 0:
            if number // 12 % 3 == 0 and "memory_of_a_long_name_6" in {each.name for each in store.sources(VM)}:
                store.forget(VM, "memory_of_a_long_name_6")
            archive.save(store)
            print(int(now) // 5 * 5 - 10, flush=True)


if __name__ == "__main__":
    main()
