"""Whatever a DHCP server sent and the hook wrote, nothing of it harms resolv.conf or routes."""

import re
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from xenhost.drivers.network.ip.lease import MAX_ADDRESSES, MAX_DOMAINS, MAX_SERVERS, is_domain, parse_lease
from xenhost.drivers.network.ip.monitor import read_events
from xenhost.drivers.network.ip.name_servers import resolv_conf

WORD = st.one_of(
    st.ip_addresses().map(str),
    st.builds(lambda address, bits: f"{address}/{bits}", st.ip_addresses(), st.integers(-1, 130)),
    st.from_regex(r"[A-Za-z0-9_.\-]{0,70}", fullmatch=True),
    st.text(max_size=20),
)
KEY = st.sampled_from(["addresses", "routers", "name_servers", "search", "domain", "other"])
FIELD = st.builds(lambda key, words: f"{key}={' '.join(words)}".encode(), KEY, st.lists(WORD, max_size=40))
DATA = st.lists(FIELD | st.binary(max_size=40), max_size=8).map(b"\0".join)
ROUTED = re.compile(r"(search [A-Za-z0-9_.\- ]+|nameserver [0-9a-f.:]+|#.*)")


@given(DATA, st.sampled_from([4, 6]))
def test_a_lease_of_anything_is_bounded_and_clean(data: bytes, version: int) -> None:
    lease = parse_lease(data, version)
    assert all(each.version == version for each in lease.addresses)
    assert lease.addresses or (lease.gateway, lease.servers, lease.search) == (None, (), ())
    assert len(lease.addresses) <= MAX_ADDRESSES
    assert len(lease.servers) <= MAX_SERVERS
    assert len(lease.search) <= MAX_DOMAINS
    assert all(map(is_domain, lease.search))
    for line in resolv_conf(lease.servers, lease.search).splitlines():
        assert ROUTED.fullmatch(line)
        if line.startswith("nameserver"):
            assert not ip_address(line.split()[1]).is_loopback


@given(st.binary(max_size=200))
def test_events_of_anything(data: bytes) -> None:
    assert all(0 <= index < 1 << 32 for index in read_events(data))
