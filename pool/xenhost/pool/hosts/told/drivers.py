"""SM records: the types of SRs that hosts can drive, and what all of those hosts can do with each."""

from collections.abc import Iterable, Mapping
from typing import Final

from xenhost.api.host.v1 import storage_pb2
from xenhost.pool.call import NULL_REF, FrozenMap, Ref, Value
from xenhost.pool.database.record import Record
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.model.enums import ENUMS

PENDING: Final = "host_pending_features"
"""By host with such a driver: those of its features that not all of them have, or not in that version."""
Features = Mapping[str, int]


def put_drivers(book: Book, told: Iterable[storage_pb2.SmDriver]) -> None:
    """The host has these drivers and no others. A type that no host has any more is gone."""
    records = {str(record["type"]): record for record in book.transaction.rows("SM").values()}
    drivers = {each.type: each for each in told}
    for kind, driver in drivers.items():
        _put(book, records.get(kind), driver)
    for kind in records.keys() - drivers.keys():
        _without(book, records[kind])


def _put(book: Book, old: Record | None, told: storage_pb2.SmDriver) -> None:
    hosts = {**(_hosts(old) if old is not None else {}), book.host: dict(told.capabilities)}
    fields = _agreed(hosts)
    if old is None or book.host == (first := _master(book)) or first not in hosts:
        fields |= _described(told)
    if old is None:
        book.transaction.create("SM", fields)
    else:
        book.transaction.set("SM", old.ref, fields)


def _without(book: Book, old: Record) -> None:
    hosts = _hosts(old)
    if hosts.pop(book.host, None) is None:
        return
    if hosts:
        book.transaction.set("SM", old.ref, _agreed(hosts))
    else:
        book.transaction.delete("SM", old.ref)


def _described(told: storage_pb2.SmDriver) -> dict[str, Value]:
    return {
        "type": told.type,
        "name_label": told.name,
        "name_description": told.description,
        "vendor": told.vendor,
        "copyright": told.copyright,
        "version": told.version,
        "required_api_version": told.required_api_version,
        "configuration": FrozenMap({key.name: key.description for key in told.configuration}),
        "driver_filename": told.filename,
        "required_cluster_stack": tuple(told.required_cluster_stack),
        "supported_image_formats": tuple(f for f in told.image_formats if f in ENUMS["image_format_type"]),
    }


def _hosts(record: Record) -> dict[Ref, Features]:
    """What each host with such a driver can do."""
    common, pending = record["features"], record.value(PENDING)
    assert isinstance(common, dict)
    assert isinstance(pending, dict)
    return {Ref(host): {**common, **_parsed(more)} for host, more in pending.items()}


def _parsed(more: Iterable[str]) -> Features:
    pairs = (each.rpartition("/") for each in more)
    return {name: int(version) for name, _, version in pairs}


def _agreed(hosts: Mapping[Ref, Features]) -> dict[str, Value]:
    """What all of them can do, each in the oldest version, and what some can do beyond that."""
    names = set.intersection(*(set(each) for each in hosts.values()))
    common = {name: min(each[name] for each in hosts.values()) for name in sorted(names)}
    pending: dict[str, Value] = {
        host: tuple(f"{name}/{each[name]}" for name in sorted(each) if common.get(name) != each[name])
        for host, each in hosts.items()
    }
    return {"capabilities": tuple(common), "features": FrozenMap(common), PENDING: FrozenMap(pending)}


def _master(book: Book) -> Ref:
    return next((pool.one("master") for pool in book.transaction.rows("pool").values()), NULL_REF)
