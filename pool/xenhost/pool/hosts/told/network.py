"""Networks, PIFs, bonds, VLANs, tunnels and networks of virtual functions."""

from ipaddress import ip_interface
from typing import Final

from xenhost.api.host.v1 import network_pb2
from xenhost.pool.call import NULL_REF, Ref, Value
from xenhost.pool.hosts.told.book import Book, moment, text_map
from xenhost.pool.hosts.told.pcis import pci_at

NO_VLAN: Final = -1
_IPV4_MODE: Final = {network_pb2.IPV4_MODE_DHCP: "DHCP", network_pb2.IPV4_MODE_STATIC: "Static"}
_IPV6_MODE: Final = {
    network_pb2.IPV6_MODE_DHCP: "DHCP",
    network_pb2.IPV6_MODE_STATIC: "Static",
    network_pb2.IPV6_MODE_AUTOCONF: "Autoconf",
}
_BOND_MODE: Final = {network_pb2.BOND_MODE_ACTIVE_BACKUP: "active-backup", network_pb2.BOND_MODE_LACP: "lacp"}
_SRIOV_MODE: Final = {
    network_pb2.SRIOV_MODE_SYSFS: "sysfs",
    network_pb2.SRIOV_MODE_MODPROBE: "modprobe",
    network_pb2.SRIOV_MODE_MANUAL: "manual",
}


def put_network(book: Book, told: network_pb2.Network) -> Ref:
    """A network; NULL_REF if it was destroyed while the host was away.

    What it is called, and its settings, are the pool's business once it is there.
    """
    host = book.transaction.find("host", book.host)
    if host is not None and told.id in host.refs("destroyed_networks"):
        return NULL_REF
    disabled = told.default_locking_mode == network_pb2.EFFECTIVE_LOCKING_MODE_DISABLED
    return book.put(
        "network",
        told.id,
        {"bridge": told.bridge},
        once={
            "default_locking_mode": "disabled" if disabled else "unlocked",
            "name_label": told.name,
            "name_description": told.description,
            "MTU": told.mtu,
            "other_config": text_map(told.other_config),
        },
    )


def put_pif(book: Book, told: network_pb2.Pif) -> Ref:
    """A PIF with its metrics; NULL_REF if its network is not there."""
    network = book.find("network", told.network_id)
    if network == NULL_REF:
        return NULL_REF
    status = told.status
    ipv4 = ip_interface(status.ipv4_addresses[0]) if status.ipv4_addresses else None
    ref = book.put(
        "PIF",
        told.id,
        {
            "device": told.device,
            "network": network,
            "host": book.host,
            "MAC": told.mac,
            "MTU": told.mtu,
            "VLAN": status.vlan if told.kind == network_pb2.PIF_KIND_VLAN else NO_VLAN,
            "physical": told.kind == network_pb2.PIF_KIND_PHYSICAL,
            "currently_attached": status.currently_attached,
            "ip_configuration_mode": _IPV4_MODE.get(told.ipv4.mode, "None"),
            "IP": str(ipv4.ip) if ipv4 else "",
            "netmask": str(ipv4.netmask) if ipv4 else "",
            "gateway": status.ipv4_gateway,
            "DNS": ",".join(status.dns),
            "ipv6_configuration_mode": _IPV6_MODE.get(told.ipv6.mode, "None"),
            "IPv6": tuple(status.ipv6_addresses),
            "ipv6_gateway": status.ipv6_gateway,
            "primary_address_type": "IPv6" if told.primary_address_type == network_pb2.ADDRESS_FAMILY_IPV6 else "IPv4",
            "management": told.management,
            "managed": told.managed,
            "disallow_unplug": told.disallow_unplug,
            "properties": text_map(told.properties),
            "capabilities": ("sriov",) if status.metrics.sriov_total else (),
        },
        once={"other_config": text_map(told.other_config)},
    )
    if told.management and ipv4:
        book.transaction.set("host", book.host, {"address": str(ipv4.ip)})
    _put_snooping(book, ref)
    if status.HasField("metrics"):
        book.put_part("PIF_metrics", book.get("PIF", ref), "metrics", _metrics(status.metrics))
        if told.kind == network_pb2.PIF_KIND_PHYSICAL:
            book.transaction.set("PIF", ref, {"PCI": pci_at(book, book.host, status.metrics.pci_bus_path)})
    return ref


def put_snooping(book: Book) -> None:
    """The bridges of this host follow IGMP as the pool's record says."""
    for pif in book.get("host", book.host).refs("PIFs"):
        _put_snooping(book, pif)


def _put_snooping(book: Book, pif: Ref) -> None:
    """Only a bridge of its own has it: not what is in a bond, or a VLAN, whose frames another PIF brings."""
    record, pools = book.get("PIF", pif), book.transaction.rows("pool").values()
    status = "unknown"
    if pools and record["currently_attached"] and record["VLAN"] == NO_VLAN and record["bond_slave_of"] == NULL_REF:
        status = "enabled" if any(pool["igmp_snooping_enabled"] for pool in pools) else "disabled"
    book.transaction.set("PIF", pif, {"igmp_snooping_status": status})


def _metrics(told: network_pb2.PifMetrics) -> dict[str, Value]:
    return {
        "carrier": told.carrier,
        "vendor_id": told.vendor_id,
        "vendor_name": told.vendor_name,
        "device_id": told.device_id,
        "device_name": told.device_name,
        "speed": told.speed_mbits,
        "duplex": told.full_duplex,
        "pci_bus_path": told.pci_bus_path,
        "last_updated": moment(told.last_updated),
    }


def put_bond(book: Book, told: network_pb2.Bond) -> Ref:
    """A bond; NULL_REF if its master is not there."""
    master = book.find("PIF", told.master_pif_id)
    if master == NULL_REF:
        return NULL_REF
    members = book.find_all("PIF", told.member_pif_ids)
    ref = book.put(
        "Bond",
        told.id,
        {
            "master": master,
            "primary_slave": members[0] if members else NULL_REF,
            "mode": _BOND_MODE.get(told.mode, "balance-slb"),
            "properties": text_map(told.properties),
            "links_up": told.status.links_up,
            "auto_update_mac": told.auto_update_mac,
        },
        once={"other_config": text_map(told.other_config)},
    )
    for slave in book.get("Bond", ref).refs("slaves"):
        if slave not in members:
            book.transaction.set("PIF", slave, {"bond_slave_of": NULL_REF})
    for member in members:
        book.transaction.set("PIF", member, {"bond_slave_of": ref})
    return ref


def put_vlan(book: Book, told: network_pb2.Vlan) -> Ref:
    """A VLAN; NULL_REF if its PIFs are not there. Its UUID is that of its untagged PIF."""
    tagged, untagged = book.find("PIF", told.tagged_pif_id), book.find("PIF", told.untagged_pif_id)
    if NULL_REF in (tagged, untagged):
        return NULL_REF
    ref = book.put(
        "VLAN",
        told.id,
        {"tagged_PIF": tagged, "untagged_PIF": untagged, "tag": told.tag},
        once={"other_config": text_map(told.other_config)},
    )
    book.transaction.set("PIF", untagged, {"VLAN_master_of": ref})
    return ref


def put_tunnel(book: Book, told: network_pb2.Tunnel) -> Ref:
    """A tunnel; NULL_REF if its PIFs are not there."""
    access, transport = book.find("PIF", told.access_pif_id), book.find("PIF", told.transport_pif_id)
    if NULL_REF in (access, transport):
        return NULL_REF
    return book.put(
        "tunnel",
        told.id,
        {
            "access_PIF": access,
            "transport_PIF": transport,
            "protocol": "vxlan" if told.protocol == network_pb2.TUNNEL_PROTOCOL_VXLAN else "gre",
            "status": text_map({"active": str(told.status.active).lower(), "key": str(told.status.key)}),
        },
        once={"other_config": text_map(told.other_config)},
    )


def put_sriov(book: Book, told: network_pb2.NetworkSriov) -> Ref:
    """A network of virtual functions; NULL_REF if its PIFs are not there."""
    physical, logical = book.find("PIF", told.physical_pif_id), book.find("PIF", told.logical_pif_id)
    if NULL_REF in (physical, logical):
        return NULL_REF
    return book.put(
        "network_sriov",
        told.id,
        {
            "physical_PIF": physical,
            "logical_PIF": logical,
            "requires_reboot": told.requires_reboot,
            "configuration_mode": _SRIOV_MODE.get(told.configuration_mode, "unknown"),
            "remaining": told.status.remaining,
        },
    )


def drop_pif(book: Book, uuid: str) -> None:
    """A PIF is gone, its metrics too."""
    ref = book.find("PIF", uuid)
    if ref != NULL_REF:
        metrics = book.get("PIF", ref).one("metrics")
        book.transaction.delete("PIF", ref)
        if metrics != NULL_REF:
            book.transaction.delete("PIF_metrics", metrics)
