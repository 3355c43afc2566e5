"""Rules of VIFs as nftables programs. What they let through is tried with frames in the switch contract."""

import json
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

import pytest

from xenhost.core.network import LockingMode, VifPort
from xenhost.drivers.network.linux import vif_rules
from xenhost.drivers.network.linux.nft import Command

MAC = "00:16:3e:00:00:0a"


def port(locking: LockingMode = LockingMode.LOCKED, trunks: frozenset[int] = frozenset()) -> VifPort:
    return VifPort(
        "vif1.0",
        "xenbr0",
        MAC,
        locking=locking,
        trunks=trunks,
        ipv4_allowed=frozenset({IPv4Network("10.0.0.0/25"), IPv4Network("10.0.0.128/25")}),
        ipv6_allowed=frozenset({IPv6Network("fd00::5/128")}),
    )


def kinds(commands: list[Command]) -> list[tuple[str, str, str]]:
    """What each does: verb, object, and its name or chain."""
    found = []
    for command in commands:
        ((verb, what),) = command.items()
        ((kind, body),) = what.items()
        found.append((verb, kind, body.get("chain", body.get("name", ""))))
    return found


def test_lock_is_filled_before_the_interface_is_led_to_it() -> None:
    steps = kinds(vif_rules.connect(port(), known=False, locked=False))
    last_rule = max(number for number, each in enumerate(steps) if each[1] == "rule")
    assert steps.index(("add", "element", "vifs")) > last_rule
    assert steps[-1] == ("add", "element", "tagged")


def test_changed_lock_is_emptied_and_filled_in_one_transaction_and_stays_in_the_map() -> None:
    steps = kinds(vif_rules.connect(port(), known=True, locked=True))
    assert ("flush", "chain", "sent-by-vif1.0") in steps
    assert not [each for each in steps if each[2] == "vifs"]


def test_last_rule_of_a_lock_drops() -> None:
    rules = [
        each["add"]["rule"]
        for each in vif_rules.connect(port(), known=False, locked=False)
        if "rule" in each.get("add", {})
    ]
    mine = [each for each in rules if each["chain"] == "sent-by-vif1.0"]
    assert mine[-1]["expr"] == [{"drop": None}]


def test_lock_has_no_set_without_a_name() -> None:
    """libnftables would read each of them at every change: plugging a VIF would take the longer the more there are."""
    assert '"set": [' not in json.dumps(vif_rules.connect(port(), known=False, locked=False))


def test_adjacent_networks_are_one() -> None:
    text = json.dumps(vif_rules.connect(port(), known=False, locked=False))
    assert '{"prefix": {"addr": "10.0.0.0", "len": 24}}' in text
    assert "10.0.0.128" not in text


def test_guest_with_one_ipv6_network_has_one_chain_and_loses_the_other_that_it_had() -> None:
    one = replace(port(), ipv6_allowed=frozenset({IPv6Network("fd00::5")}))
    several = replace(port(), ipv6_allowed=frozenset({IPv6Network("fd00::5"), IPv6Network("fd01::/64")}))
    chain = ("add", "chain", "sources-of-vif1.0")
    assert chain in kinds(vif_rules.connect(several, known=False, locked=False))
    assert chain not in kinds(vif_rules.connect(one, known=False, locked=False))
    assert ("delete", "chain", "sources-of-vif1.0") in kinds(vif_rules.connect(one, known=True, locked=True))


def test_unlocked_vif_has_no_lock() -> None:
    steps = kinds(vif_rules.connect(port(LockingMode.UNLOCKED), known=True, locked=True))
    assert steps[0] == ("delete", "element", "vifs")
    assert ("delete", "chain", "sent-by-vif1.0") in steps
    assert ("delete", "chain", "sources-of-vif1.0") in steps


def test_locked_guest_has_no_vlans() -> None:
    (element,) = vif_rules.connect(port(trunks=frozenset({5})), known=False, locked=False)[-1]["add"].values()
    assert element["elem"] == [["vif1.0", {"drop": None}]]


def test_guest_with_trunks_has_those() -> None:
    commands = vif_rules.connect(port(LockingMode.UNLOCKED, frozenset({7, 5})), known=False, locked=False)
    (element,) = commands[-1]["add"].values()
    assert element["elem"] == [["vif1.0", {"goto": {"target": "vlans-of-vif1.0"}}]]
    assert [each["add"]["rule"]["expr"][0]["match"]["right"] for each in commands[2:4]] == [5, 7]


def test_vif_that_is_in_no_map_needs_no_transaction() -> None:
    assert vif_rules.disconnect("vif1.0", known=False, locked=False) == []


@pytest.mark.parametrize("name", ["vif1.0", "tap12.3", "a"])
def test_name_of_an_interface_is_one(name: str) -> None:
    assert vif_rules.is_name(name)


@pytest.mark.parametrize("name", ["", "vif*", "1vif", 'v"; x', "a" * 16, "vif 1", "@vifs"])
def test_name_that_nftables_would_take_for_more_is_none(name: str) -> None:
    assert not vif_rules.is_name(name)


def test_listing_is_read() -> None:
    shown = [
        {"map": {"name": "vifs", "elem": [["vif1.0", {"goto": {"target": "sent-by-vif1.0"}}]]}},
        {"map": {"name": "tagged", "elem": [["vif1.0", {"drop": None}], ["vif2.0", {"drop": None}]]}},
    ]
    assert vif_rules.parse_listing(shown) == (frozenset({"vif1.0"}), frozenset({"vif1.0", "vif2.0"}))
    assert vif_rules.parse_listing([{"map": {"name": "vifs"}}]) == (frozenset(), frozenset())
