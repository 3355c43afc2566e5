"""SDN controllers of Open vSwitch: real TLS, and one that changes the database. The switch is in user space."""

import asyncio
import contextlib
import json
import os
import ssl
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from component.harness.pki import Authority
from contract.switch_ground import DEADLINE
from contract.switch_ovs import OvsGround, standing
from kit.openvswitch import OvsDaemons
from xenhost.api.tls_files import TlsFiles
from xenhost.core.network import CONTROLLERS, Bridge, SslFiles, Topology
from xenhost.drivers.network.ovs.switch import OvsSwitch

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: needs root"),
    pytest.mark.timeout(120),
]
NET: Final = "6c1e4b1e-0000-4000-8000-00000000000a"
BRIDGES: Final = (Bridge("xapi0", NET),)
PORT: Final = 6632


class Site:
    """A host whose keys the pool's CA has signed, and where a controller may listen."""

    def __init__(self, ground: OvsGround, folder: Path) -> None:
        self.ground: Final = ground
        self.pool: Final = Authority(folder / "pool", "pool CA")
        keys = self.pool.issue("host")
        self.ssl: Final = SslFiles(str(keys.key), str(keys.cert), str(keys.ca))
        ground.ssl = self.ssl

    async def states(self) -> dict[str, bool]:
        """Which controllers there are, and whether they are connected."""
        return {each.target: each.connected for each in await self.ground.switch.controllers()}

    async def until(self, wanted: dict[str, bool]) -> None:
        """Wait for that."""
        async with asyncio.timeout(DEADLINE):
            while await self.states() != wanted:
                await asyncio.sleep(0.05)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    with tempfile.TemporaryDirectory(prefix="ovs") as folder:
        async with standing(OvsDaemons(Path(folder)), {}) as ground:
            made = Site(ground, tmp_path)
            await ground.restart()
            yield made


def context(files: TlsFiles, side: ssl.Purpose) -> ssl.SSLContext:
    """Of a controller; it wants to see our certificate, too."""
    made = ssl.create_default_context(side, cafile=str(files.ca))
    made.load_cert_chain(files.cert, files.key)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED
    return made


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, *params: object) -> Any:
    """A call of OVSDB by the controller; what ovsdb-server asks meanwhile (echo) is answered."""
    writer.write(json.dumps({"method": method, "params": list(params), "id": "ours"}).encode())
    text = ""
    while True:
        text += (await reader.read(65536)).decode()
        assert text, "ovsdb-server has hung up"
        with contextlib.suppress(ValueError):
            message, end = json.JSONDecoder().raw_decode(text)
            text = text[end:]
            if message.get("method") == "echo":
                writer.write(json.dumps({"result": message["params"], "error": None, "id": message["id"]}).encode())
            elif message.get("id") == "ours":
                return message["result"]


class Listener:
    """A controller at which Open vSwitch calls."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    @contextlib.asynccontextmanager
    async def listening(self, files: TlsFiles) -> "AsyncIterator[Listener]":
        server = await asyncio.start_server(
            lambda reader, writer: self.calls.put((reader, writer)),
            "127.0.0.1",
            PORT,
            ssl=context(files, ssl.Purpose.CLIENT_AUTH),
        )
        try:
            yield self
        finally:
            server.close()
            while not self.calls.empty():
                self.calls.get_nowait()[1].close()


async def test_a_controller_is_called_and_may_change_the_switch(site: Site) -> None:
    target = f"ssl:127.0.0.1:{PORT}"
    told: list[None] = []
    site.ground.switch.watch_bonds(lambda: told.append(None))
    async with Listener().listening(site.pool.issue("controller")) as controller:
        assert not await site.ground.switch.apply(Topology(BRIDGES, (target,)))
        async with asyncio.timeout(DEADLINE):
            reader, writer = await controller.calls.get()
        peer = writer.get_extra_info("peercert")
        assert peer["subject"] == ((("commonName", "host"),),)
        assert await asked(reader, writer, "list_dbs") == ["Open_vSwitch", "_Server"]
        mutation = ["external_ids", "insert", ["map", [["by", "controller"]]]]
        name = ["name", "==", "xapi0"]
        note = {"op": "mutate", "table": "Bridge", "where": [name], "mutations": [mutation]}
        (result,) = await asked(reader, writer, "transact", "Open_vSwitch", note)
        assert result == {"count": 1}
        await site.until({target: True})
        assert told
        told.clear()
        assert not await site.ground.switch.apply(Topology(BRIDGES, (target,)))
        assert site.ground.daemons.vsctl("br-get-external-id", "xapi0", "by").strip() == "controller"
        writer.close()
    await site.until({target: False})
    assert told


async def test_a_controller_of_another_authority_is_not_trusted(site: Site, tmp_path: Path) -> None:
    target = f"ssl:127.0.0.1:{PORT}"
    stranger = Authority(tmp_path / "other", "other CA").issue("controller")
    files = TlsFiles(stranger.cert, stranger.key, site.pool.ca)
    async with Listener().listening(files) as controller:
        await site.ground.switch.apply(Topology(BRIDGES, (target,)))
        log = site.ground.daemons.rundir / "ovsdb-server.log"
        async with asyncio.timeout(DEADLINE):
            while "certificate verify failed" not in log.read_text():
                await asyncio.sleep(0.05)
        assert await site.states() == {target: False}
        while not controller.calls.empty():
            reader, _ = controller.calls.get_nowait()
            assert await reader.read() == b""
    trusted = site.pool.issue("controller")
    async with Listener().listening(trusted):
        await site.until({target: True})


async def test_a_controller_may_call_and_must_have_a_certificate(site: Site, tmp_path: Path) -> None:
    assert not await site.ground.switch.apply(Topology(BRIDGES, (f"pssl:{PORT}",)))
    stranger = Authority(tmp_path / "other", "other CA").issue("controller")
    for files, allowed in ((site.pool.issue("controller"), True), (stranger, False)):
        trusts = context(TlsFiles(files.cert, files.key, site.pool.ca), ssl.Purpose.SERVER_AUTH)
        async with asyncio.timeout(DEADLINE):
            reader, writer = await calling(trusts)
            if allowed:
                assert "Open_vSwitch" in await asked(reader, writer, "list_dbs")
                await site.until({f"pssl:{PORT}": True})
            else:
                with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
                    await asked(reader, writer, "list_dbs")
        writer.close()


async def calling(trusts: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Until ovsdb-server listens."""
    while True:
        try:
            return await asyncio.open_connection("127.0.0.1", PORT, ssl=trusts)
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)


async def test_managers_and_keys_of_others_stay(site: Site) -> None:
    vsctl = site.ground.daemons.vsctl
    theirs = ("/their/key", "/their/cert", "/their/ca")
    vsctl("set-ssl", *theirs)
    vsctl("set-manager", "ptcp:6641:127.0.0.1", "ssl:192.0.2.7:6632")
    assert not await site.ground.switch.apply(Topology(BRIDGES, ("ssl:192.0.2.1:6632", "ssl:192.0.2.7:6632")))
    assert set(vsctl("get-manager").split()) == {"ptcp:6641:127.0.0.1", "ssl:192.0.2.7:6632", "ssl:192.0.2.1:6632"}
    assert set(await site.states()) == {"ssl:192.0.2.1:6632", "ssl:192.0.2.7:6632"}
    assert not await site.ground.switch.apply(Topology(BRIDGES))
    assert set(vsctl("get-manager").split()) == {"ptcp:6641:127.0.0.1", "ssl:192.0.2.7:6632"}
    assert theirs[0] in vsctl("get-ssl")


async def test_nothing_of_a_controller_is_left_behind(site: Site) -> None:
    vsctl = site.ground.daemons.vsctl
    assert not await site.ground.switch.apply(Topology(BRIDGES, ("pssl:6640",)))
    assert site.ssl.certificate in vsctl("get-ssl")
    assert not await site.ground.switch.apply(Topology())
    assert (vsctl("get-manager"), vsctl("get-ssl").strip()) == ("", "")


@pytest.mark.parametrize("broken", ["none", "missing", "no PEM"])
async def test_without_keys_there_is_no_controller_and_everything_else(site: Site, broken: str, tmp_path: Path) -> None:
    other = tmp_path / "ca"
    if broken == "no PEM":
        other.write_text("none")
    files = None if broken == "none" else SslFiles(site.ssl.private_key, site.ssl.certificate, str(other))
    switch = OvsSwitch(site.ground.daemons.rundir, "netdev", ssl=files)
    await switch.open()
    (problem,) = await switch.apply(Topology(BRIDGES, ("pssl:6640",)))
    assert problem.place == CONTROLLERS
    assert ("controller_key" if files is None else str(other)) in problem.message
    assert site.ground.daemons.vsctl("get-manager") == ""
    assert site.ground.daemons.vsctl("list-br").split() == ["xapi0"]
    await switch.close()
