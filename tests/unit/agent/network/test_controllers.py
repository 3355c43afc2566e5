"""SDN controllers: what is wanted."""

from ipaddress import IPv4Address, IPv6Address

import pytest

from kit.intents import LINUX, Wanted
from xenhost.core.errors import HandleInvalid, InvalidValue, OperationNotAllowed
from xenhost.core.network import CONTROLLERS, SwitchKind
from xenhost.core.network_errors import InvalidIpAddress, OpenvswitchNotActive
from xenhost.core.network_records import Controller, ControllerId, ControllerProtocol, Ipv4Config
from xenhost.core.network_requests import ForgetController, IntroduceController, ResetNetworking, SetSwitch

SSL, PSSL = ControllerProtocol.SSL, ControllerProtocol.PSSL
ADDRESS = IPv4Address("192.0.2.9")


def the_controller(host: Wanted) -> Controller:
    (found,) = host.intent.controllers.values()
    return found


@pytest.mark.parametrize(
    ("request_", "target"),
    [
        (IntroduceController(SSL, ADDRESS), "ssl:192.0.2.9:6632"),
        (IntroduceController(SSL, IPv6Address("2001:db8::9"), 7000), "ssl:[2001:db8::9]:7000"),
        (IntroduceController(PSSL), "pssl:6640"),
        (IntroduceController(PSSL, port=7000), "pssl:7000"),
    ],
)
def test_a_controller_has_the_usual_port(request_: IntroduceController, target: str) -> None:
    host = Wanted()
    host.do(request_)
    assert the_controller(host).target == target
    assert host.wish().topology.controllers == (target,)
    host.do(ForgetController(the_controller(host).id))
    assert host.wish().topology.controllers == ()


@pytest.mark.parametrize(
    "request_",
    [
        IntroduceController(SSL),
        IntroduceController(SSL, IPv4Address("224.0.0.1")),
        IntroduceController(PSSL, ADDRESS),
        IntroduceController(SSL, ADDRESS, 65536),
        IntroduceController(SSL, ADDRESS, -1),
    ],
)
def test_what_can_never_be_a_controller(request_: IntroduceController) -> None:
    with pytest.raises((InvalidValue, InvalidIpAddress)):
        Wanted().do(request_)


def test_there_is_one_at_most() -> None:
    host = Wanted()
    host.do(IntroduceController(SSL, ADDRESS))
    with pytest.raises(OperationNotAllowed, match="forget it first"):
        host.do(IntroduceController(PSSL))
    with pytest.raises(HandleInvalid):
        host.do(ForgetController(ControllerId("nobody")))


def test_linux_bridges_have_no_controller() -> None:
    host = Wanted(features=LINUX)
    with pytest.raises(OpenvswitchNotActive, match="set-switch"):
        host.do(IntroduceController(SSL, ADDRESS))


def test_open_vswitch_stays_while_it_has_a_controller() -> None:
    host = Wanted()
    host.do(IntroduceController(SSL, ADDRESS))
    with pytest.raises(OpenvswitchNotActive, match="forget it first"):
        host.do(SetSwitch(SwitchKind.BRIDGE))
    host.do(ForgetController(the_controller(host).id), SetSwitch(SwitchKind.BRIDGE))
    assert host.intent.switch is SwitchKind.BRIDGE


def test_a_controller_that_a_switch_cannot_have_is_a_problem_and_no_more() -> None:
    host = Wanted()
    host.do(IntroduceController(SSL, ADDRESS))
    linux = Wanted(features=LINUX)
    host.facts = linux.facts
    assert host.wish().topology.controllers == ()
    assert "needs Open vSwitch" in host.problems(CONTROLLERS)[0]


def test_a_reset_takes_the_controller_away() -> None:
    host = Wanted()
    host.do(IntroduceController(SSL, ADDRESS))
    host.do(ResetNetworking("eth0", Ipv4Config(host.pif("eth0").ipv4.mode.DHCP)))
    assert not host.intent.controllers
