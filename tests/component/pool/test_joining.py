"""A host that joins another pool through its own xenpoold: two whole daemons and two agents, TLS between them."""

import asyncio
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy

import pytest

from component.harness.agent import Agent as HostAgent
from component.harness.agent import running as agent_running
from component.harness.pki import Authority
from component.harness.trial import free_port
from component.pool.test_vms import RECORD
from kit.thin_cli import Ran, xe
from xenhost.api.tls_files import TlsFiles
from xenhost.drivers.sim.config import SimConfig
from xenhost.drivers.sim.world import World
from xenhost.pool.daemon import serve
from xenhost.pool.front import FrontSettings
from xenhost.pool.hosts.membership.role import FILE
from xenhost.pool.master import MasterSettings
from xenhost.pool.session.authenticator import FixedUsers
from xenhost.pool.session.table import SessionLimits
from xenhost.pool.wire.listener import Address, ListenSettings
from xenhost.system.clock import SystemClock

TRUSTING = ssl.create_default_context()
TRUSTING.check_hostname, TRUSTING.verify_mode = False, ssl.CERT_NONE
BRIDGES = frozenset({"xenbr0", *(f"xapi{number}" for number in range(8))})


class Refused(Exception):
    """A failure of the API."""


class Machine:
    """xenpoold and xenhostd of one machine."""

    def __init__(self, folder: Path, files: TlsFiles) -> None:
        self.folder = folder
        self.port, self.http = free_port(), free_port()
        self.link, self.api = free_port(), free_port()
        self.files = files
        self.ready: list[str] = []
        self.session = ""
        self.agent: HostAgent

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    @property
    def role(self) -> Path:
        return self.folder / "state" / FILE

    def settings(self) -> MasterSettings:
        listen = ListenSettings(
            (Address("127.0.0.1", self.http),), (Address("127.0.0.1", self.port),), (), self.folder / "tls"
        )
        front = FrontSettings(listen, self.folder / "audit.log", "1", SessionLimits())
        link = f"unix:{self.folder}/link.sock"
        return MasterSettings(self.folder / "state", link, front, (f"127.0.0.1:{self.link}",), self.files, 3.0)

    def toml(self) -> str:
        files = f'cert = "{self.files.cert}"\nkey = "{self.files.key}"\nca = "{self.files.ca}"\n'
        endpoints = f'endpoints = ["unix:{self.folder}/run/xenhost/xenhostd.sock", "localhost:{self.api}"]\n'
        api = f'[api]\nlisten = ["127.0.0.1:{self.api}"]\nallow = ["one", "two"]\n{files}'
        return f'{api}[master]\naddress = "unix:{self.folder}/link.sock"\n{endpoints}'

    @asynccontextmanager
    async def pool_daemon(self) -> AsyncIterator[None]:
        (self.folder / "state").mkdir(parents=True, exist_ok=True)
        users = FixedUsers({"root": "secret"})
        serving = asyncio.create_task(serve(self.settings(), users, users, SystemClock(), self.ready.append))
        try:
            await self.until(lambda: self.ready or serving.done())
            if serving.done():
                serving.result()
            yield
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    async def raw(self, method: str, *params: Any) -> Any:
        """As it is: no session is added."""

        def ask() -> Any:
            with ServerProxy(f"https://127.0.0.1:{self.port}/", context=TRUSTING) as proxy:
                return getattr(proxy, method)(*params)

        answer = await asyncio.to_thread(ask)
        if answer["Status"] != "Success":
            raise Refused(*answer["ErrorDescription"])
        return answer["Value"]

    async def log_in(self, method: str = "session.login_with_password") -> None:
        self.session = await self.raw(method, "root", "secret")

    async def call(self, method: str, *params: Any) -> Any:
        return await self.raw(method, self.session, *params)

    async def refused(self, method: str, *params: Any) -> tuple[str, ...]:
        with pytest.raises(Refused) as caught:
            await self.call(method, *params)
        return caught.value.args

    async def xe(self, *words: str) -> Ran:
        return await xe(self.http, *words, "username=root", "password=secret")

    async def join(self, other: "Machine") -> None:
        await self.call("pool.join", other.address, "root", "secret")

    async def until(self, holds: Any) -> None:
        async with asyncio.timeout(30):
            while not holds():
                await asyncio.sleep(0.02)

    async def hosts(self, live: int) -> dict[str, Any]:
        """Records by UUID, once so many are alive."""
        async with asyncio.timeout(30):
            while True:
                metrics = await self.call("host_metrics.get_all_records")
                if sum(each["live"] for each in metrics.values()) == live:
                    records = await self.call("host.get_all_records")
                    return {each["uuid"]: {**each, "ref": ref} for ref, each in records.items()}
                await asyncio.sleep(0.05)


@asynccontextmanager
async def machine(folder: Path, authority: Authority, kind: type[Machine] = Machine) -> AsyncIterator[Machine]:
    made = kind(folder, authority.issue(folder.name))
    world = World(SystemClock(), SimConfig(bridges=BRIDGES))
    async with made.pool_daemon(), agent_running(folder, made.toml(), world) as made.agent:
        await made.log_in()
        await made.hosts(1)
        yield made


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Machine, Machine]]:
    """A master, and another one."""
    authority = Authority(tmp_path / "pki", "pool CA")
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(machine(tmp_path / "one", authority))
        two = await stack.enter_async_context(machine(tmp_path / "two", authority))
        yield one, two


async def test_a_host_joins_is_ejected_goes_back_in_an_emergency_and_is_told_why_not(
    pair: tuple[Machine, Machine],
) -> None:
    one, two = pair
    first, second = (each.agent.engine.host_id for each in pair)
    (before,) = await two.call("pool.get_all")
    await two.call("host.set_name_label", (await two.call("host.get_all"))[0], "the second")
    await two.join(one)
    hosts = await one.hosts(2)
    assert set(hosts) == {first, second}
    assert hosts[second]["name_label"] == "the second"
    assert await one.call("pool.get_master", (await one.call("pool.get_all"))[0]) == hosts[first]["ref"]
    assert await two.refused("VM.get_all") == ("HOST_IS_SLAVE", one.address)
    with pytest.raises(Refused) as caught:
        await two.log_in()
    assert caught.value.args == ("HOST_IS_SLAVE", one.address)
    vm = await one.call("VM.create", RECORD)
    await one.call("VM.start_on", vm, hosts[second]["ref"], False, False)
    assert [len(each.agent.engine.vms()) for each in pair] == [0, 1]
    await one.call("VM.hard_shutdown", vm)
    assert await one.call("pool.recover_slaves") == [hosts[second]["ref"]]

    assert await two.refused("pool.emergency_transition_to_master") == ("SESSION_INVALID", two.session)
    await two.log_in("session.slave_local_login_with_password")
    assert await two.refused("pool.emergency_reset_master", "no one") == ("INVALID_VALUE", "master_address", "no one")
    await two.call("pool.emergency_reset_master", f"127.0.0.1:{one.port}")
    await two.until(lambda: two.ready[-1] == f"member of 127.0.0.1:{one.port}")
    await one.hosts(2)
    assert await two.refused("VM.get_all") == ("HOST_IS_SLAVE", f"127.0.0.1:{one.port}")

    await one.call("pool.eject", hosts[second]["ref"])
    await two.until(lambda: len(two.ready) == 4)
    await two.log_in()
    assert set(await two.hosts(1)) == {second}
    (fresh,) = await two.call("pool.get_all")
    assert fresh != before
    master = ("master-username=root", "master-password=secret")
    assert (await two.xe("pool-join", f"master-address={one.address}", *master)).status == 0
    assert set(await one.hosts(2)) == {first, second}

    assert "HOST_IS_SLAVE" in str(await two.xe("host-list"))
    assert (await two.xe("pool-emergency-transition-to-master")).status == 0
    await two.until(lambda: len(two.ready) == 6)
    await two.log_in()
    assert await two.call("pool.get_all") == [fresh], "the pool that it had before"
    assert set(await two.hosts(1)) == {second}
    await one.hosts(1)
    await who_cannot_join_is_told_why(one, two)


async def who_cannot_join_is_told_why(one: Machine, two: Machine) -> None:
    wrong = ("root", "wrong")
    assert await two.refused("pool.join", "a b", *wrong) == ("INVALID_VALUE", "master_address", "a b")
    nowhere = await two.refused("pool.join", f"localhost:{free_port()}", *wrong)
    assert nowhere == ("JOINING_HOST_CONNECTION_FAILED",)
    assert (await two.refused("pool.join", one.address, *wrong))[:2] == ("SESSION_AUTHENTICATION_FAILED", "root")
    right = (one.address, "root", "secret")
    assert await one.refused("pool.join", *right) == ("OPERATION_NOT_ALLOWED", "Host cannot become slave of itself")
    task = await two.call("Async.pool.join", *right)
    await two.call("task.cancel", task)
    while (status := await two.call("task.get_status", task)) in ("pending", "cancelling"):
        await asyncio.sleep(0.02)
    assert (status, two.role.exists()) == ("cancelled", False)
    vm = await two.call("VM.create", RECORD)
    code, text = await two.refused("pool.join_force", *right)
    assert (code, await two.call("VM.get_uuid", vm) in text) == ("OPERATION_NOT_ALLOWED", True)
    await two.call("VM.start", vm, False, False)
    assert await two.refused("pool.join_force", *right) == ("JOINING_HOST_CANNOT_HAVE_RUNNING_VMS",)
    await two.call("VM.hard_shutdown", vm)
    await two.call("VM.destroy", vm)
    assert await two.refused("pool.emergency_reset_master", one.address) == (
        "OPERATION_NOT_ALLOWED",
        "this host is the master of its pool; pool.join makes it a member",
    )
    await two.call("pool.emergency_transition_to_master")
    await two.call("pool.enable_tls_verification")
    code, reason = await two.refused("pool.join", *right)
    assert (code, "certificate" in reason) == ("SSL_VERIFY_ERROR", True)
    assert not two.role.exists()
    assert await two.call("pool.get_all"), "it goes on"


class Killed(Machine):
    """Its xenpoold is a process, and is killed."""

    @property
    def role(self) -> Path:
        return self.folder / "var/lib/xenhost/pool" / FILE

    def toml(self) -> str:
        return super().toml().replace("/link.sock", "/run/xenhost/xenpoold-link.sock")

    def more(self) -> tuple[str, ...]:
        """Of its command line."""
        return ()

    def start(self) -> "subprocess.Popen[str]":
        words = ("--root", str(self.folder), "--https", f"127.0.0.1:{self.port}", "--user", "root")
        with (self.folder / "xenpoold.log").open("ab") as log:
            command = [sys.executable, "-m", "xenhost.pool", *words, *self.more()]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, text=True)
        assert process.stdin is not None
        process.stdin.write("secret\n")
        process.stdin.close()
        return process

    async def up(self) -> bool:
        """Whether it is a master, as soon as it answers."""
        async with asyncio.timeout(60):
            while True:
                try:
                    await self.log_in()
                except OSError:
                    await asyncio.sleep(0.05)
                except Refused as refused:
                    if refused.args[0] != "HOST_IS_SLAVE":
                        raise
                    return False
                else:
                    return True

    @asynccontextmanager
    async def pool_daemon(self) -> AsyncIterator[None]:
        tls = self.folder / "etc/xenhost/tls"
        tls.mkdir(parents=True)
        for source, name in ((self.files.cert, "agent.crt"), (self.files.key, "agent.key"), (self.files.ca, "ca.crt")):
            (tls / name).write_bytes(source.read_bytes())
        self.process = self.start()
        try:
            assert await self.up()
            yield
        finally:
            self.process.kill()
            self.process.wait()

    async def killed(self) -> bool:
        """The same of the next one."""
        self.process.kill()
        await asyncio.to_thread(self.process.wait)
        self.process = self.start()
        return await self.up()


async def test_killed_while_it_joins_a_host_has_joined_or_has_not_and_joins_again(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki", "pool CA")
    async with machine(tmp_path / "one", authority) as one, machine(tmp_path / "two", authority, Killed) as two:
        assert isinstance(two, Killed)
        joining = asyncio.create_task(two.join(one))
        await asyncio.sleep(0.08)
        before = two.role.exists()
        master = await two.killed()
        await asyncio.gather(joining, return_exceptions=True)
        assert master is not two.role.exists()
        assert not (before and master), "what was joined stays so"
        if master:
            await two.hosts(1)
            joining = asyncio.create_task(two.join(one))
            await two.until(two.role.exists)
            assert not await two.killed()
            await asyncio.gather(joining, return_exceptions=True)
        assert set(await one.hosts(2)) == {one.agent.engine.host_id, two.agent.engine.host_id}
