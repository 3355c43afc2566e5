"""Settings of the cards that are in use, and of bridges whose network has some."""

from collections.abc import Mapping
from dataclasses import replace

from xenhost.agent.network import keys
from xenhost.agent.network.wishes.bridges import Bridges
from xenhost.agent.network.wishes.problems import Problems
from xenhost.agent.network.wishes.relations import Relations
from xenhost.core.errors import InvalidValue
from xenhost.core.network import NicSettings, Topology
from xenhost.core.network_records import NetworkId, PifKind
from xenhost.core.network_settings import nic_settings

_PREFIX = "ethtool-"


def card_settings(
    relations: Relations, topology: Topology, bridges: Bridges, problems: Problems
) -> Mapping[str, NicSettings]:
    """By device. The members of a bond have its properties and MTU, and keys of their own."""
    found: dict[str, NicSettings] = {}
    for pif in relations.pifs_up():
        if pif.kind not in (PifKind.PHYSICAL, PifKind.BOND):
            continue
        for card in bridges.cards(pif):
            found[card.device] = _settings(
                pif.properties, card.other_config, bridges.mtu(pif), problems.at(card.device)
            )
    for bridge in topology.bridges:
        network = relations.intent.networks.get(NetworkId(bridge.network))
        config = network.other_config if network else {}
        given = {key: value for key, value in config.items() if key.startswith(_PREFIX)}
        if given:
            settings = _settings({}, given, bridge.mtu, problems.at(bridge.name))
            explicit = {name: on for name, on in settings.offload.items() if _PREFIX + name in given}
            found[bridge.name] = replace(settings, offload=explicit)
    return found


def _settings(
    properties: Mapping[str, str], other_config: Mapping[str, str], mtu: int, complain: keys.Complain
) -> NicSettings:
    """What is malformed is left out."""
    properties = dict(properties)
    rest = {key: value for key, value in other_config.items() if key.startswith(_PREFIX)}
    while True:
        try:
            return nic_settings(properties, rest, mtu)
        except InvalidValue as error:
            complain(str(error))
            where, _, key = error.values["field"].partition(":")
            if (properties if where == "properties" else rest).pop(key, None) is None:
                return NicSettings(mtu)
