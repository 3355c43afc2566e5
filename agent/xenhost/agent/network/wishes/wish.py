"""What the ports are asked for, made of what is wanted."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from xenhost.agent.network.facts import Facts
from xenhost.agent.network.wishes.bridges import Bridges
from xenhost.agent.network.wishes.cards import card_settings
from xenhost.agent.network.wishes.ip_plan import ip_plan
from xenhost.agent.network.wishes.problems import Problems
from xenhost.agent.network.wishes.proxies import pvs_ports
from xenhost.agent.network.wishes.relations import Relations
from xenhost.core.network import CONTROLLERS, IpPlan, NicSettings, Problem, SwitchFeature, Topology
from xenhost.core.network_records import Intent


@dataclass(frozen=True, slots=True)
class Wish:
    """Everything, as a whole: to go back is to apply an earlier one."""

    topology: Topology = field(default_factory=Topology)
    addresses: IpPlan = field(default_factory=IpPlan)
    nics: Mapping[str, NicSettings] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    """What cannot even be wished: malformed values, cards that are gone. The place is a device or a bridge."""


def wish(intent: Intent, facts: Facts) -> Wish:
    """What there shall be. Raises nothing, whatever the records say; quick: it is made again at each change."""
    problems = Problems()
    relations = Relations(intent, facts)
    bridges = Bridges(relations, facts, problems)
    topology = bridges.topology()
    return Wish(
        topology=replace(
            topology, controllers=_controllers(intent, facts, problems), proxies=pvs_ports(intent, facts, topology)
        ),
        addresses=ip_plan(relations, topology, problems),
        nics=card_settings(relations, topology, bridges, problems),
        problems=problems.all(),
    )


def _controllers(intent: Intent, facts: Facts, problems: Problems) -> tuple[str, ...]:
    if intent.controllers and SwitchFeature.CONTROLLER not in facts.features:
        problems.at(CONTROLLERS)("an SDN controller needs Open vSwitch; forget it, or change the switch of this host")
        return ()
    return tuple(sorted({each.target for each in intent.controllers.values()}))
