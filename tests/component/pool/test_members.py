"""Pools of several hosts: agents of other machines report over TLS, and are called over TLS."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from component.harness.agent import Agent, running
from component.harness.pki import Authority
from component.pool.conftest import Master, listening, reporting
from component.pool.test_vms import RECORD, vbd_record, vdi_record
from xenhost.api.link.v1 import link_service_pb2, link_service_pb2_grpc
from xenhost.api.tls_files import TlsFiles
from xenhost.core.config_error import ConfigError
from xenhost.core.errors import HandleInvalid
from xenhost.core.metrics import Owner, OwnerKind
from xenhost.drivers.sim.config import Delays
from xenhost.pool.call import ApiError, Ref
from xenhost.pool.first import ensure_first
from xenhost.pool.hosts.link import LinkServicer, listen

UUID = "5eed0000-0000-4000-8000-000000000002"


@pytest.fixture
def pool(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "pki", "pool CA")


@pytest.fixture
async def master(tmp_path: Path, pool: Authority) -> AsyncIterator[Master]:
    async with listening(tmp_path, tls=pool.issue("master")) as master:
        yield master


def lines(files: TlsFiles) -> list[str]:
    return [f'cert = "{files.cert}"', f'key = "{files.key}"', f'ca = "{files.ca}"']


@asynccontextmanager
async def member(folder: Path, master: Master, files: TlsFiles, *extra: str) -> AsyncIterator[Agent]:
    """An agent of another machine."""
    link = ["[master]", f'address = "localhost:{master.ports[0]}"', *lines(files), *extra]
    api = ["[api]", 'listen = ["127.0.0.1:0"]', 'allow = ["master"]', *lines(files)]
    async with running(folder, "\n".join([*api, *link, ""])) as agent:
        yield agent


async def test_a_vm_runs_on_a_host_elsewhere(master: Master, tmp_path: Path, pool: Authority) -> None:
    await ensure_first(master.database)
    async with (
        member(tmp_path / "two", master, pool.issue("two")) as two,
        reporting(tmp_path / "one", master) as one,
    ):
        await master.until(lambda: len(master.database.rows("host")) == 2)
        refs = {str(record["uuid"]): ref for ref, record in master.database.rows("host").items()}
        first, second = refs[one.engine.host_id], refs[two.engine.host_id]
        assert master.only("pool")["master"] == first, "that of the machine, though another was there before"
        vm = await master.ref("VM.create", RECORD)
        await master.call("VM.start_on", vm, second, False, False)
        assert await master.call("VM.get_resident_on", vm) == second
        assert [len(each.engine.vms()) for each in (one, two)] == [0, 1]
        await master.call("VM.hard_shutdown", vm)
        await master.call("VM.destroy", vm)
        assert two.engine.vms() == []


async def test_an_sr_that_both_see_is_attached_by_both(master: Master, tmp_path: Path, pool: Authority) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    async with (
        reporting(tmp_path / "one", master) as one,
        member(tmp_path / "two", master, pool.issue("two")) as two,
    ):
        await master.until(lambda: len(master.database.rows("host")) == 2)
        refs = {str(record["uuid"]): ref for ref, record in master.database.rows("host").items()}
        first, second = refs[one.engine.host_id], refs[two.engine.host_id]
        config = {"location": str(folder)}
        sr = await master.ref("SR.create", first, config, 0, "shared", "", "file", "user", True, {})
        pbds = {master.database.get("PBD", pbd)["host"]: pbd for pbd in master.database.get("SR", sr).refs("PBDs")}
        assert set(pbds) == {first, second}, "a shared SR is given to all hosts"
        vdi = await master.ref("VDI.create", vdi_record(sr))
        vm = await master.ref("VM.create", RECORD)
        await master.call("VBD.create", vbd_record(vm, vdi))
        snapshots: list[Ref] = []
        for host in (second, first):
            await master.call("VM.start_on", vm, host, False, False)
            assert await master.call("VM.get_resident_on", vm) == host
            snapshots.append(await master.ref("VDI.snapshot", vdi, {}))
            await master.call("VM.hard_shutdown", vm)
        assert master.database.get("VDI", vdi).refs("snapshots") == snapshots
        await master.call("VM.destroy", vm)
        for each in (*snapshots, vdi):
            await master.call("VDI.destroy", each)
        await master.call("SR.scan", sr)
        assert not master.database.rows("VDI")
        for pbd in pbds.values():
            await master.call("PBD.unplug", pbd)
        await master.call("SR.forget", sr)
        assert not (*one.storage.srs(), *two.storage.srs())


async def test_a_lost_member_is_shown_and_the_others_go_on(master: Master, tmp_path: Path, pool: Authority) -> None:
    async with reporting(tmp_path / "one", master) as one:
        async with member(tmp_path / "two", master, pool.issue("two")) as two:
            await master.until(lambda: len(master.database.rows("host")) == 2)
            ids = {str(record["uuid"]): ref for ref, record in master.database.rows("host").items()}
            first, second = ids[one.engine.host_id], ids[two.engine.host_id]
        await master.until(lambda: not master.agents.alive(second))
        vm = await master.ref("VM.create", RECORD)
        await master.refused("HOST_OFFLINE", "VM.start_on", vm, second, False, False)
        await master.call("VM.start", vm, False, False)
        assert await master.call("VM.get_resident_on", vm) == first


async def test_what_was_measured_of_a_vm_goes_with_it(master: Master, tmp_path: Path, pool: Authority) -> None:
    on = ["[metrics]", "enabled = true"]
    async with (
        reporting(tmp_path / "one", master, None, *on) as one,
        member(tmp_path / "two", master, pool.issue("two"), *on) as two,
    ):
        await master.until(lambda: len(master.database.rows("host")) == 2)
        ids = {str(record["uuid"]): ref for ref, record in master.database.rows("host").items()}
        vm = await master.ref("VM.create", RECORD)
        owner = Owner(OwnerKind.VM, str(await master.call("VM.get_uuid", vm)))
        metrics = [host.host.metrics for host in (one, two)]
        first, second = (each for each in metrics if each is not None)
        await master.call("VM.start_on", vm, ids[one.engine.host_id], False, False)
        await master.until(lambda: first.known(owner) and first.sources(owner))
        await master.call("VM.hard_shutdown", vm)
        await master.until(lambda: not first.known(owner))
        before = await first.document(owner)
        await master.call("VM.start_on", vm, ids[two.engine.host_id], False, False)
        after = await second.document(owner)
        assert {source.name for source in after.sources} >= {source.name for source in before.sources} != set()
        with pytest.raises(HandleInvalid):
            await first.document(owner)


async def test_an_ejected_host_comes_back_only_when_it_is_let_in(
    master: Master, tmp_path: Path, pool: Authority
) -> None:
    await ensure_first(master.database)
    async with reporting(tmp_path / "one", master) as one, member(tmp_path / "two", master, pool.issue("two")) as two:
        await master.until(lambda: len(master.database.rows("host")) == 2)
        ids = {str(record["uuid"]): ref for ref, record in master.database.rows("host").items()}
        first, second = ids[one.engine.host_id], ids[two.engine.host_id]
        await master.refused("OPERATION_NOT_ALLOWED", "pool.eject", first)
        vm = await master.ref("VM.create", RECORD)
        await master.call("VM.start_on", vm, second, False, False)
        await master.refused("HOST_HAS_RESIDENT_VMS", "pool.eject", second)
        await master.call("VM.hard_shutdown", vm)
        await master.call("pool.eject", second)
        assert list(master.database.rows("host")) == [first]
        assert not master.hosts.admits(two.engine.host_id)
        await asyncio.sleep(1.5)
        assert list(master.database.rows("host")) == [first]
        await master.call("pool.remove_from_other_config", master.only("pool").ref, "ejected_hosts")
        await master.until(lambda: len(master.database.rows("host")) == 2)


async def registered(
    master: Master, files: TlsFiles, endpoint: str, id: str = UUID
) -> link_service_pb2.RegisterResponse:
    credentials = grpc.ssl_channel_credentials(files.ca.read_bytes(), files.key.read_bytes(), files.cert.read_bytes())
    async with grpc.aio.secure_channel(f"localhost:{master.ports[0]}", credentials) as channel:
        stub = link_service_pb2_grpc.LinkServiceStub(channel)  # type: ignore[no-untyped-call] # generated
        request = link_service_pb2.RegisterRequest(endpoints=[endpoint])
        request.host.id, request.host.name = id, "two"
        answer: link_service_pb2.RegisterResponse = await stub.Register(request, timeout=10)
        return answer


async def test_who_has_no_certificate_of_the_pool_is_not_heard(master: Master, tmp_path: Path, pool: Authority) -> None:
    stranger = Authority(tmp_path / "other", "other CA").issue("two")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await registered(master, TlsFiles(stranger.cert, stranger.key, pool.ca), "two:9440")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert not master.database.rows("host")


async def test_a_member_elsewhere_cannot_name_a_socket_of_ours(master: Master, pool: Authority) -> None:
    assert (await registered(master, pool.issue("two"), "unix:/run/xenhost/xenhostd.sock")).session
    (host,) = master.database.rows("host")
    with pytest.raises(ApiError, match="HOST_OFFLINE"):
        master.agents.agent(host)


async def test_what_is_no_uuid_is_no_host(master: Master, pool: Authority) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match="UUID"):
        await registered(master, pool.issue("two"), "two:9440", "two")
    assert not master.database.rows("host")


async def test_without_certificates_nobody_elsewhere_is_answered(master: Master, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="with TLS alone"):
        await listen(LinkServicer(master.hosts), f"unix:{tmp_path}/other.sock", ["127.0.0.1:0"], None)
    nothing = TlsFiles(tmp_path / "none.crt", tmp_path / "none.key", tmp_path / "none.ca")
    with pytest.raises(ConfigError, match=r"none\.crt"):
        await listen(LinkServicer(master.hosts), f"unix:{tmp_path}/other.sock", ["127.0.0.1:0"], nothing)


async def test_what_is_under_way_goes_on_when_an_agent_registers_anew(master: Master, tmp_path: Path) -> None:
    async with reporting(tmp_path, master, Delays(build=1.0)) as agent:
        host = master.only("host").ref
        vm = await master.ref("VM.create", RECORD)
        starting = asyncio.create_task(master.call("VM.start", vm, False, False))
        await master.until(lambda: master.database.get("VM", vm)["current_operations"])
        session = master.agents.agent(host)
        agent.redial()
        await master.until(lambda: master.hosts.member(host) and master.agents.agent(host) is not session)
        await starting
        assert await master.call("VM.get_power_state", vm) == "Running"
