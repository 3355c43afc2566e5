"""What Open vSwitch's rules live through, with the switch of Debian's kernel, which remembers packets on its own."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from component.network import test_ovs_daemons as tests
from contract.switch_ovs import OvsGround, kernel_modules, standing
from kit.openvswitch import KernelOvsDaemons


@pytest.fixture(scope="module", autouse=True)
def modules() -> Iterator[None]:
    with kernel_modules():
        yield


@pytest.fixture
async def ground() -> AsyncIterator[OvsGround]:
    with tempfile.TemporaryDirectory(prefix="ovs") as folder:
        async with standing(KernelOvsDaemons(Path(folder)), {}) as ground:
            yield ground


@pytest.mark.parametrize(
    "test",
    [
        tests.test_rules_are_back_before_a_new_vswitchd_forwards_anything,
        tests.test_a_new_vswitchd_waits_for_an_agent_that_is_gone_too,
        tests.test_a_new_ovsdb_server_is_found,
        tests.test_a_secure_bridge_keeps_dom0_reachable_and_nobody_else,
        tests.test_a_bridge_becomes_a_vlan_and_back_under_a_locked_guest,
        tests.test_no_forged_frame_passes_while_a_vif_is_locked_and_moved,
    ],
    ids=lambda test: test.__name__,
)
async def test_with_the_kernels_switch(test: Callable[[OvsGround], Awaitable[None]], ground: OvsGround) -> None:
    await test(ground)
