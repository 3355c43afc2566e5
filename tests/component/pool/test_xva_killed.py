"""`kill -9` of the pool master while it imports a VM: the VM is there whole, or there is nothing of it."""

import os
import socket
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from component.pool.test_killed import Pool, pool  # noqa: F401 # a fixture
from component.pool.test_try import eventually
from kit import xva
from xenhost.core.units import MIB

pytestmark = pytest.mark.timeout(400)
FIRST = os.urandom(3 * MIB)
SECOND = os.urandom(2 * MIB) + bytes(6 * MIB) + os.urandom(MIB)


def two_disks() -> bytes:
    """An archive."""
    objects = xva.things(len(FIRST))
    vbd, vdi = objects[1]["snapshot"], objects[5]["snapshot"]
    objects += [
        {"class": "VBD", "id": "Ref:7", "snapshot": vbd | {"uuid": f"{xva.UUID}8", "VDI": "Ref:8", "userdevice": "1"}},
        {"class": "VDI", "id": "Ref:8", "snapshot": vdi | {"uuid": f"{xva.UUID}9", "virtual_size": len(SECOND)}},
    ]
    return xva.tar(("ova.xml", xva.ova(objects)), *xva.chunks("Ref:2", FIRST), *xva.chunks("Ref:8", SECOND))


def counts(api: Any) -> list[int]:
    return [len(getattr(api, cls).get_all()) for cls in ("VM", "VDI", "VBD", "VIF", "network")]


def until(api: Any, holds: Callable[[list[int]], bool]) -> None:
    """Wait for numbers of objects."""
    eventually(lambda: holds(counts(api)))


def is_whole(api: Any) -> bool:
    """The VM is there, and nobody is at it."""
    made = [each for each in api.VM.get_all_records().values() if each["name_label"] == "web <1>"]
    return [len(each["VBDs"]) for each in made if not each["current_operations"]] == [3]


def sent(pool: Pool, sr: str, part: bytes) -> socket.socket:  # noqa: F811 # no fixture here
    """An upload that has come so far."""
    host, _, port = pool.url.removeprefix("http://").partition(":")
    client = socket.create_connection((host, int(port)))
    words = b64encode(b"root:secret").decode()
    client.sendall(f"PUT /import?sr_id={sr} HTTP/1.0\r\nAuthorization: Basic {words}\r\n\r\n".encode())
    assert b" 200 " in client.recv(1000)
    client.sendall(part)
    return client


def test_a_killed_master_leaves_a_whole_vm_or_nothing(pool: Pool) -> None:  # noqa: F811 # it is the fixture
    api = pool.api()
    host, folder = api.host.get_all()[0], pool._root / "sr"
    folder.mkdir()
    sr = api.SR.create(host, {"location": str(folder)}, "0", "disks", "", "file", "user", False, {})
    before, empty = counts(api), sorted(path.name for path in folder.rglob("*"))
    body = two_disks()
    second = body.index(b"Ref:8/00000000")
    for cut in (600, body.index(b"Ref:2/") + 700_000, second - 100, second + 800_000, len(body) - 700_000, len(body)):
        with sent(pool, sr, body[:cut]):
            if cut > 600:
                until(api, lambda found: found[0] > before[0])
            pool.kill_master()
        pool.start_master()
        api = pool.api()
        if cut == len(body) and is_whole(api):
            return  # it was faster than we were
        until(api, lambda found: found == before)
        eventually(lambda: sorted(path.name for path in folder.rglob("*")) == empty)
