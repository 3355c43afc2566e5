"""Leases as the hook writes them down."""

from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

import pytest

from xenhost.drivers.network.ip.lease import NO_LEASE, Lease, is_domain, parse_lease


def written(**fields: str) -> bytes:
    return b"".join(f"{key}={value}".encode() + b"\0" for key, value in fields.items())


def test_a_lease_of_either_family() -> None:
    data = written(addresses="192.0.2.5/24", routers="192.0.2.1", name_servers="192.0.2.53", domain="a.example")
    assert parse_lease(data, 4) == Lease(
        (IPv4Interface("192.0.2.5/24"),), IPv4Address("192.0.2.1"), (IPv4Address("192.0.2.53"),), ("a.example",)
    )
    data = written(addresses=" 2001:db8::5/128 2001:db8::6/128", name_servers="2001:db8::53", search="b.example c.d.")
    assert parse_lease(data, 6) == Lease(
        (IPv6Interface("2001:db8::5/128"), IPv6Interface("2001:db8::6/128")),
        None,
        (IPv6Address("2001:db8::53"),),
        ("b.example", "c.d"),
    )


@pytest.mark.parametrize(
    "addresses",
    ["", "0.0.0.0/0", "127.0.0.1/8", "224.0.0.1/24", "255.255.255.255/32", "192.0.2.5/33", "2001:db8::5/128", "x"],
)
def test_without_a_usable_address_nothing_else_counts(addresses: str) -> None:
    data = written(addresses=addresses, routers="192.0.2.1", name_servers="192.0.2.53", domain="a.example")
    assert parse_lease(data, 4) == NO_LEASE


def test_what_makes_no_sense_is_left_out() -> None:
    lease = parse_lease(
        written(
            addresses="192.0.2.5/24",
            routers="0.0.0.0 224.0.0.1 192.0.2.1 192.0.2.2",
            name_servers="127.0.0.1 192.0.2.53 192.0.2.53 fe80::1%eth0 nonsense 192.0.2.54",
            search="good.example -bad.example bad..example ok_1 $(reboot) a\nb",
        ),
        4,
    )
    assert lease.gateway == IPv4Address("192.0.2.1")
    assert [str(each) for each in lease.servers] == ["192.0.2.53", "192.0.2.54"]
    assert lease.search == ("good.example", "ok_1", "a", "b")


def test_a_file_that_was_cut_off_loses_its_last_field_only() -> None:
    data = written(addresses="192.0.2.5/24", name_servers="192.0.2.53 192.0.2.54")[:-4]
    assert parse_lease(data, 4) == Lease((IPv4Interface("192.0.2.5/24"),))


def test_counts_are_bounded() -> None:
    many = " ".join(f"192.0.2.{number}" for number in range(1, 250))
    lease = parse_lease(
        written(addresses="192.0.2.5/24", name_servers=many, search=" ".join(f"d{number}" for number in range(99))), 4
    )
    assert (len(lease.servers), len(lease.search)) == (8, 16)


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("example.com", True),
        ("x" * 63, True),
        ("x" * 64, False),
        (".".join(["abc"] * 64), False),
        ("", False),
        ("a b", False),
        ("bücher.example", False),
        ("a.example\n", False),
    ],
)
def test_names_of_domains(name: str, right: bool) -> None:
    assert is_domain(name) is right
