"""Structured log lines: one event, its fields. To journald as fields, to a terminal in colour, elsewhere as JSON.

Standard `logging` of libraries and drivers goes the same way. Fields that mean something everywhere: `operation`,
`vm`, `domid`, `method`, `peer`, `request_id`.
"""

import logging
import os
import sys
from enum import StrEnum, auto
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from xenhost.system.journald import JournaldHandler

NOISY = ("asyncio", "grpc", "grpc._cython.cygrpc", "pyroute2")
"""Libraries of which only warnings are logged."""


class LogFormat(StrEnum):
    """How log lines look."""

    AUTO = auto()
    """journal below systemd, console on a terminal, json elsewhere"""
    CONSOLE = auto()
    JSON = auto()
    JOURNAL = auto()


class LogLevel(StrEnum):
    """What is logged."""

    DEBUG = auto()
    INFO = auto()
    WARNING = auto()
    ERROR = auto()


def set_up_logging(program: str, level: LogLevel, wanted: LogFormat, stream: TextIO) -> None:
    """Send every log line of a program to `stream`, or to journald if that is what `stream` is connected to."""
    chosen = _chosen(wanted, stream)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _drop_empty,
    ]
    if chosen is not LogFormat.JOURNAL:
        shared.append(structlog.processors.TimeStamper(fmt="iso", utc=True))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        cache_logger_on_first_use=False,
    )
    journal = chosen is LogFormat.JOURNAL
    handler: logging.Handler = JournaldHandler(program) if journal else logging.StreamHandler(stream)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_last(chosen)],
    )
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def _chosen(wanted: LogFormat, stream: TextIO) -> LogFormat:
    if wanted is not LogFormat.AUTO:
        return wanted
    if stream.isatty():
        return LogFormat.CONSOLE
    return LogFormat.JOURNAL if _is_journal(stream) else LogFormat.JSON


def _is_journal(stream: TextIO) -> bool:
    """Is the stream the one that systemd connected to journald? sd-journal(3), JOURNAL_STREAM in systemd.exec(5)."""
    try:
        state = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{state.st_dev}:{state.st_ino}"


def _last(chosen: LogFormat) -> list[Processor]:
    match chosen:
        case LogFormat.CONSOLE:
            colours = sys.stderr.isatty() and "NO_COLOR" not in os.environ
            plain = structlog.dev.plain_traceback
            return [structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=plain, pad_event=24)]
        case _:
            return [
                structlog.processors.format_exc_info,
                structlog.processors.EventRenamer("message"),
                structlog.processors.JSONRenderer(default=str),
            ]


def _drop_empty(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Fields that are empty say nothing."""
    return {key: value for key, value in event.items() if value != "" and (key == "exc_info" or value is not None)}
