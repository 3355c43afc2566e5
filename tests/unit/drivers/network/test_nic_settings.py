"""What of a card's settings is changed."""

from xenhost.core.network import NicSettings
from xenhost.drivers.network.nics.ethtool import Features, LinkChange, LinkModes
from xenhost.drivers.network.nics.settings import plan_features, plan_link, unmet_features

TSO, ECN, TSO6 = "tx-tcp-segmentation", "tx-tcp-ecn-segmentation", "tx-tcp6-segmentation"
MANGLE = "tx-tcp-mangleid-segmentation"
TX = "tx-checksum-ip-generic"
GIGABIT = LinkModes(speed=1000, duplex="full", autoneg=True, advertised=0x20EF)


def _features(changeable: set[str], wanted: set[str], active: set[str] | None = None) -> Features:
    return Features(frozenset(changeable), frozenset(wanted), frozenset(wanted if active is None else active))


def test_a_short_name_switches_the_features_behind_it_that_the_driver_can() -> None:
    now = _features({TSO, TSO6, TX}, {TSO, TX})
    assert plan_features(now, {"tso": False}) == {TSO: False}
    assert plan_features(now, {"tso": True}) == {TSO6: True}
    assert plan_features(now, {"tx": False, "tso": False}) == {TX: False, TSO: False}


def test_what_is_as_wanted_is_not_asked_for() -> None:
    now = _features({TSO, TX, "rx-gro"}, {TSO, "rx-gro"})
    assert plan_features(now, {"tso": True, "tx": False, "gro": True, "lro": False}) == {}
    assert unmet_features(now, {"tso": True, "tx": False, "gro": True, "lro": False}) == []


def test_segmentation_that_breaks_identifiers_is_never_switched_on_but_off() -> None:
    assert plan_features(_features({TSO, MANGLE}, set()), {"tso": True}) == {TSO: True}
    assert plan_features(_features({TSO, MANGLE}, {MANGLE}), {"tso": False}) == {MANGLE: False}


def test_what_the_card_cannot_is_unmet() -> None:
    fixed = _features(set(), {"rx-checksum"})
    assert unmet_features(fixed, {"rx": False, "lro": True, "ufo": False}) == ["rx off", "lro on"]


def test_a_feature_that_waits_for_another_one_is_unmet_each_time() -> None:
    now = _features({TSO, ECN, TX}, {TSO, ECN}, {ECN})
    assert plan_features(now, {"tso": True}) == {}
    assert unmet_features(now, {"tso": True}) == ["tso on"]


def test_a_link_as_wanted_is_left_alone() -> None:
    forced = LinkModes(speed=100, duplex="half", autoneg=False, advertised=0)
    assert plan_link(forced, NicSettings(speed=100, duplex="half", autoneg=False)) is None
    assert plan_link(GIGABIT, NicSettings(autoneg=True)) is None
    assert plan_link(GIGABIT, NicSettings(advertise=0x2F)) is None


def test_a_forced_link_is_negotiated_no_more() -> None:
    change = plan_link(GIGABIT, NicSettings(speed=100, duplex="full", autoneg=False))
    assert change == LinkChange(speed=100, autoneg=False)


def test_a_speed_that_is_negotiated_is_the_kernels_to_offer() -> None:
    assert plan_link(GIGABIT, NicSettings(speed=1000)) == LinkChange(speed=1000)


def test_offered_modes_keep_ports_and_pauses() -> None:
    change = plan_link(GIGABIT, NicSettings(advertise=0x8))
    assert change == LinkChange(advertised=0x20C8)
