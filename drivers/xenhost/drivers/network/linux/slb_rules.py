"""Rules that make a bond of kernel mode balance-xor a balance-slb, for switches that know of no bond. Pure.

- Broadcast and multicast frames are taken from one member only (the designated one): the wire brings one copy to each.
- What we have sent is not taken back: a switch floods a broadcast of ours to our other members. The source addresses
  of the last second are remembered as frames leave, for no frame needs longer to come back, and a guest that has
  migrated away is heard again soon.

The designated member must be up, so the rules are made anew when members come and go: meanwhile, and while no agent
runs, a bond whose designated member fails gets no broadcasts. NetworkManager's bond option balance-slb works likewise.
"""

from collections.abc import Sequence
from typing import Final

from xenhost.drivers.network.linux.nft import Command

FAMILY: Final = "netdev"
_PREFIX: Final = "xenhost-slb-"
_MEMORY: Final = 1
"""Seconds."""


def table_name(bond: str) -> str:
    """Of the table of one bond."""
    return _PREFIX + bond


def bond_of(table: str) -> str:
    """The bond whose table it is; empty if it is none of ours."""
    return table.removeprefix(_PREFIX) if table.startswith(_PREFIX) else ""


def install(bond: str, members: Sequence[str], designated: str) -> list[Command]:
    """Rules for the bond, in the place of those it has."""
    table = table_name(bond)
    place = {"family": FAMILY, "table": table}
    ethernet = {"payload": {"protocol": "ether", "field": "saddr"}}
    commands: list[Command] = [
        *remove(bond),
        {"add": {"table": {"family": FAMILY, "name": table}}},
        {
            "add": {
                "set": {
                    **place,
                    "name": "sent",
                    "type": "ether_addr",
                    "size": 65535,
                    "flags": ["timeout"],
                    "timeout": _MEMORY,
                }
            }
        },
        _chain(table, "remember", "egress", bond),
        _rule(table, "remember", {"set": {"op": "update", "elem": ethernet, "set": "@sent"}}),
        _chain(table, "ours", "ingress", bond),
        _rule(table, "ours", _match(ethernet, "@sent"), {"drop": None}),
    ]
    for number, member in enumerate(members):
        if member != designated:
            kind = {"meta": {"key": "pkttype"}}
            chain = f"copies-{number}"
            commands += [
                _chain(table, chain, "ingress", member),
                _rule(table, chain, _match(kind, "broadcast"), {"drop": None}),
                _rule(table, chain, _match(kind, "multicast"), {"drop": None}),
            ]
    return commands


def remove(bond: str) -> list[Command]:
    """No rules, whether there were any or not."""
    table = {"table": {"family": FAMILY, "name": table_name(bond)}}
    return [{"add": table}, {"delete": table}]


def _chain(table: str, name: str, hook: str, device: str) -> Command:
    chain = {"family": FAMILY, "table": table, "name": name, "type": "filter", "hook": hook, "dev": device, "prio": 0}
    return {"add": {"chain": {**chain, "policy": "accept"}}}


def _rule(table: str, chain: str, *expressions: object) -> Command:
    return {"add": {"rule": {"family": FAMILY, "table": table, "chain": chain, "expr": list(expressions)}}}


def _match(left: object, right: object) -> dict[str, object]:
    return {"match": {"op": "==" if isinstance(right, str) and right[0] != "@" else "in", "left": left, "right": right}}
