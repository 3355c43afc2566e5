"""Places that foreign plugins name, as backends. What they name is hostile; nothing is opened. Blocking."""

import os
import stat
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from xenhost.core.storage import Backend, BackendKind

_NBD: Final = "nbd:unix:"
_EXPORT: Final = ":exportname="


def local_backend(untrusted_path: str) -> Backend | None:
    """A block device or raw file; None if there is none at that absolute path."""
    if not untrusted_path.startswith("/"):
        return None
    try:
        mode = os.stat(untrusted_path).st_mode
    except (OSError, ValueError):
        return None
    if stat.S_ISBLK(mode):
        return Backend(BackendKind.BLOCK, untrusted_path)
    return Backend(BackendKind.FILE, untrusted_path) if stat.S_ISREG(mode) else None


def nbd_backend(untrusted_text: str) -> Backend | None:
    """`nbd:unix:<socket>:exportname=<name>` or `nbd+unix:///<name>?socket=<socket>`; None if no such socket."""
    if untrusted_text.startswith(_NBD):
        path, _, export = untrusted_text.removeprefix(_NBD).partition(_EXPORT)
    else:
        try:
            uri = urlsplit(untrusted_text)
        except ValueError:
            return None
        if uri.scheme != "nbd+unix":
            return None
        path, export = parse_qs(uri.query).get("socket", [""])[0], unquote(uri.path.removeprefix("/"))
    return Backend(BackendKind.NBD, path, export) if path.startswith("/") and Path(path).is_socket() else None
