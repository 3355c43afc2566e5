"""Durable databases: a .rrd file for each host, VM and SR, written by librrd and readable by any rrdtool."""

from pathlib import Path

from xenhost.core.metrics import Owner
from xenhost.rrd.document import Document
from xenhost.rrd.store import Store


class Archive:
    """One thread at a time; every call blocks on disk.

    Beside `vm-<uuid>.rrd` is `vm-<uuid>.json`: librrd's names of data sources have 19 characters at most, so columns
    are called s0, s1, ... and their names and meaning are there.
    """

    def __init__(self, folder: Path) -> None:
        """Does nothing yet."""
        raise NotImplementedError

    def open(self) -> tuple[Owner, ...]:
        """Make the folder if need be, clear what a crash left half done, and say whose files there are.

        Raises OSError: there is no such folder and it cannot be made."""
        raise NotImplementedError

    def save(self, store: Store) -> None:
        """Bring the files of all owners in the store up to date: once a minute, and before the agent ends. Milliseconds
        for each owner. What fails for one owner is logged and tried again next time."""
        raise NotImplementedError

    def load(self, owner: Owner) -> Document | None:
        """What its file has; None: none. A damaged file is set aside, logged, and counts as none."""
        raise NotImplementedError

    def put(self, owner: Owner, document: Document) -> None:
        """Replace its file by a document: the VM halted, or its archive came from another host. Raises OSError."""
        raise NotImplementedError

    def remove(self, owner: Owner) -> None:
        """Its file, if there is one."""
        raise NotImplementedError

    def path(self, owner: Owner) -> Path:
        """Of its .rrd file, which may not exist."""
        raise NotImplementedError
