"""Networks of cards are the pool's, whichever host made them first: VMs run on each host that has such a card."""

from pathlib import Path

from component.harness.agent import Agent as HostAgent
from component.harness.pki import Authority
from component.pool.conftest import Master, listening, reporting
from component.pool.test_members import member
from component.pool.test_network_settings import own, two
from component.pool.test_vms import RECORD, vif_record
from xenhost.pool.call import Ref
from xenhost.pool.first import ensure_first

CARDS = 4
"""Of a simulated host."""
MANAGED = "xapi0"
"""The bridge of the first of them, which is up."""


def bridges(master: Master) -> list[str]:
    """Of all networks."""
    return sorted(str(record["bridge"]) for record in master.database.rows("network").values())


def on(master: Master, bridge: str) -> Ref:
    """The network with that bridge."""
    (found,) = [ref for ref, record in master.database.rows("network").items() if record["bridge"] == bridge]
    return found


def known(agent: HostAgent) -> set[str]:
    """UUIDs of a host's networks."""
    assert agent.network is not None
    return {view.network.id for view in agent.network.networks()}


async def test_a_vm_runs_on_either_host_on_the_network_of_their_cards(master: Master, tmp_path: Path) -> None:
    await ensure_first(master.database)
    async with two(master, tmp_path) as (one, other):
        await master.until(lambda: len(bridges(master)) == CARDS)
        assert known(one) == known(other)
        vm = await master.ref("VM.create", RECORD)
        vif = await master.ref("VIF.create", vif_record(vm, on(master, MANAGED)))
        for host in tuple(master.database.rows("host")):
            await master.call("VM.start_on", vm, host, False, False)
            assert await master.call("VIF.get_currently_attached", vif)
            await master.call("VM.hard_shutdown", vm)


async def test_the_masters_own_networks_stay_what_they_are(tmp_path: Path) -> None:
    pki = Authority(tmp_path / "pki", "pool CA")
    async with listening(tmp_path, tls=pki.issue("master")) as master, reporting(tmp_path, master) as first:
        await ensure_first(master.database)
        await master.until(lambda: len(bridges(master)) == CARDS)
        before = known(first)
        network = on(master, "xenbr2")
        await master.call("network.set_name_label", network, "storage")
        async with member(tmp_path / "two", master, pki.issue("two")) as second:
            await master.until(lambda: known(second) == before)
            await master.until(lambda: len(bridges(master)) == CARDS)
            assert known(first) == before
            assert len(master.database.get("network", network).refs("PIFs")) == 2
            assert await master.call("network.get_name_label", network) == "storage"


async def test_a_network_with_a_running_vm_is_merged_when_the_host_returns_without(
    master: Master, tmp_path: Path
) -> None:
    """The host that came last through the socket of the master's machine is the master's own."""
    (tmp_path / "b").mkdir()
    await ensure_first(master.database)
    async with reporting(tmp_path, master) as second:
        await master.until(lambda: len(bridges(master)) == CARDS)
        (host,) = master.database.rows("host")
        vm = await master.ref("VM.create", RECORD)
        await master.call("VIF.create", vif_record(vm, on(master, MANAGED)))
        await master.call("VM.start_on", vm, host, False, False)
        mine = str(master.database.get("network", on(master, MANAGED))["uuid"])
        async with reporting(tmp_path / "b", master) as first:
            await master.until(lambda: len(master.database.rows("host")) == 2)
            await master.until(lambda: bridges(master).count("xenbr2") == 1)
            assert bridges(master).count(MANAGED) == 2
            assert own(second, mine).bridge == MANAGED
            await master.call("VM.hard_shutdown", vm)
            master.parts.networks.again(host)
            await master.until(lambda: len(bridges(master)) == CARDS)
            assert known(second) == known(first)
            (vif,) = master.database.rows("VIF").values()
            assert vif["network"] == on(master, MANAGED)


async def test_what_a_killed_master_had_begun_to_merge_is_merged(tmp_path: Path) -> None:
    """The host had its new UUID, and nobody wrote down that the network of before is gone."""
    async with listening(tmp_path) as master, reporting(tmp_path, master):
        await ensure_first(master.database)
        await master.until(lambda: len(bridges(master)) == CARDS)
        fields = {"name_label": "left", "bridge": "xenbr1"}
        left = await master.database.change(lambda t: t.create("network", fields))
    async with listening(tmp_path) as again, reporting(tmp_path, again):
        await again.until(lambda: again.database.find("network", left) is None)
        assert len(bridges(again)) == CARDS


async def test_a_network_of_several_hosts_becomes_the_masters_one_after_another(tmp_path: Path) -> None:
    pki = Authority(tmp_path / "pki", "pool CA")
    files = [pki.issue(name) for name in ("one", "two")]
    async with listening(tmp_path, tls=pki.issue("master")) as master:
        await ensure_first(master.database)
        async with member(tmp_path / "one", master, files[0]) as one, member(tmp_path / "two", master, files[1]) as two:
            await master.until(lambda: len(master.database.rows("host")) == 2)
            await master.until(lambda: known(one) == known(two))
            vm = await master.ref("VM.create", RECORD)
            vif = await master.ref("VIF.create", vif_record(vm, on(master, MANAGED)))
            async with reporting(tmp_path, master) as last:
                await master.until(lambda: known(one) == known(two) == known(last))
                await master.until(lambda: len(bridges(master)) == CARDS)
                assert all(len(row.refs("PIFs")) == 3 for row in master.database.rows("network").values())
                assert await master.call("VIF.get_network", vif) == on(master, MANAGED)
