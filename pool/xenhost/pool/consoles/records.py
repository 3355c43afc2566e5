"""Class console, right in every transaction: a VM with a domain has a serial line, and one that is HVM a screen."""

from collections.abc import Callable
from typing import Final
from uuid import uuid4

from xenhost.pool.call import NULL_REF, Ref
from xenhost.pool.consoles.finding import RFB
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Change, Record
from xenhost.pool.database.transaction import Transaction

VT100: Final = "vt100"
_WITH_DOMAIN: Final = frozenset({"Running", "Paused"})


class ConsoleRecords:
    """Keeps them so."""

    def __init__(self, database: Database, door: Callable[[], str]) -> None:
        """`door` is the beginning of every location, such as `https://192.0.2.1`."""
        self._database: Final = database
        self._door: Final = door

    def begin(self) -> None:
        """From now on; the database is open."""
        self._database.follow(self._follow)
        self._database.note(self._renew_all)

    def _follow(self, transaction: Transaction) -> None:
        for change in transaction.changes():
            if change.record.cls == "host" and _moved(change):
                self._renew_all(transaction)
                return
        for change in transaction.changes():
            if change.record.cls == "VM" and change.after is not None:
                self._renew(transaction, change.record.ref)

    def _renew(self, transaction: Transaction, ref: Ref) -> None:
        """Those of one VM; what is there stays."""
        vm = transaction.get("VM", ref)
        wanted = _protocols(transaction, vm)
        for console in vm.refs("consoles"):
            record = transaction.get("console", console)
            if record["protocol"] not in wanted:
                transaction.delete("console", console)
                continue
            wanted.remove(str(record["protocol"]))
            transaction.set("console", console, {"location": self._location(str(record["uuid"]))})
        for protocol in wanted:
            uuid = str(uuid4())
            location = self._location(uuid)
            transaction.create("console", {"uuid": uuid, "protocol": protocol, "location": location, "VM": ref})

    def _renew_all(self, transaction: Transaction) -> None:
        for ref in tuple(transaction.rows("VM")):
            self._renew(transaction, ref)

    def _location(self, uuid: str) -> str:
        return f"{self._door()}/console?uuid={uuid}"


def _protocols(transaction: Transaction, vm: Record) -> list[str]:
    if vm["resident_on"] == NULL_REF or vm["power_state"] not in _WITH_DOMAIN or vm["is_control_domain"]:
        return []
    metrics = transaction.find("VM_metrics", vm.one("metrics"))
    return [RFB, VT100] if metrics is not None and metrics["current_domain_type"] == "hvm" else [VT100]


def _moved(change: Change) -> bool:
    return change.before is None or change.after is None or change.before["address"] != change.after["address"]
