"""Durable databases: a .rrd file for each host, VM and SR, written by librrd and readable by any rrdtool."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy
import structlog

from xenhost.core.errors import HandleInvalid, InvalidValue
from xenhost.core.ids import is_uuid
from xenhost.core.metrics import HOST, Owner, OwnerKind
from xenhost.rrd import rrd_file
from xenhost.rrd.document import Document
from xenhost.rrd.resolution import AVERAGES, STEP, WITH_EXTREMES, Cf
from xenhost.rrd.rrd_file import BadFile, Meaning
from xenhost.rrd.store import Fresh, FreshColumns, Store

BACK_SECONDS: Final = 60
"""By which a file may be ahead of the clock before it is written anew."""


@dataclass(frozen=True, slots=True)
class _File:
    updated: int
    columns: frozenset[str]
    meanings: Mapping[str, Meaning]


class Archive:
    """Safe to be used by several threads, one after the other; every call blocks on disk.

    A file is created, restored and changed in its columns as another one that takes its name when it is on disk;
    rows are written in place, each to a place of its own, so that who is killed meanwhile leaves a file that can be
    read. What is written reaches the disk when the kernel likes, so a power failure may cost more than a kill.

    Beside `vm-<uuid>.rrd` is `vm-<uuid>.json` with what data sources mean, and the names that librrd cannot have.
    """

    def __init__(self, folder: Path, log: structlog.typing.FilteringBoundLogger) -> None:
        """Does nothing yet."""
        self._folder: Final = folder
        self._log: Final = log
        self._lock: Final = threading.Lock()
        self._files: Final[dict[Owner, _File]] = {}

    def open(self) -> tuple[Owner, ...]:
        """Make the folder if need be, clear what a crash left half done, and say whose files there are.

        Raises OSError: there is no such folder and it cannot be made."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for pattern in ("*.new", "*.xml"):
            for path in self._folder.glob(pattern):
                path.unlink(missing_ok=True)
        found = (_owner(path.stem) for path in sorted(self._folder.glob("*.rrd")))
        return tuple(owner for owner in found if owner is not None)

    def save(self, store: Store, only: Owner | None = None) -> bool:
        """Bring the files of all owners in the store up to date, or of one: once a minute, before a VM is unloaded, and
        before the agent ends. A millisecond for each owner. What fails for one owner is logged and tried again;
        False: something did."""
        with self._lock:
            return self._save_all(store, store.owners() if only is None else (only,))

    def load(self, owner: Owner) -> Document | None:
        """What its file has; None: none. A damaged file is set aside, logged, and counts as none."""
        path = self.path(owner)
        with self._lock:
            return self._read(owner, path)

    def put(self, owner: Owner, document: Document) -> None:
        """Replace its file by a document that came from elsewhere. Raises OSError, BadFile; TooBusy: it is too big."""
        extremes = any(each.resolution.cf is not Cf.AVERAGE for each in document.archives)
        store = Store("", document.updated + STEP, vm_extremes=extremes)
        store.load(owner, document)
        with self._lock:
            self._files[owner] = self._restore(owner, store)

    def let_go(self, owner: Owner) -> None:
        """Of what is remembered of its file, which stays: it is not saved for a while."""
        with self._lock:
            self._files.pop(owner, None)

    def remove(self, owner: Owner) -> None:
        """Its file, if there is one. Raises OSError."""
        path = self.path(owner)
        with self._lock:
            self._files.pop(owner, None)
            path.unlink(missing_ok=True)
            _sidecar(path).unlink(missing_ok=True)

    def path(self, owner: Owner) -> Path:
        """Of its .rrd file, which may not exist. Raises InvalidValue: its UUID is none."""
        if owner.kind is OwnerKind.HOST:
            return self._folder / "host.rrd"
        if not is_uuid(owner.uuid):
            raise InvalidValue(f"{owner.uuid!r:.80} is not a UUID", field="uuid", value=owner.uuid[:80])
        return self._folder / f"{owner.kind}-{owner.uuid}.rrd"

    def _read(self, owner: Owner, path: Path) -> Document | None:
        try:
            return rrd_file.read(path, rrd_file.read_meanings(_sidecar(path)))
        except FileNotFoundError:
            return None
        except OSError as error:
            self._log.warning("archive.not_read", path=str(path), problem=str(error))
            return None
        except (BadFile, ValueError, KeyError) as error:
            self._set_aside(owner, error)
            return None

    def _save_all(self, store: Store, owners: Sequence[Owner]) -> bool:
        known = [self._files[owner].updated if owner in self._files else 0 for owner in owners]
        fresh = store.fresh(min(known, default=0))
        if not fresh.times:
            fresh = store.fresh(0)  # there is nothing new, unless the clock was put back
            if not fresh.times or max(known) <= fresh.times[-1] + BACK_SECONDS:
                return True
        done = True
        for owner in owners:
            columns = fresh.owners.get(owner)
            if columns is None or not columns.sources:
                continue
            try:
                self._files[owner] = self._save(owner, columns, fresh, store)
            except HandleInvalid:
                continue  # it was unloaded meanwhile
            except (BadFile, OSError) as error:
                self._files.pop(owner, None)
                self._log.warning("archive.not_saved", owner=self.path(owner).stem, problem=str(error))
                done = False
        return done

    def _save(self, owner: Owner, columns: FreshColumns, fresh: Fresh, store: Store) -> _File:
        path = self.path(owner)
        wanted = {rrd_file.column_name(source.name): rrd_file.meaning(source) for source in columns.sources}
        numbers = dict(zip(_columns(columns), columns.numbers.tolist(), strict=True))
        file = self._files.get(owner) or self._look(owner)
        if file is not None and file.updated > fresh.times[-1] + BACK_SECONDS:
            self._log.warning("archive.clock_put_back", owner=path.stem, updated=file.updated)
            file = None
        if file is None:
            if _has_past(store.document(owner)):
                return self._restore(owner, store)
            file = _File(fresh.times[0] - STEP, frozenset(wanted), {})
            rrd_file.create(path, wanted, WITH_EXTREMES if columns.extremes else AVERAGES, file.updated)
        wanted = _kept(wanted, file.meanings)
        if wanted.keys() != file.columns:
            rrd_file.change(path, wanted.keys() - file.columns, file.columns - wanted.keys())
        if wanted != file.meanings:
            rrd_file.write_meanings(_sidecar(path), wanted)
        first = next((number for number, time in enumerate(fresh.times) if time > file.updated), None)
        if first is None:
            return _File(file.updated, frozenset(wanted), wanted)
        times = list(fresh.times[first:])
        rows = fresh.values[first:, list(numbers.values())].tolist()
        if times[0] > file.updated + STEP:  # librrd would take the first row for what was in between
            times.insert(0, times[0] - STEP)
            rows.insert(0, [numpy.nan] * len(numbers))
        rrd_file.update(path, list(numbers), times, rows)
        return _File(times[-1], frozenset(wanted), wanted)

    def _restore(self, owner: Owner, store: Store) -> _File:
        path, document = self.path(owner), store.document(owner)
        sources = store.fresh(int(document.updated)).owners[owner].sources
        wanted = {rrd_file.column_name(source.name): rrd_file.meaning(source) for source in sources}
        wanted = _kept(wanted, rrd_file.read_meanings(_sidecar(path)))
        rrd_file.restore(path, document)
        rrd_file.write_meanings(_sidecar(path), wanted)
        return _File(int(document.updated), frozenset(wanted), wanted)

    def _look(self, owner: Owner) -> _File | None:
        path = self.path(owner)
        try:
            head = rrd_file.head(path)
        except FileNotFoundError:
            return None
        except BadFile as error:
            self._set_aside(owner, error)
            return None
        return _File(head.updated, frozenset(head.columns), rrd_file.read_meanings(_sidecar(path)))

    def _set_aside(self, owner: Owner, error: Exception) -> None:
        path = self.path(owner)
        aside = path.with_suffix(".bad")
        self._log.error("archive.set_aside", path=str(path), aside=aside.name, problem=str(error))
        self._files.pop(owner, None)
        path.replace(aside)


def _columns(columns: FreshColumns) -> list[str]:
    return [rrd_file.column_name(source.name) for source in columns.sources]


def _kept(wanted: Mapping[str, Meaning], before: Mapping[str, Meaning]) -> dict[str, Meaning]:
    """With the units and descriptions of before where there are none yet: a document knows none."""
    return {
        column: replace(each, units=old.units, description=old.description)
        if not each.units and not each.description and (old := before.get(column)) is not None and old.name == each.name
        else each
        for column, each in wanted.items()
    }


def _has_past(document: Document) -> bool:
    """Does it know more than the last minutes?"""
    return any(
        archive.resolution.slots > 1 and bool(numpy.isfinite(archive.values).any()) for archive in document.archives
    )


def _sidecar(path: Path) -> Path:
    return path.with_suffix(".json")


def _owner(stem: str) -> Owner | None:
    kind, _, uuid = stem.partition("-")
    if stem == OwnerKind.HOST:
        return HOST
    return Owner(OwnerKind(kind), uuid) if kind in (OwnerKind.VM, OwnerKind.SR) and is_uuid(uuid) else None
