"""One .rrd file and the names of its columns. Blocks; knows nothing of the store.

librrd takes names of up to 19 letters, digits, - and _. A data source keeps its name where that is one; else its
column has the beginning of the name and a digest, and the sidecar says what it stands for. A lost sidecar loses long
names only.
"""

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy
import rrdtool

from xenhost.core.metrics import Source, SourceType
from xenhost.rrd.document import Document, DocumentArchive, DocumentSource
from xenhost.rrd.document_xml import as_rrdtool_xml
from xenhost.rrd.resolution import HEARTBEAT, STEP, Cf, Resolution
from xenhost.rrd.rrd_info import rrd_info

MAX_XFF: Final = 0.99999
"""librrd knows none of 1."""
RESTORE_SECONDS: Final = 60
READS: Final = 10
"""Of a file that changes while it is read."""
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,19}", re.ASCII)
_DIGEST: Final = re.compile(r".{12}-[0-9a-f]{6}")
_INFO: Final = re.compile(r"(ds|rra)\[([^\]]+)\]\.(.+)")
_PREPARED: Final = re.compile(r"cdp_prep\[([0-9]+)\]\.(value|unknown_datapoints)")


class BadFile(Exception):
    """librrd cannot read or write a file. `args[0]` is what it said."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a column is, as the sidecar has it."""

    name: str
    type: SourceType
    min: float
    max: float
    units: str
    description: str


def column_name(name: str) -> str:
    """Of a data source, in the file."""
    if _NAME.fullmatch(name) and not _DIGEST.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"{re.sub('[^A-Za-z0-9_-]', '_', name[:12]):_<12}-{digest}"


def meaning(source: Source) -> Meaning:
    """Of a data source."""
    return Meaning(source.name, source.type, source.min, source.max, source.units, source.description)


def create(path: Path, columns: Iterable[str], resolutions: Sequence[Resolution], start: int) -> None:
    """A new file whose first row is later than `start`, in place of another: whole or not there. Raises BadFile."""
    made = path.with_suffix(".new")
    archives = [f"RRA:{each.cf}:{min(each.xff, MAX_XFF)}:{each.slots}:{each.rows}" for each in resolutions]
    sources = [f"DS:{each}:GAUGE:{HEARTBEAT:.0f}:U:U" for each in columns]
    _call(rrdtool.create, str(made), "--step", str(STEP), "--start", str(start), *sources, *archives)
    _replace(made, path)


def restore(path: Path, document: Document) -> None:
    """A new file with all of a document, in place of another. Runs rrdtool. Raises BadFile."""
    text, made = path.with_suffix(".xml"), path.with_suffix(".new")
    sources = tuple(
        DocumentSource(column_name(each.name), SourceType.GAUGE, -numpy.inf, numpy.inf, numpy.nan, numpy.nan)
        for each in document.sources
    )
    archives = tuple(
        DocumentArchive(
            Resolution(
                each.resolution.cf, each.resolution.slots, each.resolution.rows, min(each.resolution.xff, MAX_XFF)
            ),
            each.values,
            each.pending,
            each.unknown,
        )
        for each in document.archives
    )
    try:
        with text.open("wb") as file:
            file.writelines(as_rrdtool_xml(Document(document.updated, sources, archives, document.step)))
        made.unlink(missing_ok=True)
        done = subprocess.run(
            ["rrdtool", "restore", str(text), str(made)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=RESTORE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadFile(f"rrdtool restore: {error}") from None
    finally:
        text.unlink(missing_ok=True)
    if done.returncode:
        raise BadFile(f"rrdtool restore: {done.stderr.decode(errors='replace').strip()[:200]}")
    _replace(made, path)


def update(path: Path, columns: Sequence[str], times: Sequence[int], rows: Sequence[Sequence[float]]) -> None:
    """Add rows; those of columns that are not named are unknown. Raises BadFile."""
    line = ":%.9g" * len(columns)
    texts = [f"{time}{(line % tuple(row)).replace('nan', 'U')}" for time, row in zip(times, rows, strict=True)]
    _call(rrdtool.update, str(path), "--template", ":".join(columns), *texts)


def change(path: Path, add: Iterable[str], drop: Iterable[str]) -> None:
    """Columns, of a file that keeps the rest. It is whole at any time. Raises BadFile."""
    words = [f"DEL:{each}" for each in drop] + [f"DS:{each}:GAUGE:{HEARTBEAT:.0f}:U:U" for each in add]
    if words:
        _call(rrdtool.tune, str(path), *words)
        _sync(path)


@dataclass(frozen=True, slots=True)
class Head:
    """What a file says of itself."""

    updated: int
    columns: tuple[str, ...]
    archives: tuple[tuple[Resolution, tuple[tuple[float, int], ...]], ...]
    """With what the present row has: a sum, minimum or maximum by column, and how many slots are unknown."""


def head(path: Path) -> Head:
    """Raises BadFile, FileNotFoundError."""
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        info = rrd_info(path)
    except OSError as error:
        raise BadFile(str(error)) from None
    if info.get("step") != STEP:
        raise BadFile(f"its step is {info.get('step')}, not {STEP}")
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for key, value in info.items():
        if match := _INFO.fullmatch(key):
            found.setdefault((match[1], match[2]), {})[match[3]] = value
    columns = sorted((fields["index"], name) for (kind, name), fields in found.items() if kind == "ds")
    rungs = [fields for (kind, _), fields in sorted(found.items(), key=_rung) if kind == "rra"]
    return Head(
        int(info["last_update"]),
        tuple(name for _, name in columns),
        tuple((_resolution(fields), _prepared(fields, len(columns))) for fields in rungs),
    )


def read(path: Path, meanings: Mapping[str, Meaning]) -> Document:
    """All of a file, which may be written meanwhile. Columns without a meaning keep their names.

    Raises BadFile, FileNotFoundError."""
    for _ in range(READS):
        what = head(path)
        try:
            document = _read(path, meanings, what)
        except BadFile:
            if head(path).updated == what.updated:
                raise
        else:
            if head(path).updated == what.updated:
                return document
    raise OSError(f"{path} is written all the time")


def _read(path: Path, meanings: Mapping[str, Meaning], what: Head) -> Document:
    sources = []
    for name in what.columns:
        found = meanings.get(name, Meaning(name, SourceType.GAUGE, -numpy.inf, numpy.inf, "", ""))
        sources.append(DocumentSource(found.name, found.type, found.min, found.max, numpy.nan, numpy.nan))
    archives = []
    for resolution, prepared in what.archives:
        passed = what.updated // STEP % resolution.slots
        unknown = numpy.array([count for _, count in prepared], numpy.int64)
        pending = numpy.array([value for value, _ in prepared], numpy.float64)
        if resolution.cf is Cf.AVERAGE:
            known = passed - unknown
            pending = numpy.where(known > 0, pending / numpy.maximum(known, 1), numpy.nan)
        pending[~numpy.isfinite(pending)] = numpy.nan
        values = _rows(path, resolution, what)
        archives.append(DocumentArchive(resolution, values, pending, unknown))
    return Document(float(what.updated), tuple(sources), tuple(archives))


def read_meanings(path: Path) -> dict[str, Meaning]:
    """By column; nothing if the sidecar is missing or damaged."""
    try:
        fields = json.loads(path.read_bytes())
        return {
            str(column): Meaning(
                str(each["name"]),
                SourceType(each["type"]),
                float(each["min"]),
                float(each["max"]),
                str(each["units"]),
                str(each["description"]),
            )
            for column, each in fields["columns"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write_meanings(path: Path, meanings: Mapping[str, Meaning]) -> None:
    """Whole or not at all. Raises OSError."""
    columns = {
        column: {
            "name": each.name,
            "type": each.type,
            "min": str(each.min),
            "max": str(each.max),
            "units": each.units,
            "description": each.description,
        }
        for column, each in sorted(meanings.items())
    }
    made = path.with_suffix(".json.new")
    made.write_text(json.dumps({"columns": columns}, indent=1))
    _replace(made, path)


def _rows(path: Path, resolution: Resolution, what: Head) -> "numpy.ndarray[Any, numpy.dtype[numpy.float32]]":
    seconds = resolution.seconds
    end = what.updated // seconds * seconds
    start = end - resolution.rows * seconds
    (first, _, step), names, rows = _call(
        rrdtool.fetch, str(path), resolution.cf, "-r", str(seconds), "-s", str(start), "-e", str(end)
    )
    if step != seconds or tuple(names) != what.columns:
        raise BadFile(f"it has no rows of {seconds} s")
    found = numpy.array(rows, numpy.float64)[(start - first) // seconds :][: resolution.rows]
    if len(found) != resolution.rows:
        raise BadFile(f"it has {len(found)} rows of {seconds} s where {resolution.rows} belong")
    values = found.astype(numpy.float32)
    values.flags.writeable = False
    return values


def _rung(item: tuple[tuple[str, str], dict[str, Any]]) -> tuple[str, int]:
    (kind, name), _ = item
    return kind, int(name) if kind == "rra" else 0


def _resolution(fields: Mapping[str, Any]) -> Resolution:
    return Resolution(Cf(fields["cf"]), int(fields["pdp_per_row"]), int(fields["rows"]), float(fields["xff"]))


def _prepared(fields: Mapping[str, Any], count: int) -> tuple[tuple[float, int], ...]:
    values, unknown = [numpy.nan] * count, [0] * count
    for key, value in fields.items():
        if match := _PREPARED.fullmatch(key):
            if match[2] == "value":
                values[int(match[1])] = float(value)
            else:
                unknown[int(match[1])] = int(value)
    return tuple(zip(values, unknown, strict=True))


def _call(function: Any, *words: str) -> Any:
    try:
        return function(*words)
    except (rrdtool.OperationalError, rrdtool.ProgrammingError) as error:
        raise BadFile(str(error)) from None


def _replace(made: Path, path: Path) -> None:
    """It is on disk before it has the name."""
    _sync(made)
    made.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
