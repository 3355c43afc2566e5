"""Multipathing of hosts: whether it is on, and the alert when ways to LUNs are lost or come back."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from xenhost.core.clock import Clock
from xenhost.core.storage_errors import backend_failure
from xenhost.pool.call import Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Change, Operation, Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.told.paths import PREFIX
from xenhost.pool.records.messages import Messages

KEY: Final = "multipathing"
"""Of a host's other_config, as storage plugins read it, and of device_config."""
HANDLE: Final = "multipathhandle"
"""Beside it: `dmp` (multipathd), or `null` for nothing."""
FAILED: Final = 431
ALERT: Final = "MULTIPATH_PERIODIC_ALERT"
PRIORITY: Final = 3
PERIOD: Final = 60
"""Seconds between two looks of an agent: what a message calls the time in which its events were received."""
_COUNTS: Final = re.compile(r"\[(\d{1,9}), ?(\d{1,9})\]")


@dataclass(frozen=True, slots=True)
class Paths:
    """The ways to one LUN, as a PBD shows them."""

    key: str
    current: int
    maximum: int


def setting(other_config: Mapping[str, str]) -> bool | None:
    """What a host's other_config says; None: nothing."""
    return {"true": True, "false": False}.get(other_config.get(KEY, ""))


def is_on(database: Database, host: Ref, type: str) -> bool | None:
    """Do SRs that are attached from now on use all ways to their LUNs? None: as their device_config says.

    Raises SrBackendFailure 431 if by something else than multipathd, for types that can.
    """
    other = _other_config(database.get("host", host))
    wanted, handle = setting(other), other.get(HANDLE, "dmp")
    if not wanted or handle == "dmp":
        return wanted
    if handle != "null" and _takes(database, type):
        raise backend_failure(FAILED, f"the host's other_config:{HANDLE} is dmp or null, not {handle!r:.80}")
    return False


def device_config(database: Database, host: Ref, type: str, given: Mapping[str, str]) -> dict[str, str]:
    """That of an SR to be made: with the key, if its type takes it and the host has a setting."""
    wanted = is_on(database, host, type)
    return {**given, KEY: str(wanted).lower()} if wanted is not None and _takes(database, type) else dict(given)


def paths_of(other_config: Mapping[str, str]) -> dict[str, Paths]:
    """By key. What others have written there, and is none, is left out."""
    found = {}
    for key, text in other_config.items():
        if key.startswith(PREFIX) and (match := _COUNTS.fullmatch(text)) is not None:
            found[key] = Paths(key, int(match[1]), int(match[2]))
    return found


def news(before: Mapping[str, str], after: Mapping[str, str]) -> list[Paths]:
    """What is worth a message: counts that have changed and are not whole, or were not."""
    old = paths_of(before)
    return [
        paths
        for key, paths in paths_of(after).items()
        if paths != old.get(key) and (_broken(paths) or (key in old and _broken(old[key])))
    ]


class Multipathing:
    """What follows from other_config of hosts and PBDs, put right in the same transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._messages: Final = Messages(database, clock)
        self._clock: Final = clock

    def follow(self, transaction: Transaction) -> None:
        """A host's field follows its other_config; a PBD's counts make a message of the pool."""
        lines: list[str] = []
        for change in transaction.changes():
            if change.operation is Operation.DEL:
                continue
            if change.record.cls == "host":
                _set_field(transaction, change.record)
            elif change.record.cls == "PBD" and change.before is not None:
                lines += self._lines(transaction, change.record, _news_of(change))
        if not lines:
            return
        unhealthy = [
            line
            for pbd in transaction.rows("PBD").values()
            for line in self._lines(transaction, pbd, filter(_broken, paths_of(_other_config(pbd)).values()))
        ]
        body = ["Unhealthy paths:", *unhealthy] if unhealthy else []
        body += [f"Events received during the last {PERIOD} seconds:", *lines]
        for pool in tuple(transaction.rows("pool").values()):
            text = "\n".join(body) + "\n"
            self._messages.put(transaction, ALERT, PRIORITY, "Pool", str(pool["uuid"]), text)

    def _lines(self, transaction: Transaction, pbd: Record, found: Iterable[Paths]) -> list[str]:
        """In the words of xapi's mpathalert."""
        host = transaction.get("host", pbd.one("host"))
        when = datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y%m%dT%H:%M:%SZ")
        return [
            f'[{when}] host={host["uuid"]}; host-name="{host["name_label"]}"; pbd={pbd["uuid"]};'
            f" scsi_id={paths.key.removeprefix(PREFIX)}; current={paths.current}; max={paths.maximum}"
            for paths in found
        ]


def _takes(database: Database, type: str) -> bool:
    drivers = (each["configuration"] for each in database.rows("SM").values() if each["type"] == type)
    return any(isinstance(keys, dict) and KEY in keys for keys in drivers)


def _news_of(change: Change) -> list[Paths]:
    assert change.before is not None
    before, after = _other_config(change.before), _other_config(change.record)
    return [] if before == after else news(before, after)


def _set_field(transaction: Transaction, host: Record) -> None:
    wanted = setting(_other_config(host))
    if wanted is not None and host["multipathing"] is not wanted:
        transaction.set("host", host.ref, {"multipathing": wanted})


def _broken(paths: Paths) -> bool:
    return paths.current != paths.maximum


def _other_config(record: Record) -> dict[str, str]:
    found: Value = record["other_config"]
    assert isinstance(found, dict)
    return found
