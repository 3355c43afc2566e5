"""Whole databases as JSON: the same keys as in XML, all values strings."""

from collections.abc import Iterator

from xenhost.rrd.document import Document


def as_json(document: Document) -> Iterator[bytes]:
    """In pieces. Pure; takes no lock."""
    raise NotImplementedError


def from_json(untrusted_data: bytes) -> Document:
    """Raises BadDocument. Bounded; takes up to seconds: a thread."""
    raise NotImplementedError
