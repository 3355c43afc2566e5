"""Changes of SDN controllers."""

from xenhost.agent.network.changes.draft import Draft
from xenhost.core.errors import OperationNotAllowed
from xenhost.core.network import SwitchFeature
from xenhost.core.network_errors import OpenvswitchNotActive
from xenhost.core.network_records import Controller
from xenhost.core.network_requests import ForgetController, IntroduceController


def introduce(draft: Draft, request: IntroduceController) -> None:
    """Raises OpenvswitchNotActive, and OperationNotAllowed if there is one."""
    draft.check_new("SDN_controller", request.id, draft.controllers)
    if SwitchFeature.CONTROLLER not in draft.facts.features:
        raise OpenvswitchNotActive(
            f"an SDN controller needs Open vSwitch, and the switch of this host is {draft.facts.kind.value};"
            " see `xenhost host set-switch`"
        )
    if (there := next(iter(draft.controllers.values()), None)) is not None:
        raise OperationNotAllowed(
            f"the host has the SDN controller {there.target}; forget it first", reason_text="there is a controller"
        )
    draft.controllers[request.id] = Controller(request.id, request.protocol, request.address, request.port)


def forget(draft: Draft, request: ForgetController) -> None:
    """Tunnels that it made stay as they are."""
    del draft.controllers[draft.controller(request.controller).id]
