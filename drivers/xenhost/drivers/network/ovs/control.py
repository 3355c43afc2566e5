"""Who else may say what Open vSwitch does: SDN controllers, which are managers of its database. Pure.

A manager changes the database over TLS, and may set OpenFlow controllers of bridges there. Targets are as in
ovs-vsctl(8): `ssl:192.0.2.1:6632`, `pssl:6640`. Rules for locked VIFs stay in force: they are made anew when Open
vSwitch forgets flows because of a controller. A controller may add flows of a higher priority: it is trusted. Ours are
rows with our key in their external_ids; managers and keys that others have set stay as they are.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from xenhost.core.network import ControllerState, SslFiles
from xenhost.drivers.network.ovs.change import Change
from xenhost.drivers.network.ovs.database import Database, Table
from xenhost.drivers.network.ovs.values import EMPTY, Row, Value

SDN_KEY: Final = "xenhost-sdn"
_OURS: Final[Mapping[str, str]] = {SDN_KEY: "true"}


def plan_controllers(data: Database, change: Change, wanted: Collection[str], files: SslFiles | None) -> None:
    """Exactly these of ours, and the keys for them, if there are any. Without `files` there are none."""
    targets = wanted if files is not None else ()
    present = {row.text("target"): row for row in data.rows(Table.MANAGER, data.root.rows("manager_options"))}
    gone = [row.uuid for target, row in present.items() if _is_ours(row) and target not in targets]
    change.take(Table.ROOT, data.root, "manager_options", gone)
    fresh = [target for target in sorted(targets) if target not in present]
    made = [change.insert(Table.MANAGER, {"target": each, "external_ids": _OURS}) for each in fresh]
    change.add(Table.ROOT, data.root, "manager_options", made)
    _plan_keys(data, change, files if targets else None)


def controller_states(data: Database, wanted: Collection[str]) -> list[ControllerState]:
    """Of those targets that are there."""
    rows = data.rows(Table.MANAGER, data.root.rows("manager_options"))
    found = (ControllerState(row.text("target"), row.flag("is_connected") is True) for row in rows)
    return sorted((each for each in found if each.target in wanted), key=lambda each: each.target)


def why_not(files: SslFiles | None) -> str:
    """Why controllers cannot be had with these files; empty: they can. Blocks."""
    if files is None:
        return "this host has no keys for SDN controllers; see [network] controller_key in xenhostd.toml"
    for path in (files.private_key, files.certificate, files.ca_certificate):
        try:
            with Path(path).open("rb") as file:
                pem = b"-----BEGIN " in file.read(64 * 1024)
        except OSError as error:
            return f"{path}: {error.strerror}; SDN controllers need a key, its certificate and their CA"
        if not pem:
            return f"{path}: it must be in PEM"
    return ""


def _plan_keys(data: Database, change: Change, files: SslFiles | None) -> None:
    there = next(data.rows(Table.SSL, data.root.rows("ssl")), None)
    if there is not None and not _is_ours(there):
        return
    if files is None:
        if there is not None:
            change.update(Table.ROOT, data.root, {"ssl": EMPTY})
        return
    columns: Mapping[str, Value] = {
        "private_key": files.private_key,
        "certificate": files.certificate,
        "ca_cert": files.ca_certificate,
        "bootstrap_ca_cert": False,
        "external_ids": _OURS,
    }
    if there is None:
        change.update(Table.ROOT, data.root, {"ssl": change.insert(Table.SSL, columns)})
    else:
        change.update(Table.SSL, there, columns)


def _is_ours(row: Row) -> bool:
    return SDN_KEY in row.mapping("external_ids")
