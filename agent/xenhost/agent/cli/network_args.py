"""Addresses and keys as they are written on the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Interface
from typing import Any, Final, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
IPV4_MODES: Final = ("none", "dhcp", "static")
SHORT: Final = 20
IPV6_MODES: Final = ("none", "dhcp", "static", "autoconf")


def words(texts: Iterable[str]) -> list[str]:
    """`a,b` and `c` are a, b and c."""
    return [word.strip() for text in texts for word in text.split(",") if word.strip()]


def ipv4_options(command: Command) -> Command:
    """--ip, --netmask, --gateway, --dns."""
    for option in (
        click.option("--dns", multiple=True, metavar="ADDRESS", help="Name server. Repeatable, or with commas."),
        click.option("--gateway", default="", metavar="ADDRESS"),
        click.option("--netmask", default="", metavar="MASK", help="If --ip has no prefix length: 255.255.255.0."),
        click.option("--ip", default="", metavar="ADDRESS/LENGTH", help="For static: 10.0.0.2/24."),
    ):
        command = option(command)
    return command


def ipv4_message(mode: str, ip: str, netmask: str, gateway: str, dns: Iterable[str]) -> Any:
    """An Ipv4Config. Raises UsageError."""
    from xenhost.api.host.v1 import network_pb2

    if ip and "/" not in ip:
        if not netmask:
            raise click.UsageError(f"give the prefix length, --ip {ip}/24, or --netmask 255.255.255.0")
        try:
            ip = IPv4Interface(f"{ip}/{netmask}").with_prefixlen
        except ValueError:
            raise click.UsageError(f"{ip} with netmask {netmask} is no IPv4 address") from None
    elif netmask and ip:
        raise click.UsageError("--ip has a prefix length; leave --netmask out")
    if mode == "static" and not ip:
        raise click.UsageError("mode static needs --ip")
    if mode != "static" and (ip or gateway or netmask):
        raise click.UsageError(f"--ip, --netmask and --gateway go with mode static, not {mode}")
    return network_pb2.Ipv4Config(mode=f"IPV4_MODE_{mode.upper()}", address=ip, gateway=gateway, dns=words(dns))


def ipv6_message(mode: str, ip: Iterable[str], gateway: str) -> Any:
    """An Ipv6Config. Raises UsageError."""
    from xenhost.api.host.v1 import network_pb2

    addresses = words(ip)
    if mode == "static" and not addresses:
        raise click.UsageError("mode static needs an IPv6 address with its prefix length: 2001:db8::2/64")
    if mode != "static" and (addresses or gateway):
        raise click.UsageError(f"addresses and a gateway go with IPv6 mode static, not {mode}")
    return network_pb2.Ipv6Config(mode=f"IPV6_MODE_{mode.upper()}", addresses=addresses, gateway=gateway)


def merged(current: Mapping[str, str], changes: Iterable[tuple[str, str]]) -> dict[str, str]:
    """`KEY=VALUE` sets, `KEY=` removes."""
    return {key: value for key, value in {**current, **dict(changes)}.items() if value}


def short_name(network: Any) -> str:
    """Of a network, for a column of a table: its bridge, if its name is long."""
    name: str = network.name if 0 < len(network.name) <= SHORT else network.bridge
    return name


def pairs(config: Mapping[str, str]) -> list[str]:
    """For people."""
    return [f"{key}={value}" for key, value in config.items()]


def call(session: Any, service: str, method: str, request: Any, no_wait: bool, done: str) -> None:
    """Start an operation of a service, and see it through."""
    from xenhost.agent.cli.waiting import carry_out

    with session.client() as client:
        carry_out(session, client, client.call(getattr(getattr(client, service), method), request), no_wait, done)
