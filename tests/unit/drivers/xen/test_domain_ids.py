"""Which id a new domain gets."""

import time
from pathlib import Path

import pytest

from xenhost.core.errors import TooBusy
from xenhost.core.ids import DomId
from xenhost.drivers.xen import domain_ids
from xenhost.drivers.xen.domain_ids import LIMIT, next_domid, recently_used


def test_ids_go_round_and_skip_those_taken() -> None:
    assert next_domid(DomId(0), set()) == 1
    assert next_domid(DomId(4), {DomId(5), DomId(6)}) == 7
    assert next_domid(DomId(LIMIT - 1), set()) == 1
    assert next_domid(DomId(LIMIT - 2), {DomId(LIMIT - 1), DomId(1)}) == 2


def test_every_id_can_be_had_and_then_no_more() -> None:
    taken: set[DomId] = set(map(DomId, range(LIMIT))) - {DomId(17)}
    assert next_domid(DomId(17), taken | {DomId(0)} - {DomId(17)}) == 17 or next_domid(DomId(16), taken) == 17
    with pytest.raises(TooBusy):
        next_domid(DomId(3), set(map(DomId, range(LIMIT))))


def test_ids_that_libxl_used_lately_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = int(time.clock_gettime(time.CLOCK_MONOTONIC))
    history = tmp_path / "domid-history"
    monkeypatch.setattr(domain_ids, "_HISTORY", history)
    assert recently_used() == set()
    history.write_text(f"{now} 5\n{now - 3600} 6\nrubbish\n{now} -1\n{now} 7 8\n")
    assert recently_used() == {5}
