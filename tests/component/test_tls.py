"""TCP: TLS with a client certificate of the pool, or nothing."""

from pathlib import Path

import grpc
import pytest

from component.harness.agent import Agent, running
from component.harness.client import Client, refused
from component.harness.pki import Authority
from xenhost.api.host.v1 import event_service_pb2, host_service_pb2
from xenhost.api.tls_files import TlsFiles
from xenhost.core.config_error import ConfigError

CODE = grpc.StatusCode
HOST = host_service_pb2.GetHostRequest()


@pytest.fixture
def pool(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "pki", "pool CA")


def toml(files: TlsFiles, *extra: str) -> str:
    keys = [f'cert = "{files.cert}"', f'key = "{files.key}"', f'ca = "{files.ca}"', *extra]
    return "\n".join(["[api]", 'listen = ["127.0.0.1:0"]', *keys, ""])


def dialled(agent: Agent, files: TlsFiles | None) -> Client:
    return agent.client(agent.server.targets[0].replace("127.0.0.1", "localhost"), files)


async def fails(client: Client) -> None:
    """The handshake is refused: no answer at all."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.hosts.GetHost(HOST, timeout=5)
    assert caught.value.code() == CODE.UNAVAILABLE


async def test_a_client_of_the_pool_is_answered(tmp_path: Path, pool: Authority) -> None:
    async with running(tmp_path, toml(pool.issue("agent"))) as agent, dialled(agent, pool.issue("master")) as client:
        assert (await client.hosts.GetHost(HOST)).hypervisor == "sim"


async def test_without_a_certificate_of_the_pool_nobody_is_answered(tmp_path: Path, pool: Authority) -> None:
    stranger = Authority(tmp_path / "other", "other CA").issue("master")
    forged = TlsFiles(stranger.cert, stranger.key, pool.ca)
    old = pool.issue("old", valid_days=-1)
    async with running(tmp_path, toml(pool.issue("agent"))) as agent:
        for files in (forged, stranger, old, None):
            async with dialled(agent, files) as client:
                await fails(client)
        async with dialled(agent, pool.issue("master")) as client:
            await client.hosts.GetHost(HOST)


async def test_a_name_that_is_not_allowed_is_denied(tmp_path: Path, pool: Authority) -> None:
    config = toml(pool.issue("agent"), 'allow = ["master"]')
    async with running(tmp_path, config) as agent:
        async with dialled(agent, pool.issue("master")) as client:
            await client.hosts.GetHost(HOST)
        async with dialled(agent, pool.issue("intruder")) as client:
            await refused(client.hosts.GetHost(HOST), "PERMISSION_DENIED", CODE.PERMISSION_DENIED)
            watch = client.events.WatchEvents(event_service_pb2.WatchEventsRequest())
            await refused(watch.read(), "PERMISSION_DENIED", CODE.PERMISSION_DENIED)
        async with agent.client() as client:
            await client.hosts.GetHost(HOST)  # the unix socket knows no names


async def test_a_new_certificate_is_taken_without_a_restart(tmp_path: Path, pool: Authority) -> None:
    files = pool.issue("agent")
    newer = Authority(tmp_path / "newer", "newer CA")
    async with running(tmp_path, toml(files)) as agent:
        async with dialled(agent, pool.issue("master")) as client:
            await client.hosts.GetHost(HOST)
        fresh = newer.issue("agent")
        for source, target in ((fresh.cert, files.cert), (fresh.key, files.key), (fresh.ca, files.ca)):
            target.write_bytes(source.read_bytes())
        async with dialled(agent, newer.issue("master")) as client:
            await client.hosts.GetHost(HOST, timeout=5)


async def test_a_broken_new_certificate_leaves_the_old_one_in_use(tmp_path: Path, pool: Authority) -> None:
    files = pool.issue("agent")
    async with running(tmp_path, toml(files)) as agent:
        files.cert.write_text("half of a")
        async with dialled(agent, pool.issue("master")) as client:
            await client.hosts.GetHost(HOST, timeout=5)


async def test_there_is_no_tcp_without_certificates(tmp_path: Path) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with running(tmp_path, '[api]\nlisten = ["127.0.0.1:0"]\n'):
            pass
    assert caught.group_contains(ConfigError, match="agent.crt")
    assert not (tmp_path / "run/xenhost/xenhostd.sock").exists()


async def test_an_address_in_use_is_named(tmp_path: Path, pool: Authority) -> None:
    async with running(tmp_path / "one", toml(pool.issue("agent"))) as agent:
        port = agent.server.targets[0].rpartition(":")[2]
        second = toml(pool.issue("agent")).replace(":0", f":{port}")
        with pytest.raises(ExceptionGroup) as caught:
            async with running(tmp_path / "two", second):
                pass
        assert caught.group_contains(ConfigError, match=f"127.0.0.1:{port}")
