"""The model has all that the reference of 2015 has, and it is the same: a fixture holds that reference.

What later releases have changed is listed here, and nowhere else.
"""

import gzip
import json
from pathlib import Path
from typing import Any, Final

import pytest

from xenhost.pool.model.catalogue import MODEL
from xenhost.pool.model.errors import ERRORS
from xenhost.pool.schema.declarations import Link
from xenhost.pool.schema.types import SetOf

REFERENCE: Final[dict[str, Any]] = json.loads(
    gzip.decompress((Path(__file__).parent / "reference_2015.json.gz").read_bytes())
)
CLASSES: Final[dict[str, Any]] = REFERENCE["classes"]

RENAMED_ENUM: Final = {"pgpu_dom0_access": "pci_dom0_access"}
QUALIFIERS: Final = {
    "VM.power_state": "ins",
    "VM.suspend_VDI": "ins",
    "VM.actions_after_crash": "ins",
    "VM.HVM_boot_policy": "ins",
    "VM.platform": "ins",
    "VM.other_config": "ins",
    "VM.last_boot_CPU_flags": "ins",
    "VM.last_booted_record": "ins",
    "VM.blocked_operations": "ins",
    "VIF.currently_attached": "ins",
    "VBD.device": "ins",
    "VBD.mode": "ins",
    "VBD.currently_attached": "ins",
    "VTPM.backend": "run",
    "PIF.disallow_unplug": "run",
    "PIF.device_name": "ins",
    "network.bridge": "ins",
    "task.other_config": "run",
    "console.port": "ins",
}
"""Since: a constructor takes them, or a setter with checks of its own replaced the generated one."""
SHOWN: Final = {
    "VM.scheduled_to_be_resident_on",
    "PCI.class_id",
    "PCI.vendor_id",
    "PCI.device_id",
    "PCI.subsystem_vendor_id",
    "PCI.subsystem_device_id",
}
"""Internal in 2015, visible today."""
RESULTS: Final = {"VM.migrate_send": "ref VM"}
SIGNATURES: Final = {"VTPM.create"}
"""Of 2015 it only answered NOT_IMPLEMENTED; today it takes a VM."""
ERRORS_GONE: Final = frozenset[str]()


def renamed(text: str) -> str:
    return " ".join(RENAMED_ENUM.get(word, word) for word in text.split())


def test_all_classes_are_there() -> None:
    assert len(CLASSES) == 46
    assert CLASSES.keys() <= MODEL.classes.keys()


@pytest.mark.parametrize("name", CLASSES)
def test_fields_are_the_same(name: str) -> None:
    cls = MODEL.classes[name]
    for field, of, qualifier, internal in CLASSES[name]["fields"]:
        key, ours = f"{name}.{field}", cls.field(field)
        assert ours is not None, key
        assert str(ours.type) == renamed(of), key
        assert ours.qualifier == QUALIFIERS.get(key, qualifier), key
        assert ours.hidden == (bool(internal) and key not in SHOWN), key


@pytest.mark.parametrize("name", CLASSES)
def test_messages_are_the_same(name: str) -> None:
    for message, params, result, errors, deprecated, session, asynchronous, locus, via, stub in CLASSES[name][
        "messages"
    ]:
        method = f"{name}.{message}"
        ours = MODEL.messages[method]
        if method not in SIGNATURES:
            assert [(p.name, str(p.type), p.optional) for p in ours.params[: len(params)]] == [
                (p, renamed(of), bool(optional)) for p, of, optional in params
            ], method
            assert all(p.optional for p in ours.params[len(params) :]), method
        assert str(ours.result) == RESULTS.get(method, renamed(result)), method
        assert set(errors) <= set(ours.errors), method
        assert ours.deprecated >= bool(deprecated), method
        assert ours.session == bool(session), method
        assert ours.asynchronous == bool(asynchronous), method
        assert (ours.locus, ours.via_host, ours.stub) == (locus, bool(via), stub), method


def test_all_fields_and_messages_are_counted() -> None:
    assert sum(len(cls["fields"]) for cls in CLASSES.values()) == 606
    assert sum(len(cls["messages"]) for cls in CLASSES.values()) == 1335


def test_no_class_of_the_reference_has_messages_of_its_own_that_are_unknown() -> None:
    """An accessor too many would be a method that no real server has."""
    for name, cls in CLASSES.items():
        old = {field for field, *_ in cls["fields"]}
        theirs = {message for message, *_ in cls["messages"]} | {"get_all_records_where"}
        extra = [
            message.method
            for message in MODEL.messages.values()
            if message.cls == name and message.field in old and message.name not in theirs
        ]
        assert {method.partition(".")[2] for method in extra} <= {f"get_{key.partition('.')[2]}" for key in SHOWN}


def test_enums_have_all_members() -> None:
    for name, members in REFERENCE["enums"].items():
        assert set(members) <= MODEL.enums[renamed(name)], name


def test_relationships_have_two_ends() -> None:
    for one, other, kind in REFERENCE["relationships"]:
        if one == other:
            continue  # subject.roles, role.subroles: a slip of the document, they have no other end
        cls, _, field = one.partition(".")
        ours = MODEL.field(cls, field)
        assert ours is not None
        assert ours.other == Link(*other.split(".")), one
        assert isinstance(MODEL.end(ours.other).type, SetOf)
        assert isinstance(ours.type, SetOf) == (kind == "many-to-many"), one


def test_errors_have_their_parameters() -> None:
    assert len(REFERENCE["errors"]) == 375
    wrong = {code for code, count in REFERENCE["errors"].items() if len(ERRORS.get(code, ("missing",) * 99)) != count}
    assert wrong == ERRORS_GONE


def test_declared_errors_exist() -> None:
    unknown = {code for message in MODEL.messages.values() for code in message.errors} - ERRORS.keys()
    assert not unknown


def test_everything_has_words() -> None:
    silent = [cls.name for cls in MODEL.classes.values() if not cls.doc.endswith(".")]
    silent += [f"{c.name}.{f.name}" for c in MODEL.classes.values() for f in c.fields if not f.doc.endswith(".")]
    silent += [m.method for m in MODEL.messages.values() if not m.doc.endswith(".")]
    assert not silent
