"""iSCSI sessions of this host as sysfs shows them, and the marks of who uses them."""

import fcntl
import os
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from xenhost.sm.scsi.vpd import clean

_SESSION: Final = re.compile(r"session(\d{1,9})")
_FOREIGN: Final = "foreign"
_USER: Final = "user-"


@dataclass(frozen=True, slots=True)
class Session:
    """A session."""

    number: int
    iqn: str
    host: str
    port: int
    logged_in: bool
    initiator: str = ""
    """The name by which this host logged in."""


def sessions(sys: Path) -> tuple[Session, ...]:
    """All of them. Blocks, briefly."""
    found = []
    for name in _names(sys / "class" / "iscsi_session"):
        match = _SESSION.fullmatch(name)
        if match is not None:
            folder = sys / "class" / "iscsi_session" / name
            connection = sys / "class" / "iscsi_connection" / f"connection{match[1]}:0"
            port = _text(connection / "persistent_port")
            found.append(
                Session(
                    int(match[1]),
                    _text(folder / "targetname"),
                    _text(connection / "persistent_address"),
                    int(port) if port.isascii() and port.isdigit() else 0,
                    _text(folder / "state") == "LOGGED_IN",
                    _text(folder / "initiatorname"),
                )
            )
    return tuple(found)


def expected_disks(sys: Path, session: int) -> int:
    """Disks (SCSI type 0) of a session that have no block device yet: they are still being looked at."""
    root = (sys / "class" / "iscsi_session" / f"session{session}" / "device").resolve()
    waiting = 0
    for target in _names(root):
        if target.startswith("target"):
            for lun in _names(root / target):
                if _text(root / target / lun / "type") == "0" and not _names(root / target / lun / "block"):
                    waiting += 1
    return waiting


class Users:
    """Marks in files: which SRs use the sessions to a target. They outlive the agent, not a boot, like sessions."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def try_lock(self) -> int | None:
        """Lock all of it against other drivers and agents; None: somebody else has it. Close it to unlock."""
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock

    def add(self, iqn: str, user: str, was_there: bool) -> None:
        """`user` uses the target. If nobody did, though a session `was_there`, that is not ours to end."""
        folder = self._folder / sha256(iqn.encode()).hexdigest()[:32]
        if not folder.exists():
            folder.mkdir()
            if was_there:
                (folder / _FOREIGN).touch()
        (folder / f"{_USER}{user}").write_text(iqn)

    def held(self, user: str) -> tuple[str, ...]:
        """The targets that it uses."""
        marks = (self._folder / name / f"{_USER}{user}" for name in _names(self._folder))
        return tuple(iqn for mark in marks if (iqn := _text(mark)))

    def remove(self, user: str) -> tuple[str, ...]:
        """It uses nothing any more; answers the targets that nobody does now, and whose sessions are to be ended."""
        ended = []
        for name in _names(self._folder):
            folder = self._folder / name
            mark = folder / f"{_USER}{user}"
            iqn = _text(mark)
            if iqn:
                mark.unlink()
                if not any(each.startswith(_USER) for each in _names(folder)):
                    if not (folder / _FOREIGN).exists():
                        ended.append(iqn)
                    (folder / _FOREIGN).unlink(missing_ok=True)
                    folder.rmdir()
        return tuple(ended)


def _names(folder: Path) -> tuple[str, ...]:
    try:
        return tuple(sorted(os.listdir(folder)))
    except OSError:
        return ()


def _text(path: Path) -> str:
    try:
        return clean(path.read_bytes()[:4096].decode(errors="replace"))
    except OSError:
        return ""
