"""For authors of data sources: publish numbers, and they become metrics of the host, a VM or an SR.

    from xenhost.rrd.sdk import Plugin, Source, gauge

    with Plugin("fans") as plugin:
        plugin.run(lambda: [(gauge("fan_cpu", units="rpm"), read_fan())])

A plugin is a program of its own, in any language: this module only writes the file that
docs/howto/write-a-data-source.md describes (protocol V2). Names are those of the classes in xenhost.core.metrics.
"""

import json
import math
import os
import signal
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final, Self

from xenhost.core.metrics import HOST as HOST
from xenhost.core.metrics import Owner as Owner
from xenhost.core.metrics import OwnerKind, Source, SourceType, Transform, ValueType
from xenhost.rrd.plugin.file import FOLDER, is_plugin_name
from xenhost.rrd.plugin.protocol import MAGIC

STEP: Final = 5.0
"""Seconds between two readings of all data sources."""
_EARLY: Final = 1.0
"""Seconds before the next reading at which values are written."""

Values = Sequence[tuple[Source, float]]


def gauge(name: str, *, owner: Owner = HOST, units: str = "", description: str = "", default: bool = True) -> Source:
    """A value that is shown as it is: a temperature, a size."""
    return Source(name, owner, SourceType.GAUGE, units=units, description=description, default=default)


def counter(
    name: str, *, owner: Owner = HOST, units: str = "", description: str = "", default: bool = True, min: float = 0.0
) -> Source:
    """A number that only grows, such as bytes sent: shown as its growth a second."""
    return Source(
        name, owner, SourceType.DERIVE, ValueType.INT64, units=units, description=description, default=default, min=min
    )


def vm(uuid: str) -> Owner:
    """That VM."""
    return Owner(OwnerKind.VM, uuid.lower())


def sr(uuid: str) -> Owner:
    """That SR."""
    return Owner(OwnerKind.SR, uuid.lower())


class Plugin:
    """One file in the folder of metrics. Use as a context manager: it is removed at the end, and so are its sources."""

    def __init__(self, name: str, folder: Path = FOLDER) -> None:
        """Does no I/O. Raises ValueError for a name with a slash, or one that is ignored."""
        if not is_plugin_name(name):
            raise ValueError(f"{name!r} is not a name for a plugin: a file name, not beginning with a dot or tap-")
        self.path: Final = folder / name
        self._stopped: Final = threading.Event()

    def write(self, values: Values, now: float | None = None) -> None:
        """Publish. Replaces the file at once, so nobody reads half of it. Raises OSError.

        `now`: seconds since the epoch, by default the clock's.
        """
        self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        new = self.path.with_name(f".{self.path.name}.tmp")
        new.write_bytes(encode(values, time.time() if now is None else now))
        os.replace(new, self.path)

    def run(self, collect: Callable[[], Iterable[tuple[Source, float]]]) -> None:
        """Publish what `collect` gives, every five seconds shortly before it is read, until a signal or `stop`.

        An error of `collect` is yours: it ends the plugin, and systemd starts it again.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        while not self._stopped.wait(_until_due(time.time())):
            self.write(list(collect()))

    def stop(self) -> None:
        """End `run`, from another thread or a signal handler."""
        self._stopped.set()

    def close(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)

    def _signalled(self, _number: int, _frame: FrameType | None) -> None:
        self.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def encode(values: Values, now: float) -> bytes:
    """The file's content, protocol V2. Raises ValueError for a counter that is not finite."""
    body = struct.pack(">d", now)
    for source, value in values:
        if source.value_type is ValueType.INT64:
            if not math.isfinite(value):
                raise ValueError(f"{source.name} is {value}; a whole number cannot be unknown, a float (NaN) can")
            body += struct.pack(">q", int(value))
        else:
            body += struct.pack(">d", value)
    metadata = _metadata([source for source, _ in values])
    header = struct.pack(">III", zlib.crc32(body), zlib.crc32(metadata), len(values))
    return MAGIC + header + body + struct.pack(">I", len(metadata)) + metadata


def _metadata(sources: Sequence[Source]) -> bytes:
    """By hand: names of different owners may be the same, which a dict cannot hold."""
    members = ",".join(f"{json.dumps(source.name)}:{json.dumps(_described(source))}" for source in sources)
    return f'{{"datasources":{{{members}}}}}'.encode()


def _described(source: Source) -> dict[str, str]:
    owner = source.owner
    return {
        "description": source.description,
        "owner": owner.kind.value if owner.kind is OwnerKind.HOST else f"{owner.kind.value} {owner.uuid}",
        "value_type": source.value_type.value,
        "type": source.type.value,
        "default": "true" if source.default else "false",
        "units": source.units,
        "min": str(source.min),
        "max": str(source.max),
        **({} if source.transform is Transform.IDENTITY else {"transform": source.transform.value}),
    }


def _until_due(now: float) -> float:
    """Seconds until shortly before the next reading: readings are at whole multiples of the step."""
    return STEP - (now + _EARLY) % STEP
