from typing import Any

import pytest

from xenhost.core.storage import Capability
from xenhost.sm.smapiv1.info import InfoError, parse

GOOD: dict[str, Any] = {
    "name": "n",
    "description": "d",
    "vendor": "v",
    "copyright": "c",
    "driver_version": "1.0",
    "required_api_version": "1.1",
    "capabilities": ["VDI_CREATE", "VDI_RESET_ON_BOOT/2", "VDI_RESET_ON_BOOT", "MAKES_COFFEE"],
    "configuration": [
        {"key": "server", "description": "a host (required)"},
        {"key": "cifspassword", "description": "of the user"},
    ],
}


def test_capabilities_have_versions_and_unknown_ones_are_kept_out() -> None:
    info, unknown = parse("x", "/opt/xensource/sm/XSR", GOOD)
    assert info.capabilities[Capability.VDI_RESET_ON_BOOT] == 2
    assert info.can(Capability.VDI_CREATE)
    assert not info.can(Capability.VDI_CREATE, 2)
    assert unknown == ("MAKES_COFFEE",)
    assert info.filename == "/opt/xensource/sm/XSR"


def test_what_every_driver_can_do_need_not_be_declared() -> None:
    info, _ = parse("x", "", GOOD)
    assert all(info.can(cap) for cap in (Capability.SR_CREATE, Capability.SR_ATTACH, Capability.SR_SCAN))


def test_atomic_pause_means_activate_and_deactivate() -> None:
    info, unknown = parse("x", "", GOOD | {"capabilities": ["ATOMIC_PAUSE"]})
    assert info.can(Capability.VDI_ACTIVATE)
    assert info.can(Capability.VDI_DEACTIVATE)
    assert unknown == ()


def test_keys_of_device_config_are_required_or_secret() -> None:
    info, _ = parse("x", "", GOOD)
    assert [(key.name, key.required, key.secret) for key in info.configuration] == [
        ("server", True, False),
        ("cifspassword", False, True),
    ]


@pytest.mark.parametrize(
    "untrusted",
    [
        None,
        "text",
        {},
        GOOD | {"name": 3},
        GOOD | {"name": "x" * 2000},
        GOOD | {"capabilities": "VDI_CREATE"},
        GOOD | {"capabilities": ["VDI_CREATE"] * 1000},
        GOOD | {"configuration": ["server"]},
        GOOD | {"configuration": [{"key": "server"}]},
    ],
)
def test_a_plugin_that_does_not_say_what_it_is_is_broken(untrusted: Any) -> None:
    with pytest.raises(InfoError):
        parse("x", "", untrusted)
