"""The effect of one change: it is made, looked at, and waited for; what goes wrong with it is its error."""

from collections.abc import Collection
from typing import Final

from xenhost.agent.engine.operations import OperationTable, Tracked
from xenhost.agent.network.applying import Applier
from xenhost.agent.network.changes.moves import moves
from xenhost.agent.network.config import NetworkConfig
from xenhost.agent.network.confirmation import Confirmation
from xenhost.agent.network.known import Known
from xenhost.agent.network.places import EVERYWHERE, NO_IP, first_pif, of_pif, touched
from xenhost.agent.network.targets import pif_of
from xenhost.agent.network.wishes.wish import Wish, wish
from xenhost.agent.steps.patience import before
from xenhost.core.clock import Clock
from xenhost.core.errors import XenhostError
from xenhost.core.network import CONTROLLERS, IpConfig, IpState, Ipv4Mode, Ipv6Mode, Problem
from xenhost.core.network_errors import PifConfigurationError
from xenhost.core.network_records import Intent
from xenhost.core.network_requests import (
    CreateSriov,
    DestroySriov,
    IntroduceController,
    NetworkRequest,
    PlugPif,
    ReconfigureIp,
    ReconfigureManagement,
    ResetNetworking,
    SetSwitch,
)
from xenhost.core.ports.network import Addresses

ALWAYS: Final = (PlugPif, ReconfigureIp, ReconfigureManagement, ResetNetworking, SetSwitch, CreateSriov, DestroySriov)
"""They are made even if nothing seems to differ: somebody may ask because it does not work."""

AIMS: Final = (PlugPif, ReconfigureManagement, SetSwitch, IntroduceController)
"""They are about making something work: while it does not, they fail, however old the trouble is."""


class Effects:
    """Makes changes, and waits for what takes time."""

    def __init__(
        self,
        known: Known,
        applier: Applier,
        addresses: Addresses,
        management: Confirmation,
        operations: OperationTable,
        clock: Clock,
        config: NetworkConfig,
    ) -> None:
        self._known: Final = known
        self._applier: Final = applier
        self._addresses: Final = addresses
        self._management: Final = management
        self._operations: Final = operations
        self._clock: Final = clock
        self._config: Final = config

    def needed(self, request: NetworkRequest, old: Intent, new: Intent) -> bool:
        """Does the change have any, beside the record?"""
        facts = self._known.facts()
        return isinstance(request, ALWAYS) or old.switch is not new.switch or wish(old, facts) != wish(new, facts)

    async def make(self, tracked: Tracked, request: NetworkRequest, old: Intent) -> None:
        """What is in effect is the new intent. Raises PifConfigurationError; some of it is done then."""
        known = self._known
        was, old_problems = known.wish, frozenset(known.problems)
        had_address = self._has_address(old)
        self._operations.progress(tracked, 0.1, "setting up the network")
        left = moves(old, known.effective)
        for bridge in left.keys() - known.vifs().keys():
            known.needed.pop(bridge, None)  # nothing is there that could move
        await self._applier.apply()
        self._check(request, was, old_problems, left)
        await self._acquire(tracked, request, was, had_address)
        if isinstance(request, ReconfigureManagement) and request.confirm_seconds:
            await self._confirm(tracked, request)

    # Inside

    def _check(
        self, request: NetworkRequest, was: Wish, old_problems: Collection[Problem], left: Collection[str]
    ) -> None:
        """Trouble in places that it has nothing to do with is not its trouble, nor is what was there before."""
        known, intent = self._known, self._known.effective
        pif = pif_of(request, intent)
        own = {EVERYWHERE} | (frozenset() if pif is None else of_pif(intent, pif))
        if isinstance(request, SetSwitch):
            own |= {"switch"}
        if isinstance(request, IntroduceController):
            own |= {CONTROLLERS}
        places = own | touched(was, known.wish)
        aims = own if isinstance(request, AIMS) else {EVERYWHERE}
        for problem in known.problems:
            if problem.place in left:
                continue  # its VIFs follow later
            if problem.place in aims or (problem.place in places and problem not in old_problems):
                raise _failed(intent, problem.place, problem.message)

    async def _acquire(self, tracked: Tracked, request: NetworkRequest, was: Wish, had_address: bool) -> None:
        """Wait for addresses that do not come from us. Without one the host is never left unmanageable."""
        intent = self._known.effective
        pif = pif_of(request, intent)
        own = frozenset() if pif is None else of_pif(intent, pif)
        management = frozenset().union(*(of_pif(intent, each) for each in intent.pifs.values() if each.management))
        for interface, config in self._known.wish.addresses.interfaces.items():
            same = was.addresses.interfaces.get(interface, NO_IP) == config
            if not _comes_from_others(config) or (same and interface not in own):
                continue
            self._operations.progress(tracked, 0.5, f"waiting for an address of {interface}")
            state = await self._wait(interface)
            must = isinstance(request, ReconfigureManagement) or (
                had_address and not isinstance(request, ResetNetworking)
            )
            if state is None and must and interface in management:
                raise _failed(intent, interface, f"{interface} got no address; it stays as it was")
            await self._applier.look_at(interface)

    def _has_address(self, intent: Intent) -> bool:
        """Has the management interface one now?"""
        bridges = {intent.networks[pif.network].bridge for pif in intent.pifs.values() if pif.management}
        return any(state.ipv4 or state.ipv6 for name, state in self._known.addresses.items() if name in bridges)

    async def _wait(self, interface: str) -> IpState | None:
        try:
            _, state = await before(self._clock, self._config.dhcp_patience, self._addresses.acquired(interface))
        except XenhostError:
            return None
        return state

    async def _confirm(self, tracked: Tracked, request: ReconfigureManagement) -> None:
        seconds = request.confirm_seconds
        self._operations.progress(tracked, 0.8, f"waiting {seconds} s for a confirmation")
        if not await self._management.confirmed(seconds):
            message = f"nobody has reached the host within {seconds} s; it is managed as before"
            raise PifConfigurationError(message, PIF=request.pif, msg=message)


def _comes_from_others(config: IpConfig) -> bool:
    return config.ipv4.mode is Ipv4Mode.DHCP or config.ipv6.mode in {Ipv6Mode.DHCP, Ipv6Mode.AUTOCONF}


def _failed(intent: Intent, place: str, message: str) -> PifConfigurationError:
    pif = first_pif(intent, {place})
    text = message if place == EVERYWHERE else f"{place}: {message}"
    return PifConfigurationError(text, PIF="" if pif is None else pif.id, msg=text)
