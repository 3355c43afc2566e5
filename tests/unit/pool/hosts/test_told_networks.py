"""Networks of a host as objects of the pool: what is made of PIFs, and what goes with them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from xenhost.api.host.v1 import event_service_pb2, host_service_pb2, network_pb2
from xenhost.api.link.v1 import link_service_pb2
from xenhost.pool.call import NULL_REF, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.database.sqlite import SqliteStore
from xenhost.pool.hosts.link import address_of
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.host import put_host
from xenhost.pool.hosts.told.reports import Seen, known, put_changes
from xenhost.pool.model.catalogue import MODEL

NET, VLAN_NET, BOND_NET = "net", "vlan-net", "bond-net"


def pif(id: str, network: str = NET, **fields: Any) -> network_pb2.Pif:
    return network_pb2.Pif(id=id, device=id, network_id=network, mac="00:16:3e:00:00:01", mtu=1500, **fields)


def physical(id: str, network: str = NET, *addresses: str) -> network_pb2.Pif:
    status = network_pb2.PifStatus(currently_attached=True, vlan=-1, ipv4_addresses=addresses)
    return pif(id, network, kind=network_pb2.PIF_KIND_PHYSICAL, status=status)


WHOLE = network_pb2.HostNetwork(
    networks=[network_pb2.Network(id=id, name=id, bridge=id, mtu=9000) for id in (NET, VLAN_NET, BOND_NET)],
    pifs=[
        physical("eth0", NET, "192.0.2.5/24"),
        physical("eth1"),
        pif("eth0.7", VLAN_NET, kind=network_pb2.PIF_KIND_VLAN, status=network_pb2.PifStatus(vlan=7)),
        pif("bond0", BOND_NET, kind=network_pb2.PIF_KIND_BOND, status=network_pb2.PifStatus(vlan=-1)),
    ],
    bonds=[
        network_pb2.Bond(
            id="bond",
            master_pif_id="bond0",
            member_pif_ids=["eth0", "eth1"],
            mode=network_pb2.BOND_MODE_LACP,
            status=network_pb2.BondStatus(links_up=2),
        )
    ],
    vlans=[network_pb2.Vlan(id="eth0.7", untagged_pif_id="eth0.7", tagged_pif_id="eth0", tag=7)],
)


class Pool:
    def __init__(self, database: Database, host: Ref) -> None:
        self.database = database
        self.host = host

    def snapshot(self, network: network_pb2.HostNetwork) -> None:
        def write(book: Book) -> None:
            seen = Seen(known(book))
            seen.put(book, link_service_pb2.Snapshot(network=network))
            seen.forget_others(book)

        self.database.note(lambda t: write(Book(t, self.host)))

    def changes(self, changes: link_service_pb2.Changes) -> None:
        self.database.note(lambda t: put_changes(Book(t, self.host), changes))

    def one(self, cls: str, uuid: str) -> Record:
        return self.database.get(cls, self.database.by_uuid(cls, uuid))


@pytest.fixture
async def pool(tmp_path: Path) -> Pool:
    database = Database(MODEL, SqliteStore(tmp_path / "pool.db"))
    await database.open()
    told = host_service_pb2.Host(id="host", name="host", cpus=1)
    host = await database.change(lambda t: put_host(Book(t, NULL_REF), told, "192.0.2.1", datetime.now(UTC)))
    return Pool(database, host)


async def test_pifs_bonds_and_vlans_know_each_other(pool: Pool) -> None:
    pool.snapshot(WHOLE)
    eth0, bond, vlan = pool.one("PIF", "eth0"), pool.one("Bond", "bond"), pool.one("VLAN", "eth0.7")
    assert (eth0["IP"], eth0["netmask"], eth0["VLAN"], eth0["physical"]) == ("192.0.2.5", "255.255.255.0", -1, True)
    assert set(_members(bond["slaves"])) == {eth0.ref, pool.one("PIF", "eth1").ref}
    assert (bond["mode"], bond["primary_slave"], bond["links_up"]) == ("lacp", eth0.ref, 2)
    assert pool.one("PIF", "bond0")["bond_master_of"] == (bond.ref,)
    assert eth0["VLAN_slave_of"] == (vlan.ref,)
    assert pool.one("PIF", "eth0.7")["VLAN"] == 7
    assert pool.one("PIF", "eth0.7")["VLAN_master_of"] == vlan.ref


async def test_a_member_that_left_its_bond_is_in_none(pool: Pool) -> None:
    pool.snapshot(WHOLE)
    bond = network_pb2.Bond(id="bond", master_pif_id="bond0", member_pif_ids=["eth1"])
    pool.changes(link_service_pb2.Changes(bonds=[bond]))
    assert pool.one("PIF", "eth0")["bond_slave_of"] == NULL_REF
    assert pool.one("Bond", "bond")["slaves"] == (pool.one("PIF", "eth1").ref,)


async def test_what_a_later_snapshot_does_not_name_is_gone(pool: Pool) -> None:
    pool.snapshot(WHOLE)
    pool.snapshot(network_pb2.HostNetwork(networks=WHOLE.networks, pifs=[physical("eth0")]))
    assert [each["uuid"] for each in pool.database.rows("PIF").values()] == ["eth0"]
    assert not pool.database.rows("Bond")
    assert not pool.database.rows("VLAN")
    assert len(pool.database.rows("network")) == 3, "networks are the pool's"


async def test_what_is_deleted_is_gone_with_its_metrics(pool: Pool) -> None:
    card = physical("eth5")
    card.status.metrics.carrier = True
    pool.changes(link_service_pb2.Changes(networks=WHOLE.networks, pifs=[card]))
    assert len(pool.database.rows("PIF_metrics")) == 1
    gone = event_service_pb2.Event(
        kind=event_service_pb2.OBJECT_KIND_PIF, id="eth5", change=event_service_pb2.CHANGE_KIND_DELETED
    )
    pool.changes(link_service_pb2.Changes(events=[gone]))
    assert not pool.database.rows("PIF")
    assert not pool.database.rows("PIF_metrics")


async def test_what_the_pool_says_of_a_network_is_not_overwritten(pool: Pool) -> None:
    pool.snapshot(WHOLE)
    ref = pool.database.by_uuid("network", NET)
    await pool.database.change(lambda t: t.set("network", ref, {"name_label": "office", "MTU": 1400}))
    pool.snapshot(WHOLE)
    record = pool.one("network", NET)
    assert (record["name_label"], record["MTU"], record["bridge"]) == ("office", 1400, NET)


async def test_the_same_again_changes_nothing(pool: Pool) -> None:
    pool.snapshot(WHOLE)
    told: list[object] = []
    pool.database.listen(told.append)
    pool.snapshot(WHOLE)
    assert told == []


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.1:4711", "192.0.2.1"),
        ("ipv6:[2001:db8::1]:4711", "2001:db8::1"),
        ("ipv6:%5B2001:db8::1%5D:4711", "2001:db8::1"),
        ("unix:", "127.0.0.1"),
    ],
)
def test_the_address_of_a_peer(peer: str, address: str) -> None:
    assert address_of(peer) == address


def _members(value: object) -> tuple[str, ...]:
    assert isinstance(value, tuple)
    return value


def test_a_host_is_reached_where_it_is_managed(pool: Pool) -> None:
    managed = network_pb2.HostNetwork(networks=WHOLE.networks, pifs=[physical("eth0", NET, "192.0.2.5/24")])
    managed.pifs[0].management = True
    pool.snapshot(managed)
    told = host_service_pb2.Host(id="host", name="host", cpus=1)
    pool.database.note(lambda t: put_host(Book(t, NULL_REF), told, "127.0.0.1", datetime.now(UTC)))
    assert pool.database.get("host", pool.host)["address"] == "192.0.2.5"
    pool.snapshot(WHOLE)
    pool.database.note(lambda t: put_host(Book(t, NULL_REF), told, "127.0.0.1", datetime.now(UTC)))
    assert pool.database.get("host", pool.host)["address"] == "127.0.0.1"
