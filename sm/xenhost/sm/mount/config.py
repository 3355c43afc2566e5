"""Values of device-config that end up in a mount command."""

import re
from collections.abc import Mapping
from typing import Final

from xenhost.core.storage_errors import backend_failure

_HOST: Final = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9.:%_\]-]{0,254}")
_PATH: Final = re.compile(r"/[^\x00-\x1f\x7f,]{0,1023}")
_OPTION: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_=:./@+%-]{0,255}")


def required(config: Mapping[str, str], key: str, failure: int) -> str:
    """A value that has to be there."""
    value = config.get(key, "")
    if not value:
        raise backend_failure(failure, f"device-config has no {key}")
    return value


def host(config: Mapping[str, str], key: str, failure: int) -> str:
    """A host's name or address."""
    value = required(config, key, failure)
    if not _HOST.fullmatch(value):
        raise backend_failure(failure, f"{key} {value[:80]!r} is no name or address of a host")
    return value


def path(config: Mapping[str, str], key: str, failure: int) -> str:
    """An absolute path on a server."""
    value = required(config, key, failure)
    if not _PATH.fullmatch(value) or ".." in value.split("/"):
        raise backend_failure(failure, f"{key} {value[:80]!r} is no absolute path")
    return value.rstrip("/") or "/"


def options(config: Mapping[str, str], key: str, failure: int) -> tuple[str, ...]:
    """Mount options, separated by commas."""
    found = tuple(each for each in config.get(key, "").removeprefix("-o").strip().split(",") if each)
    for each in found:
        if not _OPTION.fullmatch(each):
            raise backend_failure(failure, f"{each[:80]!r} in {key} is no mount option")
    return found
