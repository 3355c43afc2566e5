"""Many networks, each on a VLAN of one card: made at once, and restored by the engine from what is on disk at boot."""

import asyncio
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from bench.meter import Meter
from bench.networks import BATCH, IP, applied, in_one, interfaces, one_by_one, start_ovs
from bench.stats import OURS, Row, Sample
from component.network.engine_host import EngineHost
from kit.nic_tree import NicTree
from xenhost.agent.network.engine import STORE
from xenhost.agent.network.journal import INTENT, PutDocument, write_intent
from xenhost.agent.network.store import NetworkStore
from xenhost.core.network import Bridge, NicUplink, SwitchKind, Topology, VlanUplink
from xenhost.core.network_records import Intent, Network, NetworkId, Pif, PifId, PifKind, Vlan
from xenhost.core.ports.network import Switch
from xenhost.drivers.network.linux.switch import LinuxSwitch
from xenhost.drivers.network.ovs.switch import OvsSwitch

COUNT: Final = 200
CARD: Final = "benchnic"
MAIN: Final = "benchbr"
VSCTL: Final = "ovs-vsctl, one call"
VSCTL_EACH: Final = "ovs-vsctl, a call each"
_DOOMED: Final = 77
_PATIENCE: Final = 600.0


async def made(meter: Meter, rounds: int) -> list[Row]:
    """All of them by the switch, at once; on both backends."""
    rows = []
    for name, switch, peers, undo in (
        ("Linux bridge", LinuxSwitch(), {BATCH: in_one, IP: one_by_one}, undo_links),
        ("Open vSwitch", OvsSwitch(), {VSCTL: ovs_in_one, VSCTL_EACH: ovs_one_by_one}, undo_ovs),
    ):
        samples: dict[str, list[Sample]] = {OURS: []}
        if undo is undo_ovs:
            start_ovs()
        await switch.open()
        for _ in range(rounds):
            with interfaces([CARD]):
                samples[OURS].append(await meter.measure(lambda switch=switch: applied(switch, topology())))  # type: ignore[misc]  # bound now
                say(name, OURS, samples)
                await applied(switch, Topology())
            await by_peers(meter, name, peers, undo, samples)
        await switch.close()
        rows.append(Row(f"{COUNT} VLANs, {name}", samples, {}))
    return rows


async def restored(meter: Meter, rounds: int) -> list[Row]:
    """All of them by the engine as it starts, until the last is there; peers do what of it is theirs."""
    rows = []
    for name, kind, peers, undo in (
        ("Linux bridge", SwitchKind.BRIDGE, {BATCH: in_one}, undo_links),
        ("Open vSwitch", SwitchKind.OPENVSWITCH, {VSCTL: ovs_in_one}, undo_ovs),
    ):
        samples: dict[str, list[Sample]] = {OURS: []}
        if undo is undo_ovs:
            start_ovs()
        for _ in range(rounds):
            with interfaces([CARD]), tempfile.TemporaryDirectory() as folder:
                await saved(Path(folder), intent(kind))
                host = EngineHost(Path(folder))
                samples[OURS].append(await meter.measure(lambda host=host: all_up(host)))  # type: ignore[misc]  # bound now
                say(name, OURS, samples)
                await host.engine.close()
                switch: Switch = LinuxSwitch() if kind is SwitchKind.BRIDGE else OvsSwitch()
                await switch.open()
                await applied(switch, Topology())
                await switch.close()
            await by_peers(meter, name, peers, undo, samples)
        rows.append(Row(f"boot: {COUNT} VLANs, {name}", samples, {}))
    return rows


async def by_peers(
    meter: Meter,
    name: str,
    peers: Mapping[str, Callable[[list[str]], None]],
    undo: Callable[[], None],
    samples: dict[str, list[Sample]],
) -> None:
    """Each makes them once; the slowest only in the first turn."""
    for peer, make in peers.items():
        if peer in (IP, VSCTL_EACH) and samples.get(peer):
            continue
        with interfaces([CARD]):
            steps = ovs_steps() if undo is undo_ovs else link_steps()
            work = asyncio.to_thread(make, steps)
            samples.setdefault(peer, []).append(await meter.measure(lambda work=work: work))  # type: ignore[misc]  # bound now
            say(name, peer, samples)
            undo()


def say(name: str, who: str, samples: dict[str, list[Sample]]) -> None:
    """As it goes: all of it takes long."""
    sample = samples[who][-1]
    print(f"   {time.strftime('%X')} {name}: {who} {sample.wall:.2f} s, dom0 {sample.dom0_cpu:.2f} s", flush=True)


def topology() -> Topology:
    """All of them."""
    bridges = [Bridge(MAIN, "", NicUplink(CARD))]
    bridges += [Bridge(f"xapi{tag}", "", VlanUplink(MAIN, CARD, tag)) for tag in range(1, COUNT + 1)]
    return Topology(tuple(bridges))


def intent(kind: SwitchKind) -> Intent:
    """The same as records."""
    main = Network(NetworkId(uuid(0)), MAIN, "main")
    card = Pif(PifId(uuid(1)), PifKind.PHYSICAL, CARD, main.id, "", plugged=True)
    found = Intent(switch=kind).with_network(main).with_pif(card)
    vlans = {}
    for tag in range(1, COUNT + 1):
        network = Network(NetworkId(uuid(10000 + tag)), f"xapi{tag}", f"vlan {tag}")
        pif = Pif(PifId(uuid(20000 + tag)), PifKind.VLAN, CARD, network.id, "", plugged=True)
        found = found.with_network(network).with_pif(pif)
        vlans[pif.id] = Vlan(pif.id, card.id, tag)
    return Intent(networks=found.networks, pifs=found.pifs, vlans=vlans, switch=kind)


def uuid(number: int) -> str:
    """Always the same ones."""
    return f"5a000000-0000-4000-8000-{number:012d}"


async def saved(folder: Path, wanted: Intent) -> None:
    """As an agent leaves it behind at the end of the last boot."""
    NicTree(folder / "sys").pci(CARD, "0000:01:00.0")
    (folder / "state").mkdir()
    store = NetworkStore(folder / "state" / STORE)
    await store.open()
    await store.write(PutDocument(INTENT, write_intent(wanted)))
    await store.close()


async def all_up(host: EngineHost) -> None:
    """From nothing in memory to everything in the kernel and in the views."""
    await host.engine.start()
    async with asyncio.timeout(_PATIENCE):
        while not (there() and sum(view.attached for view in host.engine.pifs()) == COUNT + 1):
            await asyncio.sleep(0.1)


def there() -> bool:
    """The interfaces are in the kernel: ovs-vswitchd makes them in its own time."""
    return all(Path("/sys/class/net", f"xapi{tag}").exists() for tag in range(COUNT, 0, -1))


# --- what others do


def link_steps() -> list[str]:
    """For ip(8): a bridge each, and the VLAN on it."""
    steps = [f"link add {MAIN} type bridge", f"link set {CARD} master {MAIN} up", f"link set {MAIN} up"]
    for tag in range(1, COUNT + 1):
        steps += [
            f"link add link {CARD} name {CARD}.{tag} type vlan id {tag}",
            f"link add xapi{tag} type bridge",
            f"link set {CARD}.{tag} master xapi{tag} up",
            f"link set xapi{tag} up",
        ]
    return steps


def undo_links() -> None:
    """As one group, which is quick; the VLANs go with their card."""
    names = [MAIN, *(f"xapi{tag}" for tag in range(1, COUNT + 1))]
    in_one([*(f"link set {name} group {_DOOMED}" for name in names), f"link del group {_DOOMED}"])


def ovs_steps() -> list[str]:
    """For ovs-vsctl(8): a bridge, and a fake bridge each."""
    return [
        f"--may-exist add-br {MAIN}",
        f"--may-exist add-port {MAIN} {CARD}",
        *(f"--may-exist add-br xapi{tag} {MAIN} {tag}" for tag in range(1, COUNT + 1)),
    ]


def ovs_one_by_one(steps: list[str]) -> None:
    """As xcp-networkd does it: each waits until it is in the kernel."""
    for step in steps:
        subprocess.run(["ovs-vsctl", *step.split()], check=True)


def ovs_in_one(steps: list[str]) -> None:
    """One transaction."""
    subprocess.run(["ovs-vsctl", *" -- ".join(steps).split()], check=True)


def undo_ovs() -> None:
    """Fake bridges go with theirs."""
    subprocess.run(["ovs-vsctl", "--if-exists", "del-br", MAIN], check=True)
