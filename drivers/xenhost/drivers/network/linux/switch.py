"""Linux bridges as the switch of dom0.

Bridges, VLANs, bonds and tunnels are the kernel's, made over rtnetlink; rules of VIFs are nftables'. What is ours is
marked in the kernel as it is made (`links.OWN_GROUP`, and an alias with the network's UUID), and nothing else is ever
changed or removed. Topology and VIFs have a thread each, so that a guest starts while many networks are being made.

What is different here from Open vSwitch: a promiscuous VIF makes its bridge a hub, so all guests on it see all traffic;
trunks of VIFs are rules, so a MAC address has one place for all VLANs of a bridge, and a locked VIF has no trunks: that
is refused.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from xenhost.core.errors import DeviceAttachFailed
from xenhost.core.network import (
    CONTROLLERS,
    BridgeState,
    ControllerState,
    LockingMode,
    Problem,
    SwitchFeature,
    SwitchKind,
    Topology,
    VifPort,
)
from xenhost.core.network_errors import SwitchCannot, SwitchUnavailable
from xenhost.core.pvs import PVS
from xenhost.drivers.network.linux.bond_watch import BondWatch
from xenhost.drivers.network.linux.failover import Failover, members_of
from xenhost.drivers.network.linux.kernel import Kernel
from xenhost.drivers.network.linux.links import UPLINK_PRIORITY, Link
from xenhost.drivers.network.linux.nft import LibNft, NftError
from xenhost.drivers.network.linux.plan import Plan, plan
from xenhost.drivers.network.linux.rules_watch import RulesWatch
from xenhost.drivers.network.linux.vifs import Vifs

_P = ParamSpec("_P")
_T = TypeVar("_T")
_log: Final = logging.getLogger(__name__)
_MACHINE_ID: Final = Path("/etc/machine-id")
_TOPOLOGY_SECONDS: Final = 300.0
_VIF_SECONDS: Final = 60.0


class LinuxSwitch:
    """See Switch. `machine_id` is a file that tells this host from others: MAC addresses of bridges come from it."""

    def __init__(self, machine_id: Path = _MACHINE_ID) -> None:
        self._machine_id: Final = machine_id
        self._host = ""
        self._topology: ThreadPoolExecutor | None = None
        self._vif_thread: ThreadPoolExecutor | None = None
        self._kernel: Final = Kernel()
        self._nft: Final = LibNft()
        self._failover: Final = Failover(self._kernel, self._nft)
        self._vif_kernel: Final = Kernel()
        self._vif_nft: Final = LibNft()
        self._vifs: Final = Vifs(self._vif_kernel, self._vif_nft)
        self._watch: Final = BondWatch(self._bonds_changed)
        self._rules_watch: Final = RulesWatch(self._rules_lost)
        self._restoring: asyncio.Task[None] | None = None
        self._listeners: Final[list[Callable[[], None]]] = []
        self._slb: Mapping[str, Sequence[str]] = {}
        self._settling: asyncio.Task[None] | None = None
        self._unsettled = False

    @property
    def kind(self) -> SwitchKind:
        """See Switch."""
        return SwitchKind.BRIDGE

    @property
    def features(self) -> frozenset[SwitchFeature]:
        """See Switch."""
        return frozenset(
            {
                SwitchFeature.LACP_FALLBACK,
                SwitchFeature.LACP_KEY,
                SwitchFeature.BALANCE_SLB,
                SwitchFeature.IGMP_SNOOPING,
                SwitchFeature.GRE,
                SwitchFeature.VXLAN,
                SwitchFeature.VIF_TRUNKS,
            }
        )

    async def open(self) -> None:
        """See Switch."""
        self._topology = ThreadPoolExecutor(1, "network")
        self._vif_thread = ThreadPoolExecutor(1, "vifs")
        try:
            self._host = await asyncio.to_thread(_read, self._machine_id)
            await self._in_topology(self._open_topology)
            await self._in_vifs(self._open_vifs)
            self._watch.open()
            self._rules_watch.open()
        except OSError as error:
            await self.close()
            raise SwitchUnavailable(f"Linux bridges cannot be used: {error}", switch=self.kind.value) from error
        except SwitchUnavailable:
            await self.close()
            raise

    async def close(self) -> None:
        """See Switch."""
        self._watch.close()
        self._rules_watch.close()
        tasks = [each for each in (self._settling, self._restoring) if each is not None]
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._topology is not None:
            await asyncio.get_running_loop().run_in_executor(self._topology, self._close_topology)
            self._topology.shutdown(wait=False)
            self._topology = None
        if self._vif_thread is not None:
            await asyncio.get_running_loop().run_in_executor(self._vif_thread, self._close_vifs)
            self._vif_thread.shutdown(wait=False)
            self._vif_thread = None

    async def apply(self, wanted: Topology) -> Sequence[Problem]:
        """See Switch."""
        problems = await self._in_topology(self._apply, wanted)
        none = "SDN controllers need Open vSwitch; the switch of this host is Linux bridges"
        refused = [Problem(CONTROLLERS, none)] if wanted.controllers else []
        refused += [Problem(PVS, "PVS proxies need Open vSwitch")] if wanted.proxies else []
        return [*problems, *refused]

    async def bridges(self) -> Sequence[BridgeState]:
        """See Switch."""
        return bridge_states(await self._in_topology(self._kernel.reader.dump))

    async def controllers(self) -> Sequence[ControllerState]:
        """See Switch: none."""
        return ()

    async def proxies(self) -> frozenset[str]:
        """See Switch: none."""
        return frozenset()

    async def connect_vif(self, port: VifPort) -> None:
        """See Switch."""
        if port.trunks and port.locking is LockingMode.LOCKED:
            raise SwitchCannot(
                f"{port.interface}: on Linux bridges a locked VIF has no VLAN trunks; unlock it, take its trunks away,"
                " or use Open vSwitch",
                switch=self.kind.value,
                feature=SwitchFeature.LOCKED_TRUNKS.value,
            )
        try:
            await self._in_vifs(self._vifs.connect, port)
        except (SwitchUnavailable, TimeoutError) as error:
            why = str(error)
            raise DeviceAttachFailed(
                f"{port.interface} cannot be connected: {why}", device=port.interface, msg=why
            ) from error

    async def disconnect_vif(self, interface: str) -> None:
        """See Switch."""
        await self._in_vifs(self._vifs.disconnect, interface)

    async def vif_ports(self) -> Sequence[str]:
        """See Switch."""
        return await self._in_vifs(self._vifs.names)

    def watch_bonds(self, on_change: Callable[[], None]) -> None:
        """See Switch."""
        self._listeners.append(on_change)

    # --- in the threads

    def _open_topology(self) -> None:
        self._kernel.open()
        self._nft.open()

    def _close_topology(self) -> None:
        self._kernel.close()
        self._nft.close()

    def _open_vifs(self) -> None:
        self._vif_kernel.open()
        self._vif_nft.open()
        self._vifs.open()

    def _close_vifs(self) -> None:
        self._vif_kernel.close()
        self._vif_nft.close()

    def _apply(self, wanted: Topology) -> list[Problem]:
        todo = plan(wanted, tuple(self._kernel.reader.dump()), self._host)
        problems = list(todo.problems)
        failed: set[str] = set()
        for action in todo.actions:
            if action.device in failed:
                continue  # one report is enough
            try:
                self._kernel.do(action)
            except OSError as error:
                _log.info("%s failed: %s", action, error)
                failed.add(action.device)
                problems.append(Problem(action.place, f"{action.device}: {error.strerror or error}"))
        problems += self._rules(todo)
        return problems

    def _rules(self, todo: Plan) -> list[Problem]:
        """Of balance-slb."""
        self._slb = todo.slb
        try:
            self._failover.forget(todo.slb)
            self._failover.settle(todo.slb)
        except (NftError, OSError) as error:
            return [Problem(each, f"balance-slb without its rules: {error}") for each in todo.slb]
        return []

    # --- what others do

    def _rules_lost(self) -> None:
        """From the event loop."""
        if self._restoring is None or self._restoring.done():
            self._restoring = asyncio.create_task(self._restore())

    async def _restore(self) -> None:
        try:
            await self._in_vifs(self._vifs.restore)
        except SwitchUnavailable as error:
            _log.error("rules of VIFs were removed and cannot be restored: %s", error)

    def _bonds_changed(self) -> None:
        """From the event loop: settle first, so that whoever listens finds what is."""
        self._unsettled = True
        if self._settling is None or self._settling.done():
            self._settling = asyncio.create_task(self._settle())

    async def _settle(self) -> None:
        while self._unsettled:
            self._unsettled = False
            try:
                await self._in_topology(lambda: self._failover.settle(self._slb))
            except SwitchUnavailable as error:
                _log.warning("bonds: %s", error)
            for each in self._listeners:
                each()

    async def _in_topology(self, call: Callable[_P, _T], *args: _P.args, **named: _P.kwargs) -> _T:
        return await self._in(self._topology, _TOPOLOGY_SECONDS, lambda: call(*args, **named))

    async def _in_vifs(self, call: Callable[_P, _T], *args: _P.args, **named: _P.kwargs) -> _T:
        return await self._in(self._vif_thread, _VIF_SECONDS, lambda: call(*args, **named))

    async def _in(self, thread: ThreadPoolExecutor | None, seconds: float, call: Callable[[], _T]) -> _T:
        """Raises SwitchUnavailable. A thread that is late goes on; what is asked next comes after it."""
        if thread is None:
            raise SwitchUnavailable("the switch is not open", switch=self.kind.value)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.get_running_loop().run_in_executor(thread, call)
        except TimeoutError as error:
            raise SwitchUnavailable(f"the kernel did not answer in {seconds:.0f} s", switch=self.kind.value) from error
        except (OSError, NftError) as error:
            raise SwitchUnavailable(f"the kernel refused: {error}", switch=self.kind.value) from error


def bridge_states(links: Sequence[Link]) -> list[BridgeState]:
    """All bridges of those links. Pure."""
    states: list[BridgeState] = []
    for bridge in links:
        if bridge.kind != "bridge":
            continue
        ports = [each for each in links if each.master == bridge.index]
        uplinks = [each for each in ports if each.ours or each.port.get("priority") == UPLINK_PRIORITY]
        uplink = uplinks[0] if uplinks else None
        states.append(
            BridgeState(
                bridge.name,
                bridge.network,
                uplink.name if uplink else "",
                tuple(each.name for each in ports),
                members_of(uplink, links) if uplink and uplink.kind == "bond" else (),
            )
        )
    return states


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # a host without one: its bridges have the addresses that any such host would have
        return ""
