"""The ports of PVS proxies that there shall be."""

from collections.abc import Mapping, Sequence

from xenhost.agent.network.facts import Facts
from xenhost.core.network import SwitchFeature, Topology
from xenhost.core.network_records import Intent
from xenhost.core.network_views import VifOnNetwork
from xenhost.core.pvs import PvsPort, PvsProxy, PvsRange


def pvs_ports(intent: Intent, facts: Facts, topology: Topology) -> tuple[PvsPort, ...]:
    """Where there is a bridge for them. Nothing is lost without: the guest reaches its servers."""
    if SwitchFeature.PVS_PROXY not in facts.features:
        return ()
    found = []
    for proxy in intent.pvs_proxies.values():
        servers = [each for each in intent.pvs_servers.values() if each.site == proxy.site]
        ranges = {PvsRange(address, each.first_port, each.last_port) for each in servers for address in each.addresses}
        bridge = bridge_of(proxy, facts.vifs)
        if ranges and topology.bridge(bridge) is not None:
            found.append(PvsPort(bridge, proxy.mac, tuple(sorted(ranges, key=str))))
    return tuple(found)


def bridge_of(proxy: PvsProxy, vifs: Mapping[str, Sequence[VifOnNetwork]]) -> str:
    """Where its VIF is plugged; or where it was when the proxy was made."""
    for bridge, on_it in vifs.items():
        if any((each.vm, each.devid) == (proxy.vm, proxy.devid) for each in on_it):
            return bridge
    return proxy.bridge
