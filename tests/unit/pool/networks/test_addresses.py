import pytest

from xenhost.pool.call import ApiError
from xenhost.pool.networks.addresses import checked_address, checked_allowed, checked_interface, checked_servers


@pytest.mark.parametrize("zone", ["eth0", "a b", "x\ny"])
def test_zones_of_addresses_are_refused(zone: str) -> None:
    for check in (
        lambda: checked_address("IP", f"fe80::1%{zone}"),
        lambda: checked_address("IP", f"fe80::1%{zone}", 6),
        lambda: checked_interface("IPv6", f"fe80::1%{zone}/64", 6),
        lambda: checked_allowed("ipv6_allowed", f"fe80::1%{zone}", 6),
        lambda: checked_servers(f"192.0.2.1,fe80::1%{zone}", 4),
    ):
        with pytest.raises(ApiError) as caught:
            check()
        assert caught.value.code in ("INVALID_IP_ADDRESS_SPECIFIED", "INVALID_CIDR_ADDRESS_SPECIFIED")


def test_addresses_without_zones_are_taken() -> None:
    assert str(checked_address("IP", "fe80::1", 6)) == "fe80::1"
    assert str(checked_interface("IPv6", "2001:db8::1/64", 6)) == "2001:db8::1/64"
    assert checked_allowed("ipv6_allowed", "2001:db8::/64", 6) == "2001:db8::/64"
    assert checked_servers("192.0.2.1, 2001:db8::1", 6) == ["2001:db8::1"]
