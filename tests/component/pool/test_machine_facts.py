"""What hosts tell of themselves when they come back, to a whole pool master."""

import asyncio
from pathlib import Path

from component.pool.test_certificates import pool
from xenhost.api.host.v1 import host_service_pb2 as pb
from xenhost.pool.call import FrozenMap, Ref, Value
from xenhost.pool.database.record import Record
from xenhost.pool.hosts.machine_facts import true_fields

KNOWN: dict[str, Value] = {"ssh_enabled": True, "iscsi_iqn": "iqn.x"}


async def test_a_host_that_comes_back_tells_its_time_zone_and_what_it_lets_in(tmp_path: Path) -> None:
    wrong: dict[str, Value] = {"timezone": "Europe/Berlin", "ntp_mode": "Disabled", "ssh_enabled": False}
    async with pool(tmp_path, https=False) as found:
        await found.master.database.change(lambda t: t.set("host", found.host, wrong))
    async with pool(tmp_path, https=False) as found:
        record = found.master.database.rows("host")
        async with asyncio.timeout(30):
            true = {"timezone": "UTC", "ntp_mode": "Factory", "ssh_enabled": True}
            while any(record[found.host][name] != value for name, value in true.items()):
                await asyncio.sleep(0.02)


def test_of_time_servers_only_what_a_host_tells_is_written() -> None:
    custom = Record("host", Ref("OpaqueRef:h"), {"timezone": "UTC", "ntp_mode": "Custom", **KNOWN}, FrozenMap())
    assert true_fields(custom, pb.Machine(ntp_enabled=True)) == {}
    assert true_fields(custom, pb.Machine(timezone="Asia/Tokyo")) == {"timezone": "Asia/Tokyo", "ntp_mode": "Disabled"}


def test_of_ssh_and_the_initiator_only_what_a_host_tells_is_written() -> None:
    host = Record("host", Ref("OpaqueRef:h"), {"timezone": "UTC", "ntp_mode": "Factory", **KNOWN}, FrozenMap())
    told = pb.Machine(ntp_enabled=True, ssh=False, iscsi_iqn="iqn.y")
    assert true_fields(host, told) == {"ssh_enabled": False, "iscsi_iqn": "iqn.y"}
    assert true_fields(host, pb.Machine(ntp_enabled=True, ssh=True, iscsi_iqn="iqn.x")) == {}
