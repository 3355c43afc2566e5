"""Counts of ways to LUNs: what a PBD shows, and what is worth a message."""

import pytest

from xenhost.api.host.v1 import storage_pb2
from xenhost.pool.hosts.multipathing import Paths, news, paths_of, setting
from xenhost.pool.hosts.told.paths import with_paths


def status(*counts: tuple[str, int, int], attached: bool = True, sessions: int = 2) -> storage_pb2.SrStatus:
    paths = [storage_pb2.LunPaths(scsi_id=scsi_id, current=now, maximum=most) for scsi_id, now, most in counts]
    return storage_pb2.SrStatus(attached=attached, paths=paths, iscsi_sessions=sessions)


def test_counts_are_shown_as_storage_manager_writes_them_beside_what_others_wrote() -> None:
    shown = with_paths({"a": "b"}, status(("3600a", 2, 2)))
    assert shown == {"a": "b", "multipathed": "true", "mpath-3600a": "[2, 2]", "iscsi_sessions": "2"}
    assert with_paths(shown, status(("3600a", 1, 1), sessions=1))["mpath-3600a"] == "[1, 2]"


def test_counts_stay_while_nothing_is_said_and_go_with_the_sr() -> None:
    shown = {"a": "b", "multipathed": "true", "mpath-3600a": "[1, 2]"}
    assert with_paths(shown, status(sessions=0)) == shown
    assert with_paths({**shown, "iscsi_sessions": "2"}, status(attached=False)) == {"a": "b"}


def test_an_sr_without_multipathing_shows_nothing() -> None:
    assert with_paths({"a": "b"}, status(sessions=1)) == {"a": "b"}


def test_an_id_that_is_none_is_not_shown() -> None:
    assert with_paths({}, status(("a b", 1, 1), ("x" * 200, 1, 1))) == {}


@pytest.mark.parametrize(
    ("before", "after", "count"),
    [
        ("", "[2, 2]", 0),
        ("", "[1, 2]", 1),
        ("[2, 2]", "[1, 2]", 1),
        ("[1, 2]", "[1, 2]", 0),
        ("[1, 2]", "[2, 2]", 1),
        ("[2, 2]", "[4, 4]", 0),
        ("[2, 2]", "", 0),
        ("[2, 2]", "many", 0),
    ],
)
def test_ways_that_are_lost_or_come_back_are_news(before: str, after: str, count: int) -> None:
    old, new = ({"mpath-3600a": text} if text else {} for text in (before, after))
    assert len(news(old, new)) == count


def test_what_others_wrote_is_no_count() -> None:
    assert paths_of({"mpath-3600a": "[1, 2]", "mpath-x": "[1]", "other": "[1, 2]"}) == {
        "mpath-3600a": Paths("mpath-3600a", 1, 2)
    }


def test_only_true_and_false_are_settings() -> None:
    assert [setting({"multipathing": text}) for text in ("true", "false", "yes", "")] == [True, False, None, None]
