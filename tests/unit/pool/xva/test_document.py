"""ova.xml."""

from typing import Any

import pytest

from kit import xva
from xenhost.core.units import MIB
from xenhost.pool.call import NULL_REF, ApiError, Ref, Value
from xenhost.pool.wire.bounds import WireError
from xenhost.pool.wire.xmlrpc_reader import parse_value
from xenhost.pool.xva.document import Maker, Thing, read, written

MAKER = Maker("host", "2026-11-22", "1.0", "xenhost", "1.0")


def refused(document: bytes) -> list[str]:
    with pytest.raises(ApiError) as caught:
        read(document)
    return caught.value.as_xenapi()


def test_what_is_written_is_read() -> None:
    record: dict[str, Value] = {
        "name_label": 'a <b> & "c" ü\n',
        "VIFs": ("Ref:1",),
        "is_a_template": True,
        "n": 5,
        "f": 1.5,
        "m": {"k": ""},
    }
    document = written(MAKER, [Thing("VM", Ref("Ref:0"), record)])
    (thing,) = read(document).of("VM")
    assert thing.id == "Ref:0"
    assert thing.record == {**record, "VIFs": ["Ref:1"], "n": "5"}  # numbers are bare


def test_that_of_a_big_pool_is_read() -> None:
    record: dict[str, Value] = {f"field_{number}": "x" for number in range(100)}
    things = [Thing("VM", Ref(f"Ref:{number}"), record) for number in range(600)]
    found = read(written(MAKER, things)).of("VM")
    assert len(found) == len(things)
    assert all(thing.record == record for thing in found)


def test_values_are_counted() -> None:
    document = xva.xml({"a": [1, 2], "b": "x"}).encode()
    assert parse_value(document, 5) == {"a": ["1", "2"], "b": "x"}
    with pytest.raises(WireError, match="more than 4 values"):
        parse_value(document, 4)
    for wrong in (b"<methodCall/>", b"<value/><value/>", b"<value>" * 500):
        with pytest.raises(WireError):
            parse_value(wrong, 1000)


def test_numbers_and_flags_are_as_older_importers_expect_them() -> None:
    text = written(MAKER, [Thing("VM", Ref("Ref:0"), {"is_a_template": False, "VCPUs_max": 2})]).decode()
    assert text.startswith("<value><struct><member><name>version</name><value><struct>")
    for member in (
        "<name>xapi_major</name><value>1</value>",
        "<name>export_vsn</name><value>2</value>",
        "<name>id</name><value>Ref:0</value>",
        "<name>VCPUs_max</name><value>2</value>",
        "<name>is_a_template</name><value><boolean>0</boolean></value>",
    ):
        assert member in text


def test_that_of_xapi_is_read() -> None:
    document = read(b"<?xml version='1.0'?>" + xva.ova(xva.things(MIB)))
    assert [thing.cls for thing in document.things.values()] == ["VM", "VBD", "VBD", "VIF", "network", "VDI", "SR"]
    assert document.get("VM", Ref("Ref:0")).record["snapshot_time"] == "19700101T00:00:00Z"
    with pytest.raises(ApiError) as caught:
        document.get("VM", NULL_REF)
    with pytest.raises(ApiError, match="FAILED_TO_FIND_OBJECT"):
        document.get("network", Ref("Ref:0"))
    assert caught.value.as_xenapi() == ["IMPORT_ERROR_FAILED_TO_FIND_OBJECT", NULL_REF]


@pytest.mark.parametrize(
    "more", [{"export_vsn": 0}, {"export_vsn": 3}, {"export_vsn": "x"}, {"export_vsn": -1}, {"export_vsn": "9" * 99}]
)
def test_other_formats_are_refused(more: dict[str, Any]) -> None:
    assert refused(xva.ova([], **more)) == ["IMPORT_INCOMPATIBLE_VERSION"]


def test_documents_that_make_no_sense_are_refused() -> None:
    vm = {"class": "VM", "id": "Ref:0", "snapshot": {}}
    wrong: list[bytes] = [
        b"",
        b"<value>",
        b"<value/>",
        b"<methodCall/>",
        xva.xml({"version": {}}).encode(),
        xva.xml({"version": [], "objects": []}).encode(),
        xva.xml({"version": xva.version(), "objects": "x"}).encode(),
        xva.ova([{"class": "VM", "id": "Ref:0"}]),
        xva.ova([vm | {"snapshot": "x"}]),
        xva.ova([vm | {"id": "../../etc"}]),
        xva.ova([vm | {"id": "Ref:0/0"}]),
        xva.ova([vm | {"class": ["VM"]}]),
        xva.ova([vm, vm]),
    ]
    for document in wrong:
        assert refused(document)[0] in ("IMPORT_ERROR", "IMPORT_INCOMPATIBLE_VERSION"), document[:200]
