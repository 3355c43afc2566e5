from datetime import UTC, datetime
from pathlib import Path

from xenhost.agent.dom0.crash import crash_dumps, delete_dump


def test_dumps_are_folders_with_a_time(tmp_path: Path) -> None:
    assert crash_dumps(tmp_path) == ()
    folder = tmp_path / "var/crash"
    for name in ("20261122-181500-UTC", "202611221816", "other", ".hidden", "a b"):
        (folder / name).mkdir(parents=True)
    (folder / "20261122-181500-UTC/core").write_bytes(b"x" * 100)
    (folder / "kdump_lock").touch()
    (folder / "link").symlink_to(tmp_path)
    found = {dump.name: dump for dump in crash_dumps(tmp_path)}
    assert set(found) == {"20261122-181500-UTC", "202611221816", "other"}
    first = found["20261122-181500-UTC"]
    assert (first.time, first.size) == (datetime(2026, 11, 22, 18, 15, tzinfo=UTC), 100)
    assert found["202611221816"].time == datetime(2026, 11, 22, 18, 16, tzinfo=UTC)
    for name in ("link", "../crash", "", ".", "nothing", "kdump_lock"):
        delete_dump(tmp_path, name)
    assert len(crash_dumps(tmp_path)) == 3
    delete_dump(tmp_path, "20261122-181500-UTC")
    assert set(each.name for each in crash_dumps(tmp_path)) == {"202611221816", "other"}
    assert (folder / "link").is_symlink()
