"""What the keys of a PIF come to."""

import pytest

from xenhost.core.errors import InvalidValue
from xenhost.core.network import NicSettings
from xenhost.core.network_settings import nic_settings


def test_without_keys_gro_is_on_and_lro_is_off_and_the_rest_is_the_drivers() -> None:
    assert nic_settings({}, {}, 9000) == NicSettings(mtu=9000, offload={"gro": True, "lro": False})


def test_gro_of_the_properties_counts_unless_other_config_has_it() -> None:
    assert nic_settings({"gro": "off"}, {}, 1500).offload["gro"] is False
    assert nic_settings({"gro": "off"}, {"ethtool-gro": "on"}, 1500).offload["gro"] is True


@pytest.mark.parametrize(("word", "value"), [("on", True), ("true", True), ("off", False), ("false", False)])
def test_every_offload_can_be_switched_with_either_word(word: str, value: bool) -> None:
    names = ("rx", "tx", "sg", "tso", "ufo", "gso", "gro", "lro")
    assert nic_settings({}, {f"ethtool-{name}": word for name in names}, 1500).offload == dict.fromkeys(names, value)


def test_link_settings_are_read() -> None:
    found = nic_settings(
        {},
        {
            "ethtool-speed": "1000",
            "ethtool-duplex": "full",
            "ethtool-autoneg": "off",
            "ethtool-advertise": "0x1020",
            "mtu": "9216",
        },
        1500,
    )
    assert (found.speed, found.duplex, found.autoneg, found.advertise, found.mtu) == (1000, "full", False, 0x1020, 9216)


def test_keys_of_others_are_ignored() -> None:
    assert nic_settings({"x": "y"}, {"domain": "example", "ethtool-": "x", "bond-mode": "1"}, 1500) == nic_settings(
        {}, {}, 1500
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ethtool-tso", "yes"),
        ("ethtool-tso", ""),
        ("ethtool-autoneg", "1"),
        ("ethtool-duplex", "both"),
        ("ethtool-speed", "0"),
        ("ethtool-speed", "-10"),
        ("ethtool-speed", "fast"),
        ("ethtool-speed", "1" * 5000),
        ("ethtool-speed", "\u0661"),
        ("ethtool-advertise", "20"),
        ("ethtool-advertise", "0x"),
        ("ethtool-advertise", "0x0"),
        ("ethtool-advertise", "0xfg"),
        ("mtu", "67"),
        ("mtu", "65536"),
        ("mtu", "1500\n"),
    ],
)
def test_a_wrong_value_is_refused_with_its_field(key: str, value: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        nic_settings({}, {key: value}, 1500)
    assert refused.value.values["field"] == f"other_config:{key}"
    assert refused.value.values["value"] == value


def test_a_wrong_property_is_refused_with_its_field() -> None:
    with pytest.raises(InvalidValue, match=r"properties:gro is 'maybe'; use on, true, off or false"):
        nic_settings({"gro": "maybe"}, {}, 1500)
