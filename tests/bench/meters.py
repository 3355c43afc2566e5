"""What a tick of the built-in meters costs for a thousand VMs: `PYTHONPATH=tests .venv/bin/python -m bench.meters`.

Disks, VIFs and domains are simulated; counting the links, in three ways, is measured on real ones, in a network
namespace of its own (which takes root).
"""

import resource
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from kit.meter_crowd import Crowd
from xenhost.drivers.metrics.dom0 import network_devices
from xenhost.drivers.metrics.links import counters, device_lines
from xenhost.system.netlink import message, messages, read_attributes

VMS: Final = 1000
_GETLINK, _GETSTATS, _DUMP, _DONE = 18, 94, 0x301, 3
_NAME, _STATS64 = 3, 23


def milliseconds(work: Callable[[], object], turns: int = 15) -> float:
    """CPU time of one turn: the median."""
    taken = []
    for _ in range(turns):
        start = time.thread_time()
        work()
        taken.append(time.thread_time() - start)
    return statistics.median(taken) * 1e3


def tick() -> None:
    """Of each meter."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        crowd = Crowd(Path(folder), VMS)
        taken: dict[str, list[float]] = {meter.name: [] for meter in crowd.meters}
        values = 0
        for number in range(1, 12):
            crowd.step(number)
            values = 0
            for meter in crowd.meters:
                start = time.thread_time()
                readings = meter.read(1000.0 + 5 * number, crowd.vms)
                taken[meter.name].append(time.thread_time() - start)
                values += sum(len(each.values) for each in readings)
    for name, times in taken.items():
        print(f"{name:8} {statistics.median(times[2:]) * 1e3:6.1f} ms")
    total = statistics.median(map(sum, zip(*(times[2:] for times in taken.values()), strict=True)))
    print(f"a tick   {total * 1e3:6.1f} ms for {values} values, {total / 5:.2%} of a CPU")


def _dump(type: int, body: bytes) -> list[bytes]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link:
        link.send(message(type, _DUMP, 1, body))
        found: list[bytes] = []
        while True:
            for kind, _, _, payload in messages(link.recv(1 << 17)):
                if kind == _DONE:
                    return found
                found.append(payload)


def by_text() -> object:
    """What the meter does."""
    return {name: counters(line) for name, line in device_lines(network_devices()).items()}


def by_getlink() -> object:
    """One dump that has everything."""
    found = {}
    for payload in _dump(_GETLINK, bytes(16)):
        attributes = read_attributes(payload[16:])
        found[attributes[_NAME]] = struct.unpack_from("=8Q", attributes[_STATS64])
    return found


def by_getstats() -> object:
    """A dump of counters alone, and the names."""
    names = dict(socket.if_nameindex())
    rows = _dump(_GETSTATS, struct.pack("=BxxxII", 0, 0, 1))
    return {names[struct.unpack_from("=I", row, 4)[0]]: struct.unpack_from("=8Q", row, 16) for row in rows}


def links() -> None:
    """In the namespace it is started in."""
    lines = "".join(f"link add veth{number} type veth peer name peer{number}\n" for number in range(VMS // 2))
    subprocess.run(["ip", "-batch", "-"], input=lines, text=True, check=True)
    for name, work in (("/proc/net/dev", by_text), ("RTM_GETLINK", by_getlink), ("RTM_GETSTATS", by_getstats)):
        print(f"{VMS} links by {name}: {milliseconds(work):.1f} ms")


if __name__ == "__main__":
    if sys.argv[1:] == ["links"]:
        links()
    else:
        tick()
        subprocess.run(["unshare", "-n", sys.executable, "-m", "bench.meters", "links"], check=True)
