"""What we write is what Open vSwitch's own tool reads."""

import shutil
import subprocess
from ipaddress import IPv4Network, IPv6Network

import pytest

from xenhost.core.network import LockingMode
from xenhost.drivers.network.ovs import openflow, rules
from xenhost.drivers.network.ovs.openflow import BundleControl, Flow, Oxm

MAC = "00:16:3e:00:00:0a"

pytestmark = pytest.mark.skipif(shutil.which("ovs-ofctl") is None, reason="needs openvswitch-switch")


def printed(message: bytes) -> str:
    """By ovs-ofctl, without the name, version and transaction of the message."""
    done = subprocess.run(["ovs-ofctl", "ofp-print", message.hex()], check=True, capture_output=True, text=True)
    return done.stdout.split("(xid=", 1)[1].split(":", 1)[1].strip()


def flows_of(allowed: rules.Allowed) -> list[str]:
    lines = [printed(openflow.add_flow(1, flow, 5)) for flow in rules.of_vif(7, allowed)]
    return [line.removeprefix("ADD ").replace("in_port=7,", "").replace(" cookie:0x5 actions=", " ") for line in lines]


def test_a_guest_with_an_ipv4_address_and_an_ipv6_network_may_use_just_these() -> None:
    found = flows_of(
        rules.Allowed(
            LockingMode.LOCKED, MAC, frozenset({IPv4Network("10.0.0.5")}), frozenset({IPv6Network("fd00:8::/32")})
        )
    )
    me = f"vlan_tci=0x0000/0x1fff,dl_src={MAC}"
    local = "fe80::216:3eff:fe00:a"
    assert sorted(line for line in found if line.endswith(" NORMAL")) == sorted(
        [
            f"priority=8000,udp,{me},tp_dst=67 NORMAL",
            f"priority=7000,arp,{me},arp_spa=0.0.0.0,arp_sha={MAC} NORMAL",
            f"priority=7000,arp,{me},arp_spa=10.0.0.5,arp_sha={MAC} NORMAL",
            f"priority=6000,ip,{me},nw_src=10.0.0.5 NORMAL",
            f"priority=8000,udp6,{me},ipv6_src={local},tp_dst=547 NORMAL",
            *(
                f"priority=8000,icmp6,{me},{rest} NORMAL"
                for own in ("fd00:8::/32", local)
                for rest in (
                    f"ipv6_src={own},icmp_type=135,icmp_code=0,nd_sll={MAC}",
                    f"ipv6_src=::,icmp_type=135,icmp_code=0,nd_target={own},nd_sll=00:00:00:00:00:00",
                    f"ipv6_src={own},icmp_type=136,icmp_code=0,nd_target={own},nd_tll={MAC}",
                    f"ipv6_src={own},icmp_type=136,icmp_code=0,nd_target={own},nd_tll=00:00:00:00:00:00",
                )
            ),
            *(f"priority=5000,{each},{me},ipv6_src=fd00:8::/32 NORMAL" for each in ("icmp6", "tcp6", "udp6")),
        ]
    )
    whole = sorted(line.replace(",in_port=7", "") for line in found if line.endswith(" drop"))
    assert whole == sorted(
        [
            "priority=4000 drop",
            "priority=8500,udp,tp_dst=68 drop",
            "priority=8500,udp6,tp_dst=546 drop",
            *(f"priority=7000,icmp6,icmp_type={each} drop" for each in (135, 136)),
            *(f"priority=6000,icmp6,icmp_type={each} drop" for each in (134, 137, 146, 147, 151, 152, 153)),
        ]
    )


def test_a_guest_with_trunks_may_tag_its_packets() -> None:
    allowed = rules.Allowed(LockingMode.LOCKED, MAC, frozenset({IPv4Network("10.0.0.5")}), tagged=True)
    assert not [line for line in flows_of(allowed) if "vlan" in line]


def test_a_network_of_everything_needs_no_match() -> None:
    allowed = rules.Allowed(LockingMode.LOCKED, MAC, frozenset({IPv4Network("0.0.0.0/0")}))
    assert f"priority=6000,ip,vlan_tci=0x0000/0x1fff,dl_src={MAC} NORMAL" in flows_of(allowed)


@pytest.mark.parametrize("mode", [LockingMode.UNLOCKED, LockingMode.DISABLED])
def test_only_a_locked_guest_has_flows(mode: LockingMode) -> None:
    assert rules.of_vif(7, rules.Allowed(mode, MAC)) == []


def test_a_secure_bridge_answers_by_its_one_card() -> None:
    flows = [printed(openflow.add_flow(1, each, 5)) for each in rules.of_secure_bridge(MAC, [3])]
    assert [each.replace(" cookie:0x5 actions=", " ") for each in flows] == [
        "ADD priority=0,arp,in_port=3,arp_op=1 LOCAL",
        f"ADD priority=0,in_port=3,dl_dst={MAC} LOCAL",
        f"ADD priority=0,arp,in_port=LOCAL,dl_src={MAC} output:3",
        f"ADD priority=0,in_port=LOCAL,dl_src={MAC} output:3",
    ]


def test_a_secure_bridge_leaves_the_choice_to_its_bond() -> None:
    flows = [printed(openflow.add_flow(1, each, 5)) for each in rules.of_secure_bridge(MAC, [3, 4])]
    assert [each.rpartition("=")[2] for each in flows] == ["LOCAL"] * 4 + ["NORMAL"] * 2
    assert rules.of_secure_bridge(MAC, []) == []


def test_flows_are_deleted_by_their_cookie() -> None:
    assert printed(openflow.delete_flows(1, rules.COOKIE, rules.OURS)) == (
        "DEL table:255 priority=0 cookie:0x78656e6800000000/0xffffffff00000000 actions=drop"
    )


def test_a_bundle_is_atomic_and_in_order() -> None:
    inner = openflow.add_flow(4, Flow(9, (openflow.number(Oxm.IN_PORT, 2, 4),), normal=False), 5)
    assert printed(openflow.bundle(1, 9, BundleControl.OPEN)) == "bundle_id=0x9 type=OPEN_REQUEST flags=atomic ordered"
    assert printed(openflow.bundle(1, 9, BundleControl.COMMIT)).startswith("bundle_id=0x9 type=COMMIT_REQUEST")
    assert printed(openflow.bundled(9, inner)).splitlines() == [
        "bundle_id=0x9 flags=atomic ordered",
        "OFPT_FLOW_MOD (OF1.4) (xid=0x4): ADD priority=9,in_port=2 cookie:0x5 actions=drop",
    ]


def test_we_speak_one_version() -> None:
    assert printed(openflow.hello(1)) == "version bitmap: 0x05"


def test_a_packet_is_sent_out_of_a_port() -> None:
    assert printed(openflow.packet_out(1, 7, bytes(60))).startswith("in_port=CONTROLLER actions=output:7 data_len=60")
