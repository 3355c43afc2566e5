"""What the ports are asked for, made of what is wanted."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from xenhost.agent.network.facts import Facts
from xenhost.core.network import IpPlan, NicSettings, Problem, Topology
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
    """What there shall be. Raises nothing."""
    raise NotImplementedError
