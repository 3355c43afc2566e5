"""Networks, PIFs, bonds, VLANs, tunnels, SR-IOV and the management interface over gRPC."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from component.harness.agent import running
from component.harness.client import Client, refused
from component.harness.master import RecordingMaster
from xenhost.api.host.v1 import event_service_pb2, network_pb2
from xenhost.api.host.v1.bond_service_pb2 import (
    CreateBondRequest,
    DestroyBondRequest,
    GetBondRequest,
    ListBondsRequest,
    UpdateBondRequest,
)
from xenhost.api.host.v1.network_pb2 import (
    Bond,
    Ipv4Config,
    ManagementInterface,
    Network,
    NetworkSriov,
    Pif,
    Tunnel,
    Vlan,
)
from xenhost.api.host.v1.network_service_pb2 import (
    ConfirmManagementRequest,
    DestroyNetworkRequest,
    GetHostNetworkRequest,
    GetNetworkRequest,
    ListNetworksRequest,
    ReconfigureManagementRequest,
    ResetNetworkingRequest,
    SetIgmpSnoopingRequest,
    SetSwitchRequest,
    UpdateNetworkRequest,
)
from xenhost.api.host.v1.pif_service_pb2 import (
    ForgetPifRequest,
    GetPifRequest,
    IntroducePifRequest,
    ListPifsRequest,
    PlugPifRequest,
    ReconfigureIpRequest,
    ScanPifsRequest,
    UnplugPifRequest,
    UpdatePifRequest,
)
from xenhost.api.host.v1.sriov_service_pb2 import (
    CreateNetworkSriovRequest,
    DestroyNetworkSriovRequest,
    GetNetworkSriovRequest,
    ListNetworkSriovsRequest,
)
from xenhost.api.host.v1.tunnel_service_pb2 import (
    CreateTunnelRequest,
    DestroyTunnelRequest,
    GetTunnelRequest,
    ListTunnelsRequest,
    UpdateTunnelRequest,
)
from xenhost.api.host.v1.vlan_service_pb2 import (
    CreateVlanRequest,
    DestroyVlanRequest,
    GetVlanRequest,
    ListVlansRequest,
)
from xenhost.core.errors import XenhostError

CODE = grpc.StatusCode
DISABLED = network_pb2.EFFECTIVE_LOCKING_MODE_DISABLED
STATIC = Ipv4Config(mode="IPV4_MODE_STATIC", address="10.9.0.2/16", gateway="10.9.0.1", dns=["10.9.0.53"])


@pytest.fixture
def configuration() -> str:
    return "[sim]\nsriov = 8\n"


async def plugged(client: Client, *names: str) -> None:
    for name in names:
        await client.answer(client.pifs.PlugPif(PlugPifRequest(id=name)), Pif())


async def pif(client: Client, name: str) -> Pif:
    found: Pif = await client.pifs.GetPif(GetPifRequest(id=name))
    return found


async def management(client: Client) -> ManagementInterface:
    return (await client.host_network()).management


async def waits(client: Client) -> None:
    """Until a change of the management interface waits for its confirmation."""
    async with asyncio.timeout(30):
        while not (await management(client)).HasField("unconfirmed_until"):
            await asyncio.sleep(0.02)


async def failed(client: Client, operation: Any, reason: str) -> None:
    with pytest.raises(XenhostError) as caught:
        await client.answer(operation, Pif())
    assert caught.value.reason == reason


async def test_a_new_host_has_a_pif_and_a_network_for_each_card(client: Client) -> None:
    host = await client.host_network()
    assert [(pif.name, pif.kind, pif.plugged) for pif in host.pifs] == [
        (f"eth{number}", network_pb2.PIF_KIND_PHYSICAL, False) for number in range(4)
    ]
    assert {pif.network_id for pif in host.pifs} == {network.id for network in host.networks}
    assert all(pif.status.metrics.carrier and pif.status.metrics.speed_mbits == 10000 for pif in host.pifs)
    assert list(host.foreign_bridges) == ["xenbr0"]
    assert (host.switch, host.management.pif_id) == (network_pb2.SWITCH_KIND_SIM, "")


async def test_a_network_lives_its_life(client: Client) -> None:
    network = await client.create_network("LAN", mtu=9000, other_config={"a": "b"})
    assert (network.bridge, network.mtu, dict(network.other_config)) == ("xapi1", 9000, {"a": "b"})
    for name in ("LAN", network.bridge, network.id, network.id.upper()):
        assert (await client.networks.GetNetwork(GetNetworkRequest(id=name))).id == network.id
    changed = Network(
        id="LAN", name="WAN", mtu=1400, description="no", default_locking_mode="EFFECTIVE_LOCKING_MODE_DISABLED"
    )
    mask = FieldMask(paths=["name", "mtu", "default_locking_mode"])
    now = await client.answer(
        client.networks.UpdateNetwork(UpdateNetworkRequest(network=changed, update_mask=mask)), Network()
    )
    assert (now.name, now.mtu, now.description, dict(now.other_config)) == ("WAN", 1400, "", {"a": "b"})
    assert now.default_locking_mode == network_pb2.EFFECTIVE_LOCKING_MODE_DISABLED
    gone = await client.answer(client.networks.DestroyNetwork(DestroyNetworkRequest(id="WAN")), Network())
    assert gone == Network(id=network.id, name="WAN")
    error = await refused(client.networks.GetNetwork(GetNetworkRequest(id="WAN")), "HANDLE_INVALID", CODE.NOT_FOUND)
    assert error.values["class_name"] == "network"


async def test_networks_and_pifs_come_by_pages(client: Client) -> None:
    for number in range(3):
        await client.create_network(f"n{number}")
    names, token = [], ""
    while True:
        page = await client.networks.ListNetworks(ListNetworksRequest(page_size=2, page_token=token))
        names += [network.name for network in page.networks]
        assert len(page.networks) <= 2
        if not (token := page.next_page_token):
            break
    assert names[-3:] == ["n0", "n1", "n2"]
    assert len(names) == 7
    page = await client.pifs.ListPifs(ListPifsRequest(page_size=3))
    assert [pif.name for pif in page.pifs] == ["eth0", "eth1", "eth2"]
    page = await client.pifs.ListPifs(ListPifsRequest(page_token=page.next_page_token))
    assert [pif.name for pif in page.pifs] == ["eth3"]


async def test_the_same_request_is_done_once(client: Client) -> None:
    request_id = str(uuid4())
    request = PlugPifRequest(id="eth0", request_id=request_id)
    first, again = await client.pifs.PlugPif(request), await client.pifs.PlugPif(request)
    assert first.name == again.name
    other = PlugPifRequest(id="eth1", request_id=request_id)
    await refused(client.pifs.PlugPif(other), "INVALID_VALUE", CODE.INVALID_ARGUMENT)


async def test_a_pif_lives_its_life(client: Client) -> None:
    await plugged(client, "eth1")
    up = await pif(client, "eth1")
    assert (up.plugged, up.status.currently_attached, up.status.bridge) == (True, True, "xenbr1")
    await client.answer(client.pifs.ReconfigureIp(ReconfigureIpRequest(id="eth1", ipv4=STATIC)), Pif())
    up = await pif(client, up.id)
    assert (up.ipv4, list(up.status.ipv4_addresses)) == (STATIC, ["10.9.0.2/16"])
    change = Pif(id="eth1", other_config={"ethtool-tso": "off"}, disallow_unplug=True)
    mask = FieldMask(paths=["other_config", "disallow_unplug"])
    now = await client.answer(client.pifs.UpdatePif(UpdatePifRequest(pif=change, update_mask=mask)), Pif())
    assert (dict(now.other_config), now.disallow_unplug) == ({"ethtool-tso": "off"}, True)
    await refused(
        client.pifs.UnplugPif(UnplugPifRequest(id="eth1")), "PIF_DOES_NOT_ALLOW_UNPLUG", CODE.FAILED_PRECONDITION
    )
    allow = UpdatePifRequest(pif=Pif(id="eth1"), update_mask=FieldMask(paths=["disallow_unplug"]))
    await client.answer(client.pifs.UpdatePif(allow), Pif())
    down = await client.answer(client.pifs.UnplugPif(UnplugPifRequest(id="eth1")), Pif())
    assert (down.plugged, down.status.currently_attached) == (False, False)
    await client.answer(client.pifs.ForgetPif(ForgetPifRequest(id="eth1")), Pif())
    await refused(client.pifs.GetPif(GetPifRequest(id="eth1")), "HANDLE_INVALID", CODE.NOT_FOUND)
    mac = (await pif(client, "eth0")).mac
    await refused(
        client.pifs.IntroducePif(IntroducePifRequest(mac=mac)), "DUPLICATE_PIF_DEVICE_NAME", CODE.ALREADY_EXISTS
    )
    back = await client.answer(client.pifs.IntroducePif(IntroducePifRequest(device="eth1")), Pif())
    assert (back.name, back.managed) == ("eth1", True)
    await client.answer(client.pifs.ForgetPif(ForgetPifRequest(id="eth1")), Pif())
    await client.answer(client.pifs.ScanPifs(ScanPifsRequest()), ManagementInterface())
    assert (await pif(client, "eth1")).name == "eth1"


async def test_a_bond_lives_its_life(client: Client) -> None:
    await client.create_network("bonded")
    request = CreateBondRequest(network_id="bonded", member_pif_ids=["eth1", "eth2"], mode="BOND_MODE_LACP")
    bond = await client.answer(client.bonds.CreateBond(request), Bond())
    assert (bond.device, bond.mode, bond.auto_update_mac) == ("bond0", network_pb2.BOND_MODE_LACP, True)
    assert bond.properties["hashing_algorithm"] == "tcpudp_ports"
    assert bond.status.links_up == 2
    assert (await pif(client, "eth1")).status.bond_slave_of == bond.id
    for name in ("bond0", bond.id, bond.master_pif_id):
        assert (await client.bonds.GetBond(GetBondRequest(id=name))).id == bond.id
    await refused(client.bonds.GetBond(GetBondRequest(id="eth0")), "HANDLE_INVALID", CODE.NOT_FOUND)
    assert [each.device for each in (await client.bonds.ListBonds(ListBondsRequest())).bonds] == ["bond0"]
    change = Bond(id="bond0", mode="BOND_MODE_ACTIVE_BACKUP", member_pif_ids=["eth1", "eth2", "eth3"])
    mask = FieldMask(paths=["mode", "member_pif_ids"])
    now = await client.answer(client.bonds.UpdateBond(UpdateBondRequest(bond=change, update_mask=mask)), Bond())
    assert (now.mode, len(now.member_pif_ids)) == (network_pb2.BOND_MODE_ACTIVE_BACKUP, 3)
    assert [member.active for member in now.status.members] == [True, False, False]
    await refused(client.pifs.PlugPif(PlugPifRequest(id="eth1")), "CANNOT_PLUG_BOND_SLAVE", CODE.FAILED_PRECONDITION)
    gone = await client.answer(client.bonds.DestroyBond(DestroyBondRequest(id="bond0")), Bond())
    assert gone == Bond(id=bond.id, device="bond0")
    assert (await pif(client, "eth1")).status.bond_slave_of == ""


async def test_a_vlan_lives_its_life(client: Client) -> None:
    await client.create_network("offices")
    request = CreateVlanRequest(tagged_pif_id="eth0", tag=5, network_id="offices")
    vlan = await client.answer(client.vlans.CreateVlan(request), Vlan())
    assert (vlan.tag, vlan.id, vlan.tagged_pif_id) == (5, vlan.untagged_pif_id, (await pif(client, "eth0")).id)
    own = await pif(client, "eth0.5")
    assert (own.id, own.kind, own.device, own.status.vlan) == (vlan.id, network_pb2.PIF_KIND_VLAN, "eth0", 5)
    assert (await client.vlans.GetVlan(GetVlanRequest(id="eth0.5"))) == vlan
    await client.create_network("others")
    same = CreateVlanRequest(tagged_pif_id="eth0", tag=5, network_id="others")
    await refused(client.vlans.CreateVlan(same), "PIF_VLAN_EXISTS", CODE.ALREADY_EXISTS)
    for tag in (7, 6):
        other = CreateVlanRequest(tagged_pif_id="eth0", tag=tag, network_id=(await client.create_network(f"v{tag}")).id)
        await client.answer(client.vlans.CreateVlan(other), Vlan())
    assert [each.tag for each in (await client.vlans.ListVlans(ListVlansRequest())).vlans] == [5, 6, 7]
    page = await client.vlans.ListVlans(ListVlansRequest(page_size=2))
    assert [
        each.tag for each in (await client.vlans.ListVlans(ListVlansRequest(page_token=page.next_page_token))).vlans
    ] == [7]
    gone = await client.answer(client.vlans.DestroyVlan(DestroyVlanRequest(id="eth0.5")), Vlan())
    assert gone == Vlan(id=vlan.id)
    await refused(client.vlans.GetVlan(GetVlanRequest(id=vlan.id)), "HANDLE_INVALID", CODE.NOT_FOUND)


async def test_a_tunnel_lives_its_life(client: Client) -> None:
    await client.create_network("stretched")
    request = CreateTunnelRequest(
        transport_pif_id="eth0",
        network_id="stretched",
        protocol="TUNNEL_PROTOCOL_VXLAN",
        remotes=["10.9.0.3"],
    )
    await refused(client.tunnels.CreateTunnel(request), "TRANSPORT_PIF_NOT_CONFIGURED", CODE.FAILED_PRECONDITION)
    await client.answer(client.pifs.ReconfigureIp(ReconfigureIpRequest(id="eth0", ipv4=STATIC)), Pif())
    tunnel = await client.answer(client.tunnels.CreateTunnel(request), Tunnel())
    assert (list(tunnel.remotes), tunnel.key, tunnel.status.key != 0) == (["10.9.0.3"], 0, True)
    assert (await client.tunnels.GetTunnel(GetTunnelRequest(id="tunnel0"))).id == tunnel.id
    change = UpdateTunnelRequest(
        tunnel=Tunnel(id="tunnel0", remotes=["10.9.0.4"]), update_mask=FieldMask(paths=["remotes"])
    )
    now = await client.answer(client.tunnels.UpdateTunnel(change), Tunnel())
    assert list(now.remotes) == ["10.9.0.4"]
    assert [each.id for each in (await client.tunnels.ListTunnels(ListTunnelsRequest())).tunnels] == [tunnel.id]
    gone = await client.answer(client.tunnels.DestroyTunnel(DestroyTunnelRequest(id=tunnel.id)), Tunnel())
    assert gone == Tunnel(id=tunnel.id)


async def test_a_network_of_virtual_functions_lives_its_life(client: Client) -> None:
    await client.create_network("fast")
    request = CreateNetworkSriovRequest(physical_pif_id="eth3", network_id="fast")
    sriov = await client.answer(client.sriovs.CreateNetworkSriov(request), NetworkSriov())
    assert (sriov.status.capacity, sriov.configuration_mode) == (8, network_pb2.SRIOV_MODE_SYSFS)
    for name in ("eth3", sriov.id, sriov.logical_pif_id):
        assert (await client.sriovs.GetNetworkSriov(GetNetworkSriovRequest(id=name))).id == sriov.id
    assert len((await client.sriovs.ListNetworkSriovs(ListNetworkSriovsRequest())).sriovs) == 1
    gone = await client.answer(client.sriovs.DestroyNetworkSriov(DestroyNetworkSriovRequest(id="eth3")), NetworkSriov())
    assert gone == NetworkSriov(id=sriov.id)


async def test_management_moves_once_it_is_confirmed(client: Client) -> None:
    request = ReconfigureManagementRequest(pif_id="eth1", ipv4=STATIC)
    operation = await client.networks.ReconfigureManagement(request)
    await waits(client)
    await client.networks.ConfirmManagement(ConfirmManagementRequest())
    now = await client.answer(operation, ManagementInterface())
    assert (now.pif_id, now.HasField("unconfirmed_until")) == ((await pif(client, "eth1")).id, False)
    assert (await pif(client, "eth1")).management
    await client.networks.ConfirmManagement(ConfirmManagementRequest())  # nothing waits: no error


async def test_management_that_nobody_confirms_goes_back(client: Client) -> None:
    first = ReconfigureManagementRequest(pif_id="eth1", ipv4=STATIC, confirm_seconds=0)
    await client.answer(client.networks.ReconfigureManagement(first), ManagementInterface())
    before = await management(client)
    second = ReconfigureManagementRequest(pif_id="eth2", ipv4=Ipv4Config(mode="IPV4_MODE_DHCP"), confirm_seconds=1)
    with pytest.raises(XenhostError):
        await client.answer(client.networks.ReconfigureManagement(second), ManagementInterface())
    assert await management(client) == before
    assert (await pif(client, "eth2")).ipv4.mode == network_pb2.IPV4_MODE_NONE


async def test_the_master_confirms_by_being_reached(tmp_path: Path) -> None:
    master = RecordingMaster()
    address = await master.start(f"unix:{tmp_path}/master.sock")
    async with running(tmp_path, f'[master]\naddress = "{address}"\n') as agent, agent.client() as client:
        await master.heard(lambda m: bool(m.of_kind("heartbeat")))
        registered = len(master.registrations)
        request = ReconfigureManagementRequest(pif_id="eth1", ipv4=STATIC)
        now = await client.answer(client.networks.ReconfigureManagement(request), ManagementInterface())
        assert now.pif_id == (await pif(client, "eth1")).id
        assert len(master.registrations) > registered
    await master.stop()


async def test_the_master_hears_of_networks_and_of_what_changes(tmp_path: Path) -> None:
    master = RecordingMaster()
    address = await master.start(f"unix:{tmp_path}/master.sock")
    async with running(tmp_path, f'[master]\naddress = "{address}"\n') as agent, agent.client() as client:
        await master.heard(lambda m: bool(m.of_kind("heartbeat")))
        first = master.of_kind("snapshot")[0].snapshot
        assert [pif.name for pif in first.network.pifs] == ["eth0", "eth1", "eth2", "eth3"]
        assert first.network.pifs[0].status.metrics.carrier
        network = await client.create_network("offices")
        request = CreateVlanRequest(tagged_pif_id="eth0", tag=5, network_id="offices")
        await client.answer(client.vlans.CreateVlan(request), Vlan())
        await plugged(client, "eth0.5")

        def told(m: RecordingMaster) -> bool:
            reports = [report.changes for report in m.of_kind("changes")]
            names = {each.name for changes in reports for each in changes.pifs if each.status.currently_attached}
            networks = {each.id for changes in reports for each in changes.networks}
            tags = {each.tag for changes in reports for each in changes.vlans}
            return "eth0.5" in names and network.id in networks and 5 in tags

        await master.heard(told)
        others = {each.name for report in master.of_kind("changes") for each in report.changes.pifs} - {
            "eth0",
            "eth0.5",
        }
        assert not others
    await master.stop()


async def test_what_changes_is_an_event(client: Client) -> None:
    kinds = [event_service_pb2.OBJECT_KIND_PIF, event_service_pb2.OBJECT_KIND_NETWORK]
    stream = client.events.WatchEvents(event_service_pb2.WatchEventsRequest(kinds=kinds))
    await stream.read()
    network = await client.create_network("LAN")
    await plugged(client, "eth2")
    wanted = {(network.id, event_service_pb2.CHANGE_KIND_ADDED)}
    wanted |= {((await pif(client, "eth2")).id, event_service_pb2.CHANGE_KIND_MODIFIED)}
    async with asyncio.timeout(30):
        while wanted:
            message = await stream.read()
            wanted -= {(event.id, event.change) for event in message.events}
    stream.cancel()


async def test_a_reset_leaves_one_card_with_an_address(client: Client) -> None:
    await client.create_network("bonded")
    request = CreateBondRequest(network_id="bonded", member_pif_ids=["eth0", "eth1"])
    await client.answer(client.bonds.CreateBond(request), Bond())
    reset = ResetNetworkingRequest(device="eth1", ipv4=STATIC)
    now = await client.answer(client.networks.ResetNetworking(reset), ManagementInterface())
    host = await client.host_network()
    assert (now.pif_id, list(host.bonds)) == ((await pif(client, "eth1")).id, [])
    assert list((await pif(client, "eth1")).status.ipv4_addresses) == ["10.9.0.2/16"]
    wrong = ResetNetworkingRequest(device="eth9", ipv4=STATIC)
    await refused(client.networks.ResetNetworking(wrong), "PIF_DEVICE_NOT_FOUND", CODE.NOT_FOUND)


async def test_the_switch_changes_only_while_nothing_is_plugged(client: Client) -> None:
    await plugged(client, "eth0")
    bridge = SetSwitchRequest(switch="SWITCH_KIND_BRIDGE")
    await refused(client.networks.SetSwitch(bridge), "NETWORK_CONTAINS_PIF", CODE.FAILED_PRECONDITION)
    await client.answer(client.pifs.UnplugPif(UnplugPifRequest(id="eth0")), Pif())
    await client.answer(client.networks.SetSwitch(bridge), ManagementInterface())
    assert (await client.host_network()).switch == network_pb2.SWITCH_KIND_BRIDGE
    await client.answer(client.networks.SetIgmpSnooping(SetIgmpSnoopingRequest(enabled=True)), ManagementInterface())


async def test_networks_are_there_again_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as agent, agent.client() as client:
        await plugged(client, "eth0")
        await client.create_network("LAN")
    async with running(tmp_path) as agent, agent.client() as client:
        assert (await pif(client, "eth0")).status.currently_attached
        assert (await client.networks.GetNetwork(GetNetworkRequest(id="LAN"))).name == "LAN"


async def test_networks_that_are_not_ours_are_refused_in_words(tmp_path: Path) -> None:
    async with running(tmp_path, "[network]\nmanage = false\n") as agent, agent.client() as client:
        listing = client.networks.ListNetworks(ListNetworksRequest())
        error = await refused(listing, "OPERATION_NOT_ALLOWED", CODE.FAILED_PRECONDITION)
        assert "[network] manage" in str(error)
        with pytest.raises(grpc.aio.AioRpcError):
            await client.networks.GetHostNetwork(GetHostNetworkRequest()).read()
        await client.create(name="one")
