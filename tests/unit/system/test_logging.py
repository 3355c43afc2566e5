"""What a log line looks like."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from xenhost.system.logging import LogFormat, LogLevel, set_up_logging


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_away_from_a_terminal_a_line_is_json_with_fields(stream: io.StringIO) -> None:
    set_up_logging("x", LogLevel.INFO, LogFormat.AUTO, stream)
    structlog.get_logger("xenhost.agent").info("started", vm="v", domid=7, peer="")
    line = json.loads(stream.getvalue())
    assert (line["message"], line["vm"], line["domid"], line["level"]) == ("started", "v", 7, "info")
    assert line["logger"] == "xenhost.agent"
    assert "peer" not in line


def test_lines_of_libraries_look_the_same(stream: io.StringIO) -> None:
    set_up_logging("x", LogLevel.INFO, LogFormat.JSON, stream)
    logging.getLogger("some.library").warning("odd %s", "thing", extra={"vm": "v"})
    line = json.loads(stream.getvalue())
    assert (line["message"], line["level"], line["vm"]) == ("odd thing", "warning", "v")


def test_an_exception_is_in_the_line(stream: io.StringIO) -> None:
    set_up_logging("x", LogLevel.INFO, LogFormat.JSON, stream)
    structlog.get_logger("x").error("failed", exc_info=ValueError("boom"))
    assert "ValueError: boom" in json.loads(stream.getvalue())["exception"]


def test_a_level_hides_what_is_below(stream: io.StringIO) -> None:
    set_up_logging("x", LogLevel.WARNING, LogFormat.JSON, stream)
    structlog.get_logger("x").info("hidden")
    logging.getLogger("y").info("hidden")
    assert stream.getvalue() == ""


def test_people_get_plain_lines(stream: io.StringIO) -> None:
    set_up_logging("x", LogLevel.INFO, LogFormat.CONSOLE, stream)
    structlog.get_logger("x").info("started", vm="v")
    assert "started" in stream.getvalue()
    assert "vm=" in stream.getvalue()
