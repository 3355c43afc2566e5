"""The answer to /rrd_updates as text, byte for byte as XenServer writes it."""

from collections.abc import Iterator

from xenhost.rrd.updates import Updates


def as_xml(updates: Updates) -> Iterator[bytes]:
    """In pieces of some hundred kilobytes. Pure; takes no lock."""
    raise NotImplementedError


def as_json(updates: Updates) -> Iterator[bytes]:
    """In pieces of some hundred kilobytes; all numbers are strings. Pure; takes no lock."""
    raise NotImplementedError
