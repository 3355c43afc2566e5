"""Status reports, blobs and dumps of the database, over the HTTP of a whole pool master."""

import asyncio
import base64
import contextlib
import http.client
import io
import tarfile
import xmlrpc.client
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

import pytest

from component.pool.test_certificates import Pool, pool
from xenhost.agent.dom0.machine import GuestAgent
from xenhost.agent.dom0.simulated import SimulatedMachine
from xenhost.pool.call import FrozenMap, Ref, Role, Value
from xenhost.pool.database.record import Record
from xenhost.pool.hosts import blob_contents
from xenhost.pool.hosts.database_files import RESTORED, take_restored
from xenhost.pool.hosts.reports import archive as archive_module
from xenhost.pool.hosts.reports import reports as module
from xenhost.pool.hosts.reports.entries import CAPABILITIES
from xenhost.pool.hosts.reports.redaction import HIDDEN, redacted
from xenhost.pool.session.session import Session

ROOT = {"Authorization": "Basic " + base64.b64encode(b"root:x").decode()}


async def fetch(
    found: Pool, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = ROOT
) -> tuple[int, bytes, Mapping[str, str]]:
    """Status, body and headers."""

    def ask() -> tuple[int, bytes, Mapping[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", found.master.front.listener.http_ports[0], timeout=60)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            connection.close()

    return await asyncio.to_thread(ask)


async def test_a_report_holds_the_host_and_the_database_without_secrets(tmp_path: Path) -> None:
    async with pool(tmp_path, https=False) as found:
        secret: dict[str, Value] = {"value": "hunter2"}
        await found.master.database.change(lambda t: t.create("secret", secret))
        config: dict[str, Value] = {"other_config": {"password": "hunter2", "plain": "seen"}}
        await found.master.database.change(lambda t: t.create("network", config))
        status, body, headers = await fetch(found, "GET", "/system-status")
        assert status == 200
        assert headers["Content-Type"] == "application/x-tar"
        assert 'filename="system_status-' in headers["Content-Disposition"]
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            files = {name.partition("/")[2]: tar.extractfile(name) for name in tar.getnames()}
            assert set(files) == {"pool/database.xml", "host/xen/dmesg.txt"}
            dumped = files["pool/database.xml"]
            assert dumped is not None
            text = dumped.read()
        assert b"hunter2" not in text
        assert b"seen" in text
        ElementTree.fromstring(text)
        status, body, _ = await fetch(found, "GET", "/system-status?output=tar.bz2&entries=xen-info")
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:bz2") as tar:
            assert [name.partition("/")[2] for name in tar.getnames()] == ["host/xen/dmesg.txt"]
        status, body, _ = await fetch(found, "GET", "/system-status?output=zip&entries=xen-info,nothing")
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            assert packed.testzip() is None
            assert len(packed.namelist()) == 1
        assert (await fetch(found, "GET", "/system-status?output=exe"))[0] == 400
        assert (await fetch(found, "HEAD", "/system-status"))[0] == 405
        assert (await fetch(found, "GET", "/system-status?host_uuid=nobody"))[0] == 404
        assert (await fetch(found, "GET", "/system-status", headers={}))[0] == 401


async def test_a_report_of_a_lost_host_says_so_and_a_large_one_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pool(tmp_path, https=False) as found:
        await found.master.database.change(lambda t: t.create("host", {"uuid": "lost"}))
        _, body, _ = await fetch(found, "GET", "/system-status?host_uuid=lost&entries=xen-info")
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            (name,) = tar.getnames()
            file = tar.extractfile(name)
            assert file is not None
            assert b"HOST_OFFLINE" in file.read()
        monkeypatch.setattr(archive_module, "MAX_BYTES", 10)
        _, body, _ = await fetch(found, "GET", "/system-status")
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            assert [name.partition("/")[2] for name in tar.getnames()] == ["incomplete.txt"]


async def test_what_a_report_can_hold_is_listed(tmp_path: Path) -> None:
    async with pool(tmp_path, https=False) as found:
        tree = ElementTree.fromstring(await found.call("host.get_system_status_capabilities", found.host))
        assert [each.get("key") for each in tree] == [each.key for each in CAPABILITIES]


async def test_a_report_is_put_where_the_operator_says(tmp_path: Path) -> None:
    got: list[bytes] = []
    answers = [b"302 Found", b"403 Forbidden", b"200 OK"]

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        got.extend((head, await reader.readexactly(length)))
        writer.write(b"HTTP/1.0 " + answers.pop() + b"\r\nLocation: http://127.0.0.1:1/\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/here"
    async with server, pool(tmp_path, https=False) as found:
        await found.call("host.bugreport_upload", found.host, url, {})
        assert got[0].startswith(b"PUT /here ")
        with tarfile.open(fileobj=io.BytesIO(got[1]), mode="r:bz2") as tar:
            assert len(tar.getnames()) == 2
        for _ in range(2):
            assert (await found.refused("host.bugreport_upload", found.host, url, {}))[0] == "INTERNAL_ERROR"
        for wrong in ("", "ftp://x/", "file:///etc/passwd", "http://[", "http://x:y/"):
            error = await found.refused("host.bugreport_upload", found.host, wrong, {})
            assert error == ["INVALID_VALUE", "url", wrong]


async def test_who_is_slow_to_take_a_report_keeps_one_thread_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UPLOAD_SECONDS", 2.0)
    monkeypatch.setattr(module, "STALL_SECONDS", 1.0)
    connected, ended = 0, asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connected
        connected += 1
        with contextlib.suppress(OSError):
            for byte in b"HTTP/1.0 200 OK\r\nX: " + b"x" * 30:
                writer.write(bytes((byte,)))
                await writer.drain()
                await asyncio.sleep(0.1)
        writer.close()
        ended.set()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, pool(tmp_path, https=False) as found:
        calls = [asyncio.create_task(found.refused("host.bugreport_upload", found.host, url, {})) for _ in range(2)]
        done, _ = await asyncio.wait(calls, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        assert connected == 1, "one at a time"
        late = ["INTERNAL_ERROR", "the report could not be sent in 2 s"]
        assert [call.result() for call in done] == [late]
        assert [error[0] for error in await asyncio.gather(*calls)] == ["INTERNAL_ERROR"] * 2
        await ended.wait()


async def test_blobs_are_put_read_and_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "state/blobs"
    async with pool(tmp_path, https=False) as found:
        blob = await found.call("network.create_new_blob", await network(found), "logo", "image/png", False)
        path = f"/blob?ref={blob}"
        assert (await fetch(found, "GET", path))[0] == 404
        assert (await fetch(found, "PUT", path, b"content"))[0] == 200
        status, body, headers = await fetch(found, "GET", path)
        assert (status, body, headers["Content-Type"]) == (200, b"content", "image/png")
        record: Any = await found.call("blob.get_record", blob)
        assert record["size"] == 7
        assert (await fetch(found, "GET", path, headers={}))[0] == 401
        await found.call("blob.set_public", blob, True)
        assert (await fetch(found, "GET", f"/blob?uuid={record['uuid']}", headers={}))[1] == b"content"
        assert (await fetch(found, "PUT", path, b"other", headers={}))[0] == 401
        for query in ("", "?ref=OpaqueRef:nothing", "?uuid=../pool.db"):
            assert (await fetch(found, "GET", f"/blob{query}"))[0] in (400, 404)
        monkeypatch.setattr(blob_contents, "MAX_BLOB", 10)
        assert (await fetch(found, "PUT", path, b"x" * 11))[0] == 413
        monkeypatch.setattr(blob_contents, "MAX_TOTAL", 5)
        assert (await fetch(found, "PUT", path, b"x" * 6))[0] == 507
        assert (await fetch(found, "GET", path))[1] == b"content"
        await found.call("blob.destroy", blob)
        assert (await fetch(found, "GET", path))[0] == 404
        await emptied(folder)
    (folder / record["uuid"]).write_bytes(b"left")
    async with pool(tmp_path, https=False):
        assert list(folder.iterdir()) == []


async def test_what_is_put_into_a_blob_while_it_is_destroyed_goes_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "state/blobs"
    async with pool(tmp_path, https=False) as found:
        blob = await found.call("network.create_new_blob", await network(found), "logo", "image/png", False)
        reader, writer = await asyncio.open_connection("127.0.0.1", found.master.front.listener.http_ports[0])
        head = f"PUT /blob?ref={blob} HTTP/1.1\r\nHost: x\r\nAuthorization: {ROOT['Authorization']}\r\n"
        writer.write(f"{head}Content-Length: 10\r\n\r\nfirst".encode())
        await asyncio.sleep(0.5)
        await found.call("blob.destroy", blob)
        writer.write(b" half")
        assert b" 404 " in await reader.readline()
        writer.close()
        await emptied(folder)


async def emptied(folder: Path) -> None:
    """Wait until nothing is in it."""
    async with asyncio.timeout(30):
        while folder.is_dir() and any(folder.iterdir()):
            await asyncio.sleep(0.02)


async def test_a_dump_is_restored_by_the_next_start(tmp_path: Path) -> None:
    async with pool(tmp_path, https=False) as found:
        await found.call("pool.set_name_label", found.ref, "before")
        ref = found.ref
        status, dumped, _ = await fetch(found, "GET", "/pool/xmldbdump")
        assert status == 200
        await found.call("pool.set_name_label", found.ref, "after")
        status, body, _ = await fetch(found, "PUT", "/pool/xmldbdump?dry_run=true", dumped)
        assert (status, b"can be restored" in body) == (200, True)
        assert not (tmp_path / "state" / RESTORED).exists()
        for wrong in (b"nonsense", b"<database></database>"):
            assert (await fetch(found, "PUT", "/pool/xmldbdump", wrong))[0] == 400
        assert (await fetch(found, "GET", "/pool/xmldbdump", headers={}))[0] == 401
        assert (await fetch(found, "PUT", "/pool/xmldbdump", dumped))[0] == 200
        assert await found.call("pool.get_name_label", ref) == "after", "until then nothing changes"
    async with pool(tmp_path, https=False) as found:
        assert found.ref == ref
        assert await found.call("pool.get_name_label", ref) == "before"
    async with pool(tmp_path, https=False) as found:
        assert await found.call("pool.get_name_label", ref) == "before"
    assert sorted(path.name for path in (tmp_path / "state").glob("*restored*")) == []


def test_a_restore_that_was_cut_is_done_again(tmp_path: Path) -> None:
    assert take_restored(tmp_path, "pool.db") is False
    (tmp_path / "pool.db").write_text("old")
    (tmp_path / "pool.db-shm").write_text("old")  # the log of the old one has gone already
    (tmp_path / RESTORED).write_text("new")
    assert take_restored(tmp_path, "pool.db") is True
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"pool.db": "new"}


async def test_only_who_may_gets_a_report_or_a_dump(tmp_path: Path) -> None:
    async with pool(tmp_path, https=False) as found:
        actions = {
            "/system-status": {Role.POOL_ADMIN, Role.POOL_OPERATOR},
            "/pool/xmldbdump": {Role.POOL_ADMIN},
        }
        await found.call("pool.enable_external_auth", found.ref, {}, "", "PAM")
        for role in Role:
            session = await session_of(found, role)
            for path, allowed in actions.items():
                status, _, _ = await fetch(found, "GET", f"{path}?session_id={session}", headers={})
                assert status == (200 if role in allowed else 403), (role, path)


async def session_of(found: Pool, role: Role) -> str:
    """A session with that role, as a login makes it."""
    ref = Ref(f"OpaqueRef:{uuid4()}")
    created = found.master.front.clock.now()
    session = Session(ref, str(uuid4()), "somebody", False, created, frozenset({role}), subject_identifier=str(uuid4()))
    found.master.front.sessions.add(session)
    return str(ref)


async def network(found: Pool) -> Any:
    return await found.master.database.change(lambda t: t.create("network", {}))


async def test_guests_of_every_host_see_what_their_agents_may_do(tmp_path: Path) -> None:
    async with pool(tmp_path, https=False) as found:
        for key, value in (
            ("auto_update_enabled", "yes"),
            ("auto_update_url", "ftp://x"),
            ("auto_update_url", "http://["),
            ("colour", "red"),
        ):
            error = await found.refused("pool.add_to_guest_agent_config", found.ref, key, value)
            assert error == ["INVALID_VALUE", "guest_agent_config", f"{key} = {value}"]
        await told(found, GuestAgent())
        await found.call("pool.add_to_guest_agent_config", found.ref, "auto_update_enabled", "true")
        await told(found, GuestAgent(True))
        await found.call("pool.add_to_guest_agent_config", found.ref, "auto_update_url", "https://example.net/")
        await told(found, GuestAgent(True, "https://example.net/"))
        await found.call("pool.remove_from_guest_agent_config", found.ref, "auto_update_enabled")
        await told(found, GuestAgent(None, "https://example.net/"))
    async with pool(tmp_path, https=False) as found:
        await told(found, GuestAgent(None, "https://example.net/"))


async def told(found: Pool, wanted: GuestAgent) -> None:
    """Wait until the host has heard it."""
    machine = found.agent.host.dom0.machine
    assert isinstance(machine, SimulatedMachine)
    async with asyncio.timeout(30):
        while machine.settings.get("guest_agent") != wanted:
            await asyncio.sleep(0.02)


async def test_clients_that_have_logged_in_are_known(tmp_path: Path) -> None:
    async with pool(tmp_path, https=False) as found:
        login = xmlrpc.client.dumps(("root", "x"), "session.login_with_password").encode()
        status, body, _ = await fetch(found, "POST", "/", login, {"User-Agent": "mine/9 (test)"})
        assert (status, b"Success" in body) == (200, True)
        assert await found.call("host.get_tracked_user_agents", found.host) == {"mine": "9"}


async def test_crash_dumps_are_found_when_a_host_comes_back_and_removed(tmp_path: Path) -> None:
    folder = tmp_path / "var/crash/20261122-181500-UTC"
    folder.mkdir(parents=True)
    (folder / "core").write_bytes(b"x" * 100)
    async with pool(tmp_path, https=False) as found:
        rows = found.master.database.rows("host_crashdump")
        async with asyncio.timeout(30):
            while not rows:
                await asyncio.sleep(0.02)
        ((dump, record),) = rows.items()
        assert (record["host"], record["size"]) == (found.host, 100)
        assert record["timestamp"] == datetime(2026, 11, 22, 18, 15, tzinfo=UTC)
        assert await found.call("host.get_crashdumps", found.host) == (dump,)
        error = await found.refused("host_crashdump.upload", dump, "http://x/", {})
        assert error == ["OPERATION_NOT_ALLOWED", "copy /var/crash/20261122-181500-UTC from the host"]
        await found.call("host_crashdump.destroy", dump)
        assert not folder.exists()
        assert not found.master.database.rows("host_crashdump")


def test_secrets_are_hidden_and_references_are_not() -> None:
    fields: dict[str, Value] = {
        "wlb_password": "OpaqueRef:x",
        "name_label": "a",
        "other_config": FrozenMap({"token": "t", "colour": "red"}),
    }
    found = redacted(Record("pool", Ref("OpaqueRef:p"), fields, FrozenMap({"session": "s"})))
    assert found["wlb_password"] == "OpaqueRef:x"
    assert found["other_config"] == {"token": HIDDEN, "colour": "red"}
    assert found.hidden == {"session": HIDDEN}
    urls: dict[str, Value] = {
        "repository_proxy_url": "http://me:hunter2@proxy:3128/a@b",
        "other_config": FrozenMap({"wlb_url": "see https://me:hunt@er2@wlb"}),
        "tags": ("nfs://me@server/x", "me@home"),
    }
    found = redacted(Record("pool", Ref("OpaqueRef:p"), urls, FrozenMap()))
    assert found["repository_proxy_url"] == "http://proxy:3128/a@b"
    assert found["other_config"] == {"wlb_url": "see https://wlb"}
    assert found["tags"] == ("nfs://server/x", "me@home")
    nvram: dict[str, Value] = {"NVRAM": FrozenMap({"anything": "x"}), "power_state": "Halted"}
    assert redacted(Record("VM", Ref("OpaqueRef:v"), nvram, FrozenMap()))["NVRAM"] == {"anything": HIDDEN}
    assert module._safe("../../etc/passwd") == "etc/passwd"
    assert module._safe("a b/..//c\n") == "a_b/c_"
