"""The files of what the pool trusts: a folder for each kind, a file for each certificate or list, whole or none."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Final

from xenhost.pool.call import ApiError
from xenhost.system.whole_file import replace_file

MAX_FILES: Final = 1000
_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,250}\.pem")
"""xapi's rule: nothing that a path or a shell would take for something else."""


class Kind(StrEnum):
    """Of what is kept; the names of the folders."""

    CA = "ca"
    """Installed by a name that the caller chose."""
    CRL = "crl"
    TRUSTED = "trusted"
    """Installed by the UUID of its record."""


class TrustStore:
    """Below one folder. All of it blocks: call it in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder: Final = folder

    def install(self, kind: Kind, name: str, content: bytes) -> None:
        """Raises ApiError …_NAME_INVALID, …_ALREADY_EXISTS; OSError."""
        path = self.path(kind, name)
        if path.exists():
            raise ApiError(f"{_word(kind)}_ALREADY_EXISTS", name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        if len(self.names(kind)) >= MAX_FILES:
            raise ApiError("INTERNAL_ERROR", f"there are {MAX_FILES} files in {path.parent}")
        replace_file(path, content, 0o644)

    def uninstall(self, kind: Kind, name: str, force: bool = False) -> None:
        """Raises ApiError …_NAME_INVALID, …_DOES_NOT_EXIST unless forced; OSError."""
        path = self.path(kind, name)
        if not force and not path.exists():
            raise ApiError(f"{_word(kind)}_DOES_NOT_EXIST", name)
        path.unlink(missing_ok=True)

    def names(self, kind: Kind) -> list[str]:
        """All there are. What else lies in the folder is left alone."""
        folder = self._folder / kind
        return sorted(path.name for path in folder.iterdir() if _NAME.fullmatch(path.name)) if folder.is_dir() else []

    def content(self, kind: Kind, name: str) -> str:
        """Of one. Raises ApiError …_DOES_NOT_EXIST."""
        try:
            return self.path(kind, name).read_text("ascii")
        except FileNotFoundError as error:
            raise ApiError(f"{_word(kind)}_DOES_NOT_EXIST", name) from error

    def path(self, kind: Kind, name: str) -> Path:
        """Where one is, or would be. Raises ApiError …_NAME_INVALID."""
        if not _NAME.fullmatch(name):
            raise ApiError(f"{_word(kind)}_NAME_INVALID", name[:200])
        return self._folder / kind / name


def _word(kind: Kind) -> str:
    return "CRL" if kind is Kind.CRL else "CERTIFICATE"
