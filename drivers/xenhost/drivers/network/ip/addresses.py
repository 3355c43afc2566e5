"""The port Addresses on a Linux host: see HostAddresses."""

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Final

import structlog

from xenhost.core.clock import Clock
from xenhost.core.network import IpConfig, IpPlan, IpState, Ipv6Mode, Problem
from xenhost.drivers.network.ip.clients import DhcpClients
from xenhost.drivers.network.ip.ipv6_settings import has_ipv6, set_ipv4, set_ipv6
from xenhost.drivers.network.ip.kernel import Kernel
from xenhost.drivers.network.ip.layout import Found, Host, changes
from xenhost.drivers.network.ip.monitor import EVERY, Monitor
from xenhost.drivers.network.ip.name_servers import NameServers
from xenhost.drivers.network.ip.solicitation import ATTEMPTS, INTERVAL, solicit
from xenhost.drivers.network.ip.wish import (
    clients_of,
    dns_of,
    is_acquired,
    layout_of,
    state_of,
    takes_default,
)

logger = structlog.get_logger()

_CALM: Final = 0.2
"""Seconds after an event in which others may follow before we look."""
_ROUNDS: Final = 3
"""How often a difference is worked at: changes have consequences in the kernel (promoted addresses, routes that go)."""


class HostAddresses:
    """Addresses of dom0 in the network namespace of the thread that opens it.

    It makes what is there equal to the wish, and is told by the kernel when something changes: then it brings back what
    is missing, lets gateway and name servers follow DHCP, and reports. What it remembers across agents lies in
    `run_dir`, which does not outlive a boot, as addresses do not: DHCP clients, and names of interfaces of the plan.
    """

    def __init__(
        self, run_dir: Path, log_dir: Path, clock: Clock, resolv_conf: Path = Path("/etc/resolv.conf")
    ) -> None:
        self._memory = run_dir / "interfaces"
        self._clock = clock
        self._kernel = Kernel()
        self._monitor = Monitor(self._heard)
        self._name_servers = NameServers(resolv_conf)
        self._clients = DhcpClients(run_dir / "dhcp", log_dir, clock, self._look_soon)
        self._plan = IpPlan()
        self._former: frozenset[str] = frozenset()
        self._watchers: list[Callable[[str], None]] = []
        self._states: dict[str, IpState] = {}
        self._dns: tuple[Host, ...] = ()
        self._indexes: frozenset[int] = frozenset()
        self._complaints: frozenset[Problem] = frozenset()
        self._follows = False
        self._lock = asyncio.Lock()
        self._changed = asyncio.Event()
        self._heard_something = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsolicited: set[str] = set()

    async def open(self) -> None:
        """Raises OSError."""
        await asyncio.to_thread(self._kernel.open)
        self._former = await asyncio.to_thread(self._remembered)
        await self._clients.open()
        await asyncio.to_thread(self._monitor.open)
        asyncio.get_running_loop().add_reader(self._monitor, self._monitor.read)

    async def close(self) -> None:
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._monitor.is_open:
            asyncio.get_running_loop().remove_reader(self._monitor)
            self._monitor.close()
        self._clients.close()
        await asyncio.to_thread(self._kernel.close)

    async def apply(self, wanted: IpPlan) -> Sequence[Problem]:
        async with self._lock:
            names = self._former | frozenset(wanted.interfaces)
            try:
                await asyncio.to_thread(self._remember, names)  # first: a crash in here forgets none
                self._plan, self._former = wanted, names
                problems = await self._settle(exact=True)
                self._former = frozenset(wanted.interfaces)
                await asyncio.to_thread(self._remember, self._former)
            except OSError as failed:
                return [Problem(name, f"addresses cannot be set: {failed}") for name in wanted.interfaces]
            if not self._follows:
                self._follows = True  # not before there is a plan: what a former agent gave would be taken for stale
                self._spawn(self._follow())
        return problems

    async def state(self, interface: str) -> IpState:
        return state_of(interface, await asyncio.to_thread(self._kernel.look), self._dns_from(interface))

    async def acquired(self, interface: str) -> IpState:
        while True:
            changed = self._changed
            found = await asyncio.to_thread(self._kernel.look)
            if is_acquired(interface, self._plan.interfaces.get(interface, IpConfig()), found):
                return state_of(interface, found, self._dns_from(interface))
            await changed.wait()

    def watch(self, on_change: Callable[[str], None]) -> None:
        self._watchers.append(on_change)

    # --- following

    def _heard(self, about: set[int]) -> None:
        if EVERY in about or not self._indexes.isdisjoint(about) or any(map(self._is_ours, about)):
            self._heard_something.set()

    def _is_ours(self, index: int) -> bool:
        try:
            return socket.if_indextoname(index) in self._plan.interfaces  # made anew since we looked
        except OSError:
            return False

    def _look_soon(self, seconds: float) -> None:
        async def later() -> None:
            await self._clock.sleep(seconds)
            self._heard_something.set()

        self._spawn(later())

    async def _follow(self) -> None:
        while True:
            await self._heard_something.wait()
            await self._clock.sleep(_CALM)
            self._heard_something.clear()
            async with self._lock:
                try:
                    problems = await self._settle(exact=False)
                except OSError as failed:
                    logger.warning("addresses cannot be looked at", error=str(failed))
                    continue
            for problem in frozenset(problems) - self._complaints:
                logger.warning("an address does not follow", interface=problem.place, problem=problem.message)
            self._complaints = frozenset(problems)

    # --- making it so

    async def _settle(self, exact: bool) -> list[Problem]:
        plan = self._plan
        names = self._former | frozenset(plan.interfaces)
        problems = await self._clients.end_all_but(clients_of(plan))
        found, failed = await asyncio.to_thread(self._reconcile, plan, names, exact)
        problems += failed
        running = {key: found.indexes[key[0]] for key in clients_of(plan) if key[0] in found.indexes}
        problems += await self._clients.keep(running)
        problems += await asyncio.to_thread(self._set_name_servers, plan, found)
        self._indexes = frozenset(index for name, index in found.indexes.items() if name in plan.interfaces)
        for name in self._unsolicited:
            self._spawn(self._solicit(name))
        self._unsolicited = set()
        self._report(plan, found)
        return problems

    def _reconcile(self, plan: IpPlan, names: Iterable[str], exact: bool) -> tuple[Found, list[Problem]]:
        """In a thread."""
        found = self._kernel.look()
        problems = [
            Problem(each, "there is no such interface") for each in plan.interfaces if each not in found.indexes
        ]
        problems += self._prepare(plan, [each for each in names if each in found.indexes])
        refused: list[Problem] = []
        for _ in range(_ROUNDS):
            found = self._kernel.look()  # before leases: whatever address the hook has set, its lease is there
            leases = self._clients.leases()
            wanted = {each: layout_of(each, plan, leases, found) for each in names}
            to_do = list(changes(wanted, found, bool(plan.gateway_interface), exact))
            if len(to_do) <= len(refused):
                break
            refused = list(self._kernel.make(to_do, found))
        twice = [(name, each.address.ip) for name in names for each in found.addresses.get(name, ()) if each.duplicate]
        problems += [Problem(name, f"another machine has its address {ip}") for name, ip in twice]
        return found, problems + refused

    def _prepare(self, plan: IpPlan, names: Iterable[str]) -> list[Problem]:
        problems = []
        ipv6 = has_ipv6()
        for name in names:
            mode = plan.interfaces.get(name, IpConfig()).ipv6.mode
            try:
                set_ipv4(name)
                if ipv6 and set_ipv6(name, mode, takes_default(plan, name)):
                    self._unsolicited.add(name)
            except OSError as failed:
                problems.append(Problem(name, f"its settings cannot be made: {failed}"))
            if not ipv6 and mode is not Ipv6Mode.NONE:
                problems.append(Problem(name, "this host has no IPv6: the kernel's is turned off"))
        return problems

    def _set_name_servers(self, plan: IpPlan, found: Found) -> list[Problem]:
        dns = dns_of(plan, self._clients.leases(), found)
        if dns is None:
            self._dns = ()
            return []
        self._dns = dns.servers
        wrong = self._name_servers.set(plan.dns_interface, dns.servers, dns.search)
        return [Problem(plan.dns_interface, wrong)] if wrong else []

    async def _solicit(self, interface: str) -> None:
        sent = 0
        for _ in range(4 * ATTEMPTS):
            done = await asyncio.to_thread(solicit, interface)
            sent += done
            if sent == ATTEMPTS:
                break
            await self._clock.sleep(INTERVAL if done else _CALM)

    def _report(self, plan: IpPlan, found: Found) -> None:
        states = {name: state_of(name, found, self._dns_from(name)) for name in plan.interfaces}
        before, self._states = self._states, states
        for name, state in states.items():
            if before.get(name, IpState()) != state:
                for on_change in self._watchers:
                    on_change(name)
        self._changed.set()
        self._changed = asyncio.Event()

    def _dns_from(self, interface: str) -> tuple[Host, ...]:
        return self._dns if interface == self._plan.dns_interface else ()

    # --- memory

    def _remembered(self) -> frozenset[str]:
        try:
            return frozenset(self._memory.read_text().split())
        except FileNotFoundError:
            return frozenset()

    def _remember(self, names: Iterable[str]) -> None:
        text = "".join(f"{name}\n" for name in sorted(names))
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._memory.with_name("interfaces.new")
        fresh.write_text(text)
        os.replace(fresh, self._memory)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
