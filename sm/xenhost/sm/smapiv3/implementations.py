"""How a datapath plugin says an activated volume can be reached."""

from collections.abc import Sequence
from typing import Final

from xenhost.core.storage import Backend, BackendKind
from xenhost.sm.foreign import local_backend, nbd_backend
from xenhost.sm.smapiv3.failures import bad_answer
from xenhost.sm.smapiv3.plugin import Json

_MAX: Final = 32
_MAX_PATH: Final = 4096


def read(untrusted: Json) -> list[tuple[str, str]]:
    """The kinds (`BlockDevice`, `File`, `Nbd`, `XenDisk`) and places that Datapath.attach named."""
    listed = untrusted.get("implementations") if isinstance(untrusted, dict) else None
    if not isinstance(listed, list) or len(listed) > _MAX:
        raise bad_answer("Datapath.attach", f"implementations: a list of at most {_MAX} is right")
    found: list[tuple[str, str]] = []
    for each in listed:
        if not (isinstance(each, list) and len(each) == 2 and isinstance(each[1], dict)):
            raise bad_answer("Datapath.attach", 'implementations: ["BlockDevice", {"path": ...}] is right')
        kind, fields = each
        place = fields.get({"XenDisk": "params", "Nbd": "uri"}.get(kind, "path"))
        if isinstance(kind, str) and isinstance(place, str) and 0 < len(place) <= _MAX_PATH and "\0" not in place:
            found.append((kind, place))
    return found


def backends(places: Sequence[tuple[str, str]]) -> Sequence[Backend]:
    """Those that are there and that we can use: block devices, raw files, NBD. Blocking."""
    found: list[Backend] = []
    for kind, place in places:
        backend = nbd_backend(place) if kind == "Nbd" else local_backend(place)
        if backend is not None and backend not in found:
            found.append(backend)
    return sorted(found, key=lambda backend: list(_ORDER).index(backend.kind))


_ORDER: Final = (BackendKind.BLOCK, BackendKind.FILE, BackendKind.NBD)
