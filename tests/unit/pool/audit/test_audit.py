import json
from pathlib import Path

import structlog
from structlog.testing import capture_logs

from xenhost.pool.audit.entry import Entry, is_audited, shown
from xenhost.pool.audit.log import AuditLog
from xenhost.pool.call import Context, Method, Role


def method(name: str, secret: frozenset[int] = frozenset()) -> Method:
    return Method(name, False, True, frozenset(Role), {}, secret)


def entry(number: int = 0) -> Entry:
    return Entry(
        1_700_000_000.5, Context(user="eve", client="10.0.0.1 curl"), "uuid", "VM.start", (number,), "ok", 0.25
    )


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
    assert shown(method("secret.create"), [{"value": "b"}]) == ["(hidden)"]


def test_parameters_are_cut_to_a_bounded_size() -> None:
    found = shown(method("x.y"), ["a" * 10_000, list(range(1000)), {str(index): index for index in range(1000)}])
    assert len(json.dumps(found)) < 2000
    nested: object = "end"
    for _ in range(100):
        nested = [nested]
    assert shown(method("x.y"), [nested]) == [[[["…"]]]]  # type: ignore[list-item] # any depth


async def test_lines_are_json_in_their_order_and_can_be_read_back(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "folder/audit.log", structlog.get_logger())
    for number in range(100):
        audit.add(entry(number))
    lines = [json.loads(line) for line in (await audit.read()).splitlines()]
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
    found = [json.loads(line)["params"][0] for line in (await audit.read()).splitlines()]
    assert found == list(range(11, 20))
    assert len(list(tmp_path.iterdir())) == 9


async def test_a_log_that_cannot_be_written_says_so_and_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with capture_logs() as logs:
        audit = AuditLog(tmp_path / "file/audit.log", structlog.get_logger())
        audit.add(entry())
        await audit.flush()
    assert [each["event"] for each in logs] == ["audit.cannot_write", "audit.lines_lost"]
