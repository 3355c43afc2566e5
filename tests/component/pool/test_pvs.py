"""Citrix Provisioning through the Management API: what the hosts are told of sites, servers and proxies."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master, reporting
from component.pool.test_network_settings import alive, two, without
from component.pool.test_networks import network
from component.pool.test_vms import RECORD, vif_record
from xenhost.core.network import SwitchFeature
from xenhost.core.pvs import PvsSiteView
from xenhost.pool.call import Ref


def sites(agent: HostAgent) -> Mapping[str, PvsSiteView]:
    """Of a host, by name."""
    assert agent.network is not None
    return {view.site.name: view for view in agent.network.pvs_sites()}


async def site(master: Master, name: str = "Paris") -> Ref:
    return await master.ref("PVS_site.introduce", name, "on the left bank", "8f1d")


async def server(master: Master, where: Ref, *addresses: str) -> Ref:
    given: list[str] = list(addresses)
    return await master.ref("PVS_server.introduce", given, 6910, 6930, where)


async def card(master: Master) -> tuple[Ref, Ref]:
    """A VM and its VIF."""
    vm = await master.ref("VM.create", RECORD)
    return vm, await master.ref("VIF.create", vif_record(vm, await network(master, "LAN")))


async def test_all_hosts_know_sites_and_servers(master: Master, tmp_path: Path) -> None:
    async with two(master, tmp_path) as agents:
        paris = await site(master)
        record = await master.call("PVS_site.get_record", paris)
        assert (record["name_label"], record["name_description"]) == ("Paris", "on the left bank")
        assert record["PVS_uuid"] == "8f1d"
        near = await server(master, paris, "192.0.2.9", "2001:db8::9", "192.0.2.9")
        told = await master.call("PVS_server.get_record", near)
        assert (told["addresses"], told["first_port"], told["last_port"]) == (("192.0.2.9", "2001:db8::9"), 6910, 6930)
        assert (told["site"], await master.call("PVS_site.get_servers", paris)) == (paris, (near,))
        for agent in agents:
            (own,) = sites(agent)["Paris"].servers
            assert [str(each) for each in own.addresses] == ["192.0.2.9", "2001:db8::9"]
        code = "PVS_SITE_CONTAINS_SERVERS"
        assert await master.refused(code, "PVS_site.forget", paris) == [code, near]
        await master.call("PVS_site.set_PVS_uuid", paris, "0a0b")
        for agent in agents:
            assert sites(agent)["Paris"].site.pvs_uuid == "0a0b"
            assert len(sites(agent)["Paris"].servers) == 1
    await master.until(lambda: not alive(master))
    async with reporting(tmp_path / "b", master) as here:
        await master.until(lambda: alive(master))
        rome = await site(master, "Rome")
        await master.call("PVS_server.forget", near)
        await master.call("PVS_site.forget", paris)
        assert set(sites(here)) == {"Rome"}
        async with reporting(tmp_path, master) as back:
            await master.until(lambda: set(sites(back)) == {"Rome"})
        assert list(master.database.rows("PVS_site")) == [rome]
        assert not master.database.rows("PVS_server")


async def test_a_server_is_somewhere(master: Master, agent: HostAgent) -> None:
    paris = await site(master)
    await server(master, paris, "192.0.2.9")
    code = "PVS_SERVER_ADDRESS_IN_USE"
    both: list[str] = ["192.0.2.8", "192.0.2.9"]
    assert await master.refused(code, "PVS_server.introduce", both, 6910, 6930, paris) == [code, "192.0.2.9"]
    code, call = "VALUE_NOT_SUPPORTED", "PVS_server.introduce"
    free: list[str] = ["192.0.2.8"]
    assert await master.refused(code, call, free, 0, 6930, paris) == [code, "first_port", "0", "Port out of range"]
    why = "last_port smaller than first_port"
    assert await master.refused(code, call, free, 6930, 6910, paris) == [code, "last_port", "6910", why]
    wrong: list[str] = ["somewhere"]
    code = "INVALID_IP_ADDRESS_SPECIFIED"
    assert await master.refused(code, call, wrong, 6910, 6930, paris) == [code, "addresses"]
    await master.refused("HANDLE_INVALID", call, free, 6910, 6930, "OpaqueRef:nothing")


async def test_a_proxy_begins_with_its_vif(master: Master, agent: HostAgent) -> None:
    paris, (vm, vif) = await site(master), await card(master)
    proxy = await master.ref("PVS_proxy.create", paris, vif)
    record = await master.call("PVS_proxy.get_record", proxy)
    assert (record["site"], record["VIF"], record["currently_attached"]) == (paris, vif, False)
    assert record["status"] == "stopped"
    assert sites(agent)["Paris"].proxies == ()
    await master.call("VM.start", vm, False, False)
    await master.until(lambda: sites(agent)["Paris"].proxies)
    ((own,),) = (view.proxies for view in sites(agent).values())
    assert (own.proxy.mac, own.proxy.devid) == (await master.call("VIF.get_MAC", vif), 0)
    await master.until(lambda: master.database.get("PVS_proxy", proxy)["currently_attached"] is own.attached)
    await master.call("PVS_proxy.destroy", proxy)
    assert sites(agent)["Paris"].proxies == ()
    assert await master.call("PVS_site.get_proxies", paris) == ()


async def test_a_proxy_of_a_vif_that_is_plugged(master: Master, agent: HostAgent) -> None:
    paris, (vm, vif) = await site(master), await card(master)
    await server(master, paris, "192.0.2.9")
    await master.call("VM.start", vm, False, False)
    proxy = await master.ref("PVS_proxy.create", paris, vif)
    ((own,),) = (view.proxies for view in sites(agent).values())
    record = await master.call("PVS_proxy.get_record", proxy)
    assert record["currently_attached"] is own.attached
    code = "PVS_PROXY_ALREADY_PRESENT"
    assert await master.refused(code, "PVS_proxy.create", paris, vif) == [code, proxy]
    await master.call("VM.hard_shutdown", vm)
    await master.until(lambda: not master.database.get("PVS_proxy", proxy)["currently_attached"])
    await master.call("PVS_server.forget", await running_server(master, paris))
    await master.call("PVS_site.forget", paris)
    assert not master.database.rows("PVS_proxy")
    assert sites(agent) == {}


async def running_server(master: Master, where: Ref) -> Ref:
    (found,) = await master.call("PVS_site.get_servers", where)
    return Ref(found)


async def test_a_site_with_proxies_that_run_stays_as_it_is(master: Master, agent: HostAgent) -> None:
    paris, (_, vif) = await site(master), await card(master)
    proxy = await master.ref("PVS_proxy.create", paris, vif)
    await master.database.change(lambda t: t.set("PVS_proxy", proxy, {"currently_attached": True}))
    code = "PVS_SITE_CONTAINS_RUNNING_PROXIES"
    assert await master.refused(code, "PVS_site.forget", paris) == [code, proxy]
    assert await master.refused(code, "PVS_site.set_PVS_uuid", paris, "x") == [code, proxy]


async def test_only_the_first_card_of_a_vm_has_a_proxy(master: Master, agent: HostAgent) -> None:
    paris, (vm, _) = await site(master), await card(master)
    second = await master.ref("VIF.create", vif_record(vm, await network(master, "another")))
    code = "PVS_VIF_MUST_BE_FIRST_DEVICE"
    assert await master.refused(code, "PVS_proxy.create", paris, second) == [code]


async def test_a_proxy_that_a_switch_cannot_have(
    master: Master, agent: HostAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    paris, (vm, vif) = await site(master), await card(master)
    await master.call("VM.start", vm, False, False)
    without(monkeypatch, SwitchFeature.PVS_PROXY)
    await master.refused("OPENVSWITCH_NOT_ACTIVE", "PVS_proxy.create", paris, vif)
    assert not master.database.rows("PVS_proxy")
    assert await master.call("PVS_site.get_proxies", paris) == ()
