"""Bonds in XenAPI's words and the kernel's."""

import pytest

from xenhost.core.network import BondMode, BondUplink
from xenhost.drivers.network.linux.bonds import bond_options


def bond(mode: BondMode, **properties: str) -> dict[str, int]:
    names = {
        key if key in ("hashing_algorithm", "use_carrier") else key.replace("_", "-"): properties[key]
        for key in properties
    }
    return bond_options(BondUplink("bond0", ("eth0",), mode, "", names))


def test_defaults_are_xenservers() -> None:
    options = bond(BondMode.ACTIVE_BACKUP)
    assert options == {"bond_mode": 1, "bond_miimon": 100, "bond_updelay": 31000, "bond_downdelay": 200}


@pytest.mark.parametrize(("algorithm", "policy"), [("src_mac", 5), ("tcpudp_ports", 1), ("", 1)])
def test_lacp_spreads_by_what_was_asked_for(algorithm: str, policy: int) -> None:
    assert bond(BondMode.LACP, hashing_algorithm=algorithm)["bond_xmit_hash_policy"] == policy


@pytest.mark.parametrize(("time", "rate"), [("fast", 1), ("slow", 0), ("", 0)])
def test_lacp_time_is_a_rate(time: str, rate: int) -> None:
    assert bond(BondMode.LACP, lacp_time=time)["bond_ad_lacp_rate"] == rate


def test_lacp_key_is_bounded() -> None:
    assert bond(BondMode.LACP, lacp_aggregation_key="77")["bond_ad_user_port_key"] == 77
    assert bond(BondMode.LACP, lacp_aggregation_key="70000")["bond_ad_user_port_key"] == 1023


def test_delays_are_multiples_of_the_interval_as_the_kernel_makes_them() -> None:
    options = bond(BondMode.BALANCE_SLB, miimon="70", updelay="500", downdelay="no number")
    assert (options["bond_miimon"], options["bond_updelay"], options["bond_downdelay"]) == (70, 490, 140)


def test_interval_of_nothing_is_one() -> None:
    assert bond(BondMode.LACP, miimon="0")["bond_miimon"] == 1
