"""Whole databases as XML: what XenServer exports, archives (packed) and sends along with a VM that migrates."""

from collections.abc import Iterator

from xenhost.rrd.document import Document


def as_xml(document: Document, *, internal: bool = False) -> Iterator[bytes]:
    """In pieces. `internal`: with the time of each data source's last reading, as in archives. Pure; takes no lock."""
    raise NotImplementedError


def from_xml(untrusted_data: bytes) -> Document:
    """Also of XenServer's archives, packed by gzip or not. Raises BadDocument. Bounded; may take seconds: a thread."""
    raise NotImplementedError
