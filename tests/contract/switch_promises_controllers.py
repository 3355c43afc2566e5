"""What the switch port promises of SDN controllers."""

from contract.switch_ground import SwitchGround
from contract.switch_promises_bridges import NET_A
from xenhost.core.network import CONTROLLERS, Bridge, SwitchFeature, Topology

ONE, OTHER = "ssl:192.0.2.1:6632", "pssl:6640"
BRIDGES = (Bridge("xapi0", NET_A),)


async def targets(ground: SwitchGround) -> list[str]:
    """Of the controllers that are there."""
    return [each.target for each in await ground.switch.controllers()]


async def controllers_are_those_of_the_wish(ground: SwitchGround) -> None:
    """Also for the next agent; a switch that can have none says so, and does the rest."""
    problems = await ground.switch.apply(Topology(BRIDGES, (ONE,)))
    assert await ground.exists("xapi0")
    if SwitchFeature.CONTROLLER not in ground.switch.features:
        assert [each.place for each in problems] == [CONTROLLERS]
        assert await targets(ground) == []
        return
    assert not problems
    assert await targets(ground) == [ONE]
    await ground.restart()
    assert not await ground.switch.apply(Topology(BRIDGES, (ONE,)))
    assert await targets(ground) == [ONE]
    assert not await ground.switch.apply(Topology(BRIDGES, (OTHER,)))
    assert await targets(ground) == [OTHER]
    assert not await ground.switch.apply(Topology(BRIDGES))
    assert await targets(ground) == []


PROMISES = (controllers_are_those_of_the_wish,)
