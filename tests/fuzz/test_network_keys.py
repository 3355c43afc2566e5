"""Whatever other_config holds, a wish comes of it, and each complaint is short and has a place."""

from dataclasses import replace
from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st

from kit.intents import LINUX, OVS, Wanted, static
from xenhost.agent.network import keys
from xenhost.core.network import BondMode, SwitchFeature
from xenhost.core.network_records import Intent

NAMES = st.sampled_from(
    [
        *("mtu", "defaultroute", "peerdns", "domain", "static-routes", keys.FAIL_MODE, keys.DISABLE_IN_BAND),
        *("ethtool-speed", "ethtool-duplex", "ethtool-autoneg", "ethtool-advertise", "ethtool-rx", "ethtool-lro"),
        *("bond-mode", "bond-updelay", "bond-miimon", "bond-use_carrier", "bond-hashing-algorithm", "bond-lacp-time"),
        *("bond-lacp-aggregation-key", "bond-lacp-fallback-ab", "bond-rebalance-interval", "bond-", "bond-x"),
    ]
)
PARTS = st.sampled_from(
    [
        *("0", "1", "9000", "65535", "65536", "-1", "4294967296", "0x10", "٣", "true", "false", "on", "off", ""),
        *("10.1.0.0", "10.1.0.0/16/10.0.0.1", "::/0/fe80::1", "/", ",", " ", "\n", "%eth0", "a.example", "secure"),
        *("lacp", "balance-slb", "src_mac", "fast", "half"),
    ]
)
VALUES = st.one_of(st.text(max_size=60), st.lists(PARTS, max_size=6).map("".join))
CONFIGS = st.dictionaries(st.one_of(NAMES, st.text(max_size=20)), VALUES, max_size=8)


def _host(features: frozenset[SwitchFeature]) -> Wanted:
    host = Wanted(4, features)
    host.address("eth2", static("10.0.0.2/24", "10.0.0.1", "10.0.0.3"))
    host.bond("eth0", "eth1", mode=BondMode.LACP)
    host.vlan("eth2", 5)
    host.tunnel("eth2", "10.0.0.9")
    return host


HOSTS = {features: _host(features) for features in (OVS, LINUX)}


@given(st.sampled_from([OVS, LINUX]), st.lists(CONFIGS, min_size=1, max_size=4))
def test_any_other_config_gives_a_wish(features: frozenset[SwitchFeature], configs: list[dict[str, str]]) -> None:
    host = _copy(HOSTS[features])
    host.intent = _with(host.intent, configs)
    wish = host.wish()
    assert len(wish.topology.bridges) == 4
    names = {bridge.name for bridge in wish.topology.bridges}
    for problem in wish.problems:
        assert problem.place in names | {"eth0", "eth1", "eth2", "eth3", "bond0", "eth2.5", "tunnel0"}
        assert len(problem.message) < 600
    for bridge in wish.topology.bridges:
        assert 68 <= bridge.mtu <= 65535
    for config in wish.addresses.interfaces.values():
        for route in config.routes:
            assert route.network == ip_network(str(route.network))
            assert route.gateway.version == route.network.version


def _copy(host: Wanted) -> Wanted:
    made = Wanted(0)
    made.facts, made.intent = host.facts, host.intent
    return made


def _with(intent: Intent, configs: list[dict[str, str]]) -> Intent:
    pifs = {
        pif: replace(record, other_config=configs[number % len(configs)])
        for number, (pif, record) in enumerate(intent.pifs.items())
    }
    networks = {
        network: replace(record, other_config=configs[(number + 1) % len(configs)])
        for number, (network, record) in enumerate(intent.networks.items())
    }
    return replace(intent, pifs=pifs, networks=networks)
