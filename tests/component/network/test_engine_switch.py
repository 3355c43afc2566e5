"""The network engine and its switch, in a network namespace: Linux bridges, and Open vSwitch in user space."""

import asyncio
import os
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from component.harness.pki import Authority
from component.network import switch_change
from component.network.engine_host import static
from component.network.host_under_test import addresses_of
from kit.netns import Peer, run
from kit.nic_tree import NicTree
from kit.openvswitch import OvsDaemons
from xenhost.core.network import SslFiles, SwitchKind
from xenhost.core.network_errors import OpenvswitchNotActive
from xenhost.core.network_records import ControllerProtocol, NetworkId
from xenhost.core.network_requests import (
    ForgetController,
    IntroduceController,
    ReconfigureManagement,
    SetNetworkId,
    SetSwitch,
)
from xenhost.core.views import OperationState

PEER = "192.0.2.1"
NEW = NetworkId("5a000000-0000-4000-8000-000000000077")
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: needs root"),
    pytest.mark.timeout(240),
]


@pytest.fixture
def folder(peer: Peer, tmp_path: Path) -> Path:
    """A host with two cards, eth0 and eth1, each wired to the peer."""
    tree = NicTree(tmp_path / "sys")
    for number in range(2):
        peer.wire(f"eth{number}", f"far{number}", here_mac=f"52:54:00:00:00:0{number}", up=False)
        with peer.inside():
            run("ip", "link", "set", f"far{number}", "up")
        tree.pci(f"eth{number}", f"0000:0{number + 1}:00.0")
    peer.address("far0", f"{PEER}/24")
    return tmp_path


@pytest.fixture
def daemons(peer: Peer) -> Iterator[OvsDaemons]:
    with tempfile.TemporaryDirectory(prefix="ovs") as place:
        made = OvsDaemons(Path(place))
        made.start()
        yield made
        made.stop()


async def test_the_switch_changes_there_and_back(folder: Path, daemons: OvsDaemons) -> None:
    await switch_change.there_and_back(folder, daemons, PEER)


@pytest.mark.parametrize("kind", [SwitchKind.BRIDGE, SwitchKind.OPENVSWITCH])
async def test_a_network_gets_the_uuid_of_another_hosts_and_nobody_notices(
    folder: Path, daemons: OvsDaemons, kind: SwitchKind
) -> None:
    async with switch_change.living(folder, daemons) as host:
        if kind is SwitchKind.OPENVSWITCH:
            await host.succeed(SetSwitch(kind))
        eth0, address = host.engine.find_pif("eth0"), "192.0.2.10/24"
        await host.succeed(ReconfigureManagement(eth0, ipv4=static(address), confirm_seconds=0))
        view = host.engine.pif(eth0)
        before = run("ip", "-o", "link", "show", view.bridge).split()[:2]
        assert await switch_change.reached(PEER)
        await host.succeed(SetNetworkId(view.pif.network, NEW))
        assert host.engine.pif(eth0).pif.network == NEW
        assert (addresses_of(view.bridge), host.engine.pif(eth0).problem) == ({address}, "")
        assert run("ip", "-o", "link", "show", view.bridge).split()[:2] == before
        if kind is SwitchKind.OPENVSWITCH:
            assert NEW in daemons.vsctl("br-get-external-id", view.bridge)
    async with switch_change.living(folder, daemons) as host:
        assert host.engine.pif(eth0).pif.network == NEW
        assert await switch_change.reached(PEER)


async def test_the_switch_stays_while_other_pifs_are_plugged(folder: Path, daemons: OvsDaemons) -> None:
    await switch_change.not_while_others_are_plugged(folder, daemons, PEER)


async def test_a_switch_that_is_not_there_is_not_taken(folder: Path, daemons: OvsDaemons) -> None:
    await switch_change.a_switch_that_is_not_there_is_not_taken(folder, daemons, PEER)


async def calls(trusts: ssl.SSLContext) -> bytes:
    """What ovsdb-server answers an SDN controller that calls it."""
    async with asyncio.timeout(30):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", 6640, ssl=trusts)
            except (ConnectionRefusedError, ssl.SSLError):  # it listens a moment later, and has its keys after that
                await asyncio.sleep(0.1)
                continue
            writer.write(b'{"method":"list_dbs","params":[],"id":0}')
            answer = await reader.read(1000)
            writer.close()
            return answer


async def test_an_sdn_controller_is_let_in_again_after_a_boot(folder: Path, daemons: OvsDaemons) -> None:
    pool = Authority(folder / "pool", "pool CA")
    host_keys, mine = pool.issue("host"), pool.issue("controller")
    keys = SslFiles(str(host_keys.key), str(host_keys.cert), str(host_keys.ca))
    trusts = ssl.create_default_context(cafile=str(pool.ca))
    trusts.load_cert_chain(mine.cert, mine.key)
    trusts.check_hostname = False
    async with switch_change.living(folder, daemons, keys) as host:
        with pytest.raises(OpenvswitchNotActive):
            await host.engine.submit(IntroduceController(ControllerProtocol.PSSL))
        await host.succeed(SetSwitch(SwitchKind.OPENVSWITCH))
        await host.succeed(IntroduceController(ControllerProtocol.PSSL))
        assert b"Open_vSwitch" in await calls(trusts)
    daemons.stop()
    (daemons.rundir / "conf.db").unlink()
    daemons.start()
    assert daemons.vsctl("get-manager") == ""
    async with switch_change.living(folder, daemons, keys) as host:
        assert b"Open_vSwitch" in await calls(trusts)
        (view,) = host.engine.controllers()
        assert (view.controller.target, view.problem) == ("pssl:6640", "")
        with pytest.raises(OpenvswitchNotActive, match="forget it first"):
            await host.engine.submit(SetSwitch(SwitchKind.BRIDGE))
        await host.succeed(ForgetController(view.controller.id))
        assert daemons.vsctl("get-manager") == ""


async def test_a_controller_without_keys_is_refused_and_nothing_is_left(folder: Path, daemons: OvsDaemons) -> None:
    async with switch_change.living(folder, daemons) as host:
        await host.succeed(SetSwitch(SwitchKind.OPENVSWITCH))
        operation = await host.do(IntroduceController(ControllerProtocol.PSSL))
        assert (operation.state, "controller_key" in str(operation.error)) == (OperationState.FAILED, True)
        assert (host.engine.controllers(), daemons.vsctl("get-manager")) == ([], "")
