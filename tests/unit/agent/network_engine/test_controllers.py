"""SDN controllers in the engine, on a simulated host."""

from ipaddress import IPv4Address
from pathlib import Path

from kit.network import NetworkAgent, NetworkHost
from xenhost.core.events import ObjectKind
from xenhost.core.network_records import ControllerProtocol
from xenhost.core.network_requests import ForgetController, IntroduceController
from xenhost.core.views import OperationState

INTRODUCE = IntroduceController(ControllerProtocol.SSL, IPv4Address("192.0.2.9"))
TARGET = "ssl:192.0.2.9:6632"


async def test_a_controller_is_there_again_when_the_host_was_started_anew(tmp_path: Path) -> None:
    agent = await NetworkHost(tmp_path).start()
    await agent.succeed(INTRODUCE)
    (view,) = agent.engine.controllers()
    assert (view.controller.target, view.connected, view.problem) == (TARGET, True, "")
    await agent.engine.close()
    again = NetworkHost(tmp_path)
    agent = await again.start()
    assert again.world.controllers == (TARGET,)
    assert agent.engine.controller(view.controller.id).connected
    await agent.succeed(ForgetController(view.controller.id))
    assert len(again.world.controllers) == 0
    assert agent.engine.host_network().controllers == ()
    await agent.engine.close()


async def test_the_same_request_again_is_the_same_operation(agent: NetworkAgent) -> None:
    first = await agent.succeed(INTRODUCE, "once")
    assert (await agent.engine.submit(INTRODUCE, "once")).id == first.id
    assert first.target_kind is ObjectKind.HOST


async def test_a_controller_that_cannot_be_set_leaves_nothing(agent: NetworkAgent, host: NetworkHost) -> None:
    host.world.faults.fail("apply_switch")
    ended = await agent.do(INTRODUCE)
    assert ended.state is OperationState.FAILED
    assert (agent.engine.controllers(), host.world.controllers) == ([], ())
