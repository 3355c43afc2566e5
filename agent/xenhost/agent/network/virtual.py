"""Virtual functions of cards: made and taken away as networks of them come and go."""

from dataclasses import replace
from typing import Final

from xenhost.agent.network.calls import Calls
from xenhost.agent.network.config import NetworkConfig
from xenhost.agent.network.known import Known
from xenhost.core.errors import XenhostError
from xenhost.core.network import Problem, SriovEnabled
from xenhost.core.network_records import Intent, NetworkSriov, SriovId
from xenhost.core.ports.network import Nics


class VirtualFunctions:
    """What was enabled in this life of the agent is not enabled again."""

    def __init__(self, known: Known, nics: Nics, calls: Calls, config: NetworkConfig) -> None:
        self._known: Final = known
        self._nics: Final = nics
        self._calls: Final = calls
        self._config: Final = config

    async def settle(self, intent: Intent) -> list[Problem]:
        """Enable and disable what differs."""
        problems: list[Problem] = []
        wanted = devices(intent)
        for device in sorted(self._known.virtual.keys() - wanted.keys()):
            mode = self._known.virtual[device]
            try:
                work = self._nics.disable_sriov(device, mode)
                await self._calls.verb("taking virtual functions away", work, self._config.verb_deadline)
                del self._known.virtual[device]
            except XenhostError as error:
                problems.append(Problem(device, str(error)))
        for device, sriov in wanted.items():
            nic = self._nics.get(device)
            done = self._known.virtual.get(device) and nic is not None and (nic.sriov_enabled or sriov.requires_reboot)
            if nic is None or done:
                continue
            self._known.virtual[device] = ""  # whatever comes of it is to be undone
            try:
                enabling = self._nics.enable_sriov(device)
                enabled = await self._calls.verb("making virtual functions", enabling, self._config.verb_deadline)
            except XenhostError as error:
                problems.append(Problem(device, str(error)))
                continue
            self._known.virtual[device] = enabled.mode.value
            self._known.effective = with_result(self._known.effective, sriov.id, enabled)
        return problems


def devices(intent: Intent) -> dict[str, NetworkSriov]:
    """The cards that shall have virtual functions."""
    found = {}
    for sriov in intent.sriovs.values():
        physical = intent.pifs.get(sriov.physical)
        if physical is not None:
            found[physical.device] = sriov
    return found


def with_result(intent: Intent, sriov: SriovId, enabled: SriovEnabled) -> Intent:
    """The same with what enabling came to."""
    old = intent.sriovs.get(sriov)
    if old is None:
        return intent
    new = replace(old, mode=enabled.mode, requires_reboot=enabled.requires_reboot)
    return replace(intent, sriovs={**intent.sriovs, sriov: new})
