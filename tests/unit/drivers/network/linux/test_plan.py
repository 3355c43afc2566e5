"""Plans of the Linux switch: on a model of the kernel, every wish comes true and stays true."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given, settings
from hypothesis import strategies as st

from unit.drivers.network.linux.kernel_model import ModelKernel
from xenhost.core.network import (
    BondMode,
    BondUplink,
    Bridge,
    NicUplink,
    Topology,
    TunnelProtocol,
    TunnelUplink,
    Uplink,
    VlanUplink,
)
from xenhost.drivers.network.linux.links import DOOMED_GROUP, OWN_ALIAS, OWN_GROUP, Link
from xenhost.drivers.network.linux.plan import Attach, Create, Delete, Detach, Remode, Remotes, bridge_mac, plan

NICS = ("eth0", "eth1", "eth2", "eth3")
HOST = "a host"


def kernel(*more: Link) -> ModelKernel:
    """With four cards."""
    cards = [Link(number, name, mtu=1500, mac=f"00:16:3e:00:00:0{number}") for number, name in enumerate(NICS, 1)]
    return ModelKernel(*cards, *more)


def applied(on: ModelKernel, topology: Topology) -> list[str]:
    """Do what is planned; the problems."""
    made = plan(topology, on.all(), HOST)
    on.do(made.actions)
    return [each.message for each in made.problems]


def again(on: ModelKernel, topology: Topology) -> list[object]:
    """What is planned once more: nothing but looking at the remotes of tunnels."""
    return [each for each in plan(topology, on.all(), HOST).actions if not isinstance(each, Remotes)]


uplinks = st.one_of(
    st.none(),
    st.builds(NicUplink, st.sampled_from(NICS)),
    st.builds(
        BondUplink,
        st.sampled_from(("bond0", "bond1")),
        st.lists(st.sampled_from(NICS), min_size=1, max_size=3, unique=True).map(tuple),
        st.sampled_from(BondMode),
        st.just("00:16:3e:b0:00:00"),
        st.dictionaries(st.sampled_from(("lacp-time", "updelay", "miimon")), st.sampled_from(("fast", "100", "x"))),
    ),
    st.builds(VlanUplink, st.just("br0"), st.sampled_from((*NICS, "bond0", "gone9")), st.integers(0, 3)),
    st.builds(
        TunnelUplink,
        st.sampled_from(TunnelProtocol),
        st.lists(st.sampled_from([IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")]), unique=True).map(tuple),
        st.integers(1, 3),
        st.sampled_from([None, IPv4Address("10.0.0.9")]),
    ),
)


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """A few bridges; a bond is on one of them only."""
    bridges: list[Bridge] = []
    used: set[object] = set()
    for name in draw(st.lists(st.sampled_from([f"br{n}" for n in range(6)]), unique=True)):
        uplink: Uplink | None = draw(uplinks)
        what = (type(uplink), getattr(uplink, "device", getattr(uplink, "tag", None)))
        if isinstance(uplink, BondUplink | VlanUplink):
            if what in used:
                continue
            used.add(what)
        bridges.append(Bridge(name, f"net-{name}", uplink, mtu=draw(st.sampled_from((1500, 9000)))))
    return Topology(tuple(bridges))


@settings(max_examples=60)
@given(st.lists(topologies(), min_size=1, max_size=4))
def test_every_wish_comes_true_from_whatever_was_there(wishes: list[Topology]) -> None:
    on = kernel()
    for wish in wishes:
        applied(on, wish)
        assert again(on, wish) == []
        assert {each.name for each in wish.bridges} == {each.name for each in on.all() if each.kind == "bridge"}


@settings(max_examples=60)
@given(st.lists(topologies(), max_size=3))
def test_nothing_of_ours_stays_when_nothing_is_wished(wishes: list[Topology]) -> None:
    on = kernel()
    for wish in wishes:
        applied(on, wish)
    applied(on, Topology())
    assert {each.name for each in on.all()} == set(NICS)
    assert not any(each.master for each in on.all())


@settings(max_examples=60)
@given(st.lists(topologies(), max_size=3))
def test_what_others_made_is_never_touched(wishes: list[Topology]) -> None:
    bridge = Link(50, "br5", "bridge", up=True, mtu=1500)
    card = Link(51, "eth9", up=True, mtu=1500, master=50, port_of="bridge", port={"priority": 32})
    vlan = Link(52, "eth0.2", "vlan", up=True, mtu=1500, parent=1, options={"vlan_id": 2})
    on = kernel(bridge, card, vlan)
    for wish in wishes:
        made = plan(wish, on.all(), HOST)
        assert not {each.device for each in made.actions} & {"br5", "eth9", "eth0.2"}
        for action in made.actions:
            assert not isinstance(action, Delete) or not {"br5", "eth9", "eth0.2"} & set(action.devices)
        assert not any(isinstance(each, Attach) and each.bridge == "br5" for each in made.actions)
        assert all(each.message for each in made.problems)
        on.do(made.actions)


def test_port_that_somebody_added_stays() -> None:
    on = kernel()
    wish = Topology((Bridge("br0", "net", NicUplink("eth0")),))
    applied(on, wish)
    bridge = on.links["br0"]
    on.links["tun7"] = Link(70, "tun7", "tun", up=True, master=bridge.index, port_of="bridge", port={"priority": 32})
    assert again(on, wish) == []
    assert again(on, Topology((Bridge("br0", "net"),))) == [Detach("eth0", "eth0", down=True)]


def test_foreign_vlan_is_not_stolen() -> None:
    on = kernel(Link(60, "storage", "vlan", mtu=1500, parent=1, options={"vlan_id": 5}))
    wish = Topology((Bridge("br0", "a", NicUplink("eth0")), Bridge("br1", "b", VlanUplink("br0", "eth0", 5))))
    (problem,) = applied(on, wish)
    assert "VLAN 5 of eth0 is in use: storage" in problem
    assert on.links["storage"].master == 0
    assert "br1" in on.links


def test_vlan_gets_another_name_if_its_usual_one_is_taken_or_too_long() -> None:
    long = "enp130s0f1np1"
    on = kernel(Link(60, "eth0.5", "dummy", mtu=1500), Link(61, long, mtu=1500))
    wish = Topology(
        (
            Bridge("br1", "b", VlanUplink("br0", "eth0", 5)),
            Bridge("br2", "c", VlanUplink("br0", long, 1234)),
        )
    )
    assert applied(on, wish) == []
    names = [each.name for each in on.all() if each.kind == "vlan"]
    assert len(names) == 2
    assert all(each.startswith("xv") and len(each) <= 15 for each in names)
    assert again(on, wish) == []


def test_other_mode_keeps_the_bond_and_its_vlans() -> None:
    on = kernel()

    def wish(mode: BondMode) -> Topology:
        bond = BondUplink("bond0", ("eth0", "eth1"), mode, "00:16:3e:b0:00:00")
        return Topology((Bridge("br0", "a", bond), Bridge("br1", "b", VlanUplink("br0", "bond0", 5))))

    applied(on, wish(BondMode.LACP))
    made = plan(wish(BondMode.ACTIVE_BACKUP), on.all(), HOST)
    assert [type(each) for each in made.actions if isinstance(each, Remode | Create | Delete | Detach)] == [Remode]


def test_what_an_agent_was_removing_when_it_died_is_made_anew() -> None:
    on = kernel(Link(60, "br0", "bridge", up=True, mtu=1500, alias=OWN_ALIAS + "net", group=DOOMED_GROUP))
    wish = Topology((Bridge("br0", "net"),))
    assert applied(on, wish) == []
    assert on.links["br0"].group == OWN_GROUP


def test_bridge_without_a_wished_mac_address_has_one_of_its_host() -> None:
    bridge = Bridge("br0", "net")
    assert bridge_mac(bridge, "one") == bridge_mac(bridge, "one") != bridge_mac(bridge, "two")
    assert int(bridge_mac(bridge, "one")[:2], 16) & 3 == 2


def test_card_that_is_wanted_twice_is_a_problem() -> None:
    on = kernel()
    wish = Topology((Bridge("br0", "a", NicUplink("eth0")), Bridge("br1", "b", NicUplink("eth0"))))
    assert applied(on, wish) == ["eth0 is wanted in two places"]


def test_tunnel_with_addresses_of_both_families_is_a_problem() -> None:
    tunnel = TunnelUplink(TunnelProtocol.VXLAN, (IPv4Address("10.0.0.1"),), 7, local=IPv6Address("fd00::1"))
    on = kernel()
    assert applied(on, Topology((Bridge("br0", "a", tunnel),))) == [
        "a tunnel has either IPv4 or IPv6 addresses, not both"
    ]
    assert "br0" in on.links
