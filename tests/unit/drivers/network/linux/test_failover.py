"""What members of bonds are seen to do, and what is said after a failover."""

from xenhost.core.network import MemberState
from xenhost.drivers.network.linux import slb_rules
from xenhost.drivers.network.linux.failover import members_of, rarp
from xenhost.drivers.network.linux.links import Link

BOND = Link(9, "bond0", "bond", options={"bond_mode": 4, "aggregator": 2})


def member(name: str, **port: int) -> Link:
    return Link(1, name, carrier=True, master=9, port_of="bond", port={"mii_status": 0, "state": 0, **port})


def test_backup_is_up_and_not_active() -> None:
    bond = Link(9, "bond0", "bond", options={"bond_mode": 1})
    assert members_of(bond, [member("eth1", state=1), member("eth0")]) == (
        MemberState("eth0", up=True, active=True),
        MemberState("eth1", up=True, active=False),
    )


def test_lacp_member_is_up_once_it_distributes_in_the_chosen_aggregator() -> None:
    found = members_of(
        BOND,
        [
            member("eth0", ad_aggregator=2, ad_port_state=0x3D),
            member("eth1", ad_aggregator=1, ad_port_state=0x3D),
            member("eth2", ad_aggregator=2, ad_port_state=0x0D),
        ],
    )
    assert [each.up for each in found] == [True, False, False]


def test_frame_that_teaches_is_a_broadcast_from_that_address() -> None:
    frame = rarp("00:16:3e:00:00:0a")
    assert len(frame) == 60
    assert frame[:14].hex() == "ffffffffffff00163e00000a8035"


def test_copies_are_dropped_on_all_members_but_the_designated() -> None:
    commands = slb_rules.install("bond0", ("eth0", "eth1", "eth2"), "eth1")
    chains = [each["add"]["chain"] for each in commands if "chain" in each.get("add", {})]
    assert [each["dev"] for each in chains] == ["bond0", "bond0", "eth0", "eth2"]


def test_table_of_a_bond_is_known_by_its_name() -> None:
    assert slb_rules.bond_of(slb_rules.table_name("bond7")) == "bond7"
    assert slb_rules.bond_of("filter") == ""
