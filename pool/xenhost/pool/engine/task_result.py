"""The result of a task as its field holds it: an XML-RPC value, also for clients that speak JSON."""

from collections.abc import Iterator
from datetime import datetime
from xml.sax.saxutils import escape

from xenhost.pool.call import Value
from xenhost.pool.database.text import as_text


def task_result(value: Value) -> str:
    """`<value>…</value>`; empty for void."""
    return "" if value is None else "".join(_pieces(value))


def _pieces(value: Value) -> Iterator[str]:
    yield "<value>"
    match value:
        case bool():
            yield f"<boolean>{int(value)}</boolean>"
        case float():
            yield f"<double>{value!r}</double>"
        case datetime():
            yield f"<dateTime.iso8601>{as_text(value)}</dateTime.iso8601>"
        case dict():
            yield "<struct>"
            for key, item in value.items():
                yield f"<member><name>{escape(key)}</name>"
                yield from _pieces(item)
                yield "</member>"
            yield "</struct>"
        case tuple() | list():
            yield "<array><data>"
            for item in value:
                yield from _pieces(item)
            yield "</data></array>"
        case _:
            yield escape(as_text(value))
    yield "</value>"
