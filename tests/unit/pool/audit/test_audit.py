import json
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from xenhost.pool.audit.entry import MAX_PARAMS, Entry, is_audited, shown
from xenhost.pool.audit.log import MAX_READERS, MAX_WAITING, STRANGERS, AuditLog, TooManyReaders
from xenhost.pool.call import Context, Method, Role, Value


def method(name: str, secret: frozenset[int] = frozenset(), session: bool = True) -> Method:
    return Method(name, False, session, frozenset(Role), {}, secret)


def entry(number: int = 0) -> Entry:
    return Entry(
        1_700_000_000.5, Context(user="eve", client="10.0.0.1 curl"), "uuid", "VM.start", (number,), "ok", 0.25
    )


async def read(audit: AuditLog, since: str = "") -> bytes:
    return b"".join([piece async for piece in audit.pieces(since)])


def test_what_changes_something_is_audited_and_what_looks_is_not() -> None:
    for name in ("VM.start", "VM.set_name_label", "session.login_with_password", "event.inject", "task.cancel"):
        assert is_audited(method(name))
    for name in ("VM.get_all_records", "host.get_servertime", "event.from", "event.next", "VM.assert_can_boot_here"):
        assert not is_audited(method(name))


def test_secrets_are_hidden_wherever_they_are() -> None:
    assert shown(method("x.y", frozenset({1})), ["a", "b", "c"]) == ["a", "(hidden)", "c"]
    assert shown(method("VM.add_to_other_config"), ["ref", "my_password", "b"]) == ["ref", "my_password", "(hidden)"]
    assert shown(method("SR.create"), [{"device": {"chappassword": "b", "target": "t"}}]) == [
        {"device": {"chappassword": "(hidden)", "target": "t"}}
    ]
    migration = {"session_id": "OpaqueRef:1", "host": "h", "tls_key": "k", "ssh-passphrase": "p"}
    assert shown(method("VM.migrate_send"), [migration]) == [
        {"session_id": "(hidden)", "host": "h", "tls_key": "(hidden)", "ssh-passphrase": "(hidden)"}
    ]
    assert shown(method("VM.add_to_other_config"), ["ref", "monkey", "b"]) == ["ref", "monkey", "b"]
    assert shown(method("secret.create"), [{"value": "b"}]) == ["(hidden)"]


def test_parameters_are_cut_to_a_bounded_size() -> None:
    found = shown(method("x.y"), ["a" * 10_000, list(range(1000)), {str(index): index for index in range(1000)}])
    assert len(json.dumps(found)) < 2000
    nested: object = "end"
    for _ in range(100):
        nested = [nested]
    assert shown(method("x.y"), [nested]) == [[[["…"]]]]  # type: ignore[list-item] # any depth


@pytest.mark.parametrize("letter", ["a", "\u00e9", "\U0001f600", "\\"])
def test_all_parameters_together_have_one_bound(letter: str) -> None:
    wide: Value = {f"{letter * 300}{index}": letter * 300 for index in range(40)}
    for _ in range(2):
        wide = [wide] * 40
    for params in ([wide], [wide] * 60, [letter * 10_000] * 64, [10**4000] * 64, [{"a": [1] * 32}] * 64):
        assert len(json.dumps(shown(method("x.y"), params))) < MAX_PARAMS + 1024


def test_of_who_is_not_logged_in_only_the_name_is_kept() -> None:
    login = method("session.login_with_password", frozenset({1}), session=False)
    assert shown(login, ["eve", "password", {"a": ["b"] * 30}, "x"]) == ["eve"]
    assert shown(login, []) == []


async def test_what_waits_for_the_disk_is_bounded_and_what_is_lost_is_counted(tmp_path: Path) -> None:
    with capture_logs() as logs:
        audit = AuditLog(tmp_path / "audit.log", structlog.get_logger())
        size = len(entry().line())
        for _ in range(MAX_WAITING // size + 11):
            audit.add(entry())
        await audit.flush()
    assert [(each["event"], each["lines"]) for each in logs] == [("audit.lines_lost", 10)]


async def test_who_guesses_passwords_does_not_push_out_what_was_done_before(tmp_path: Path) -> None:
    with capture_logs() as logs:
        audit = AuditLog(tmp_path / "audit.log", structlog.get_logger())
        failed = replace(entry(), session="", result="SESSION_AUTHENTICATION_FAILED")
        many = 2 * STRANGERS // len(failed.line())
        for _ in range(many):
            audit.add(failed)
        audit.add(replace(entry(), session=""))
        audit.add(entry(7))
        audit.add(replace(failed, at=failed.at + 3601))
        found = (await read(audit)).splitlines()
    assert many // 2 <= len(found) <= many // 2 + 4
    assert [json.loads(line)["result"] for line in found[-4:]] == [failed.result, "ok", "ok", failed.result]
    assert [each["event"] for each in logs] == ["audit.failed_logins_left_out"]


async def test_it_is_read_in_pieces_from_a_time_on_and_by_a_few_at_a_time(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "audit.log", structlog.get_logger(), max_bytes=200_000)
    for number in range(2000):
        audit.add(replace(entry(number), at=1_700_000_000.0 + number))
        if number % 500 == 0:
            await audit.flush()
    pieces = [piece async for piece in audit.pieces()]
    assert len(pieces) > 1
    assert max(map(len, pieces)) < 300_000
    assert [json.loads(line)["params"] for line in b"".join(pieces).splitlines()] == [[n] for n in range(2000)]
    assert len((await read(audit, "20231114T22:46:39")).splitlines()) == 1
    readers = [audit.pieces() for _ in range(MAX_READERS)]
    for reader in readers:
        await anext(reader)
    assert audit.is_full
    with pytest.raises(TooManyReaders):
        await read(audit)
    for reader in readers:
        await reader.aclose()  # type: ignore[attr-defined] # a generator
    assert await read(audit)


async def test_lines_are_json_in_their_order_and_can_be_read_back(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "folder/audit.log", structlog.get_logger())
    for number in range(100):
        audit.add(entry(number))
    lines = [json.loads(line) for line in (await read(audit)).splitlines()]
    assert [line["params"] for line in lines] == [[number] for number in range(100)]
    assert lines[0] == {
        "time": "20231114T22:13:20.500000Z",
        "session": "uuid",
        "user": "eve",
        "subject": "",
        "superuser": False,
        "originator": "",
        "client": "10.0.0.1 curl",
        "action": "VM.start",
        "params": [0],
        "result": "ok",
        "seconds": 0.25,
    }
    assert (tmp_path / "folder/audit.log").stat().st_mode & 0o777 == 0o600


async def test_a_full_file_becomes_an_older_one_and_the_oldest_goes(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "audit.log", structlog.get_logger(), max_bytes=100)
    for number in range(20):
        audit.add(entry(number))
        await audit.flush()
    found = [json.loads(line)["params"][0] for line in (await read(audit)).splitlines()]
    assert found == list(range(11, 20))
    assert len(list(tmp_path.iterdir())) == 9


async def test_a_log_that_cannot_be_written_says_so_and_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with capture_logs() as logs:
        audit = AuditLog(tmp_path / "file/audit.log", structlog.get_logger())
        audit.add(entry())
        await audit.flush()
    assert [each["event"] for each in logs] == ["audit.cannot_write", "audit.lines_lost"]
