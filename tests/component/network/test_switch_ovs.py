"""The promises of the switch port on Open vSwitch with its switch in user space, which needs no kernel module."""

import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from contract.switch import PROMISES, Promise, keep, name_of
from contract.switch_ovs import OvsGround, standing
from kit.openvswitch import OvsDaemons

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: needs root"),
    pytest.mark.timeout(120),
]
_CHECKSUMS: Final = "a veth leaves checksums to a card that is not there, and the switch in user space looks at them"
HERE_NOT: Final = {
    "vxlan_carries_frames": _CHECKSUMS,
    "vxlan_keeps_remotes_apart": _CHECKSUMS,
    "vxlan_remotes_come_and_go": _CHECKSUMS,
    "vxlan_carries_frames_over_ipv6": _CHECKSUMS,
    "vxlan_over_ipv6_adds_70_bytes": _CHECKSUMS,
    "tunnel_goes_and_is_found_again": _CHECKSUMS,
    "lacp_key_is_told_to_the_partner": "this kernel has no bonding to be the partner",
    "lacp_works_again_when_its_partner_comes_and_goes": "this kernel has no bonding to be the partner",
    "lacp_finds_its_partner": "this kernel has no bonding to be the partner",
    "mode_changes_under_guests": "this kernel has no bonding to be the partner",
}


@pytest.fixture
async def ground() -> AsyncIterator[OvsGround]:
    with tempfile.TemporaryDirectory(prefix="ovs") as folder:  # short: a socket's path has 107 characters
        async with standing(OvsDaemons(Path(folder)), HERE_NOT) as ground:
            yield ground


@pytest.mark.parametrize("promise", PROMISES, ids=name_of)
async def test_promise(promise: Promise, ground: OvsGround) -> None:
    await keep(promise, ground)
