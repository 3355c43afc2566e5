"""The script that dhcpcd runs when something happens to a lease, and the configuration that makes it do only that.

dhcpcd is told to configure nothing (`noconfigure`). The hook gives the interface its address, for as long as the lease
lasts: so the kernel takes it away even if dhcpcd was killed, and renewals reach the kernel even if the agent is down.
A lost link takes nothing away (dhcpcd says EXPIRE then, too): the lease is still ours, and when the link is back dhcpcd
asks the server to confirm it. The lease is written before the address is set, whose netlink event tells the agent.

Reasons and variables: dhcpcd-run-hooks(8), dhcpcd-definitions.conf. Values come from the network: they stay in quotes.
"""

from typing import Final

PLACE: Final = "/run/dhcpcd"
"""Where dhcpcd was built to have its pid and sockets: in its mount namespace, the client's folder."""
STATE_PLACE: Final = "/var/lib/dhcpcd"
"""Where it was built to keep leases."""

HOOK: Final = r"""#!/bin/sh
# Written by xenhost; run by its dhcpcd.
place=/run/dhcpcd
lease=
wanted=

save() {
    printf '%s\0' "$@" >"$place/lease.new" && mv -f "$place/lease.new" "$place/lease"
}

drop_others() {
    [ -e "$place/addresses" ] || return
    while read -r address; do
        case " $wanted " in
        *" $address "*) ;;
        *) ip address delete "$address" dev "$interface" 2>/dev/null ;;
        esac
    done <"$place/addresses"
}

remember() {
    drop_others
    for address in $wanted; do echo "$address"; done >"$place/addresses.new"
    mv -f "$place/addresses.new" "$place/addresses"
}

case "$reason" in
PREINIT|CARRIER) # dhcpcd has just told the kernel to make no link-local address, and makes none itself
    mode="/proc/sys/net/ipv6/conf/$interface/addr_gen_mode"
    [ ! -e "$mode" ] || [ "$(cat "$mode")" != 1 ] || echo 0 >"$mode"
    ;;
BOUND|RENEW|REBIND|REBOOT)
    [ -n "$new_ip_address" ] || exit 0
    wanted="$new_ip_address/${new_subnet_cidr:-32}"
    life="${new_dhcp_lease_time:-4294967295}"
    [ "$life" -ge 20 ] || life=20 # as dhcpcd does
    save "addresses=$wanted" "routers=$new_routers" "name_servers=$new_domain_name_servers" \
        "domain=$new_domain_name" "search=$new_domain_search"
    ip -4 address replace "$wanted" ${new_broadcast_address:+broadcast "$new_broadcast_address"} dev "$interface" \
        valid_lft "$life" preferred_lft "$life"
    remember
    ;;
BOUND6|RENEW6|REBIND6|REBOOT6)
    lives=
    for number in 1 2 3 4; do
        eval "address=\${new_dhcp6_ia_na1_ia_addr$number-}"
        eval "valid=\${new_dhcp6_ia_na1_ia_addr${number}_vltime-}"
        eval "preferred=\${new_dhcp6_ia_na1_ia_addr${number}_pltime-}"
        [ -n "$address" ] && [ "${valid:-0}" -gt 0 ] || continue
        wanted="$wanted $address/128"
        lives="$lives $address/128 $valid ${preferred:-$valid}"
    done
    [ -n "$wanted" ] || exit 0
    save "addresses=$wanted" "name_servers=$new_dhcp6_name_servers" "search=$new_dhcp6_domain_search"
    set -- $lives
    while [ $# -ge 3 ]; do
        ip -6 address replace "$1" dev "$interface" valid_lft "$2" preferred_lft "$3" noprefixroute
        shift 3
    done
    remember
    ;;
EXPIRE|EXPIRE6|NAK)
    [ "$ifcarrier" != down ] || exit 0
    save "addresses="
    remember
    ;;
esac
exit 0
"""

CONFIG_4: Final = f"""\
noconfigure
script {PLACE}/hook
ipv4only
noipv4ll
nodelay
require dhcp_server_identifier
option domain_name_servers, domain_name, domain_search
"""
"""No client identifier: the server knows us by our MAC, as it does a XenServer host. No classless routes, no MTU."""

CONFIG_6: Final = f"""\
noconfigure
script {PLACE}/hook
ipv6only
noipv6rs
nodelay
duid ll
slaac hwaddr
option dhcp6_name_servers, dhcp6_domain_search
interface %s
ia_na
"""
"""Asks at once and without router advertisements, which are the kernel's. The same DUID at each start, from the MAC."""
