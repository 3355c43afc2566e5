#!/usr/bin/env python3
"""The way to raw files: `rawdir:///path/of/a/file`. The host makes a block device of what it needs."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from xenhost.sm.sdk import DatapathPlugin, File, PluginInfo, VolumeDoesNotExist, main


class RawFile(DatapathPlugin):
    """While a file is in use, `<file>.<domain>.active` lies beside it."""

    info = PluginInfo(plugin="rawdir", name="Raw files", description="Files as they are")

    def attach(self, uri: str, domain: str) -> Sequence[File]:
        """There is nothing to prepare."""
        return [File(str(file_of(uri)))]

    def activate(self, uri: str, domain: str) -> None:
        """Mark it."""
        mark(uri, domain).touch()

    def deactivate(self, uri: str, domain: str) -> None:
        """Remove the mark."""
        mark(uri, domain).unlink(missing_ok=True)

    def detach(self, uri: str, domain: str) -> None:
        """Nor to undo."""


def file_of(uri: str) -> Path:
    """The file that a URI names."""
    path = Path(unquote(urlsplit(uri).path))
    if not path.is_file():
        raise VolumeDoesNotExist(uri)
    return path


def mark(uri: str, domain: str) -> Path:
    """The mark of one user."""
    path = Path(unquote(urlsplit(uri).path))
    return path.parent / f"{path.name}.{domain}.active"


if __name__ == "__main__":
    main(RawFile())
