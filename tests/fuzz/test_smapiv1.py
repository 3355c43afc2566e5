"""What SMAPIv1 plugins write and call, whoever wrote them: an answer or an error of ours, never anything else."""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kit.clock import FakeClock
from xenhost.core.errors import XenhostError
from xenhost.core.storage import AttachMode, Vdi, VdiId
from xenhost.sm.smapiv1 import info, probe
from xenhost.sm.smapiv1.attachment import AttachmentError, backends, read_answer
from xenhost.sm.smapiv1.failures import Subject, from_fault
from xenhost.sm.smapiv1.records import vdi_of
from xenhost.sm.smapiv1.xenapi.api import XenApi
from xenhost.sm.smapiv1.xenapi.failure import ApiFailure
from xenhost.sm.smapiv1.xenapi.filters import parse
from xenhost.sm.smapiv1.xenapi.schema import CLASSES
from xenhost.sm.smapiv1.xenapi.sessions import Session, Sessions
from xenhost.sm.smapiv1.xenapi.store import Store
from xenhost.sm.smapiv1.xenapi.tables import Tables
from xenhost.system import xmlrpc as codec
from xenhost.system.xml_tree import CodecError
from xenhost.system.xmlrpc import Call, DateTime, Fault

SR = "5b6f2b5e-0000-4000-8000-000000000001"
VDI = "5b6f2b5e-0000-4000-8000-000000000002"
WORDS = st.sampled_from(
    [
        *(
            "<value>",
            "</value>",
            "<struct>",
            "</struct>",
            "<member><name>a</name>",
            "</member>",
            "<int>",
            "7",
            "</int>",
        ),
        *("<methodResponse>", "</methodResponse>", "<params><param>", "</param></params>", "<fault>", "</fault>"),
        *("<array><data>", "</data></array>", "<nil/>", "<!DOCTYPE x>", "&x;", "<?xml version='1.0'?>", "\0", "]]>"),
    ]
)
DOCUMENTS = st.one_of(st.binary(max_size=200), st.lists(WORDS, max_size=30).map(lambda words: "".join(words).encode()))
SCALARS = st.one_of(
    st.text(max_size=20),
    st.integers(),
    st.booleans(),
    st.none(),
    st.floats(),
    st.builds(DateTime, st.text(max_size=20)),
    st.sampled_from([SR, VDI, "OpaqueRef:NULL", "", "user", "true", "../..", "OpaqueRef:x", "1" * 30, "-", "²"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
VERBS = [
    "get_record",
    "get_all_records_where",
    "db_introduce",
    "db_forget",
    "snapshot",
    "call_plugin",
    "create",
    "update",
]
METHODS = st.one_of(
    st.text(max_size=20),
    st.builds(
        "{}{}.{}".format,
        st.sampled_from(["", "Async."]),
        st.sampled_from([*CLASSES, "session", ""]),
        st.one_of(
            st.sampled_from([*VERBS, "get_by_uuid", "login_with_password", "logout", "destroy", "cancel", "scan"]),
            st.builds(
                "{}{}".format,
                st.sampled_from(["get_", "set_", "add_to_", "remove_from_"]),
                st.sampled_from(sorted({name for columns in CLASSES.values() for name in columns})),
            ),
        ),
    ),
)


@given(DOCUMENTS)
@example(b"<a/>")
@example(b'<?xml version="1.0" encoding="utf-16"?><methodResponse/>')
def test_any_output_is_an_answer_or_refused(untrusted: bytes) -> None:
    for load in (codec.load_response, codec.load_call):
        try:
            load(untrusted)
        except CodecError:
            continue


@given(st.integers(), st.text(), st.text())
def test_any_fault_is_an_error_that_can_be_told(number: int, text: str, stderr: str) -> None:
    error = from_fault(Fault(number, text), stderr, Subject("sr_scan"))
    assert isinstance(error, XenhostError)
    assert all(isinstance(part, str) for part in error.as_xenapi())


@given(VALUES)
def test_any_description_is_a_driver_or_refused(untrusted: Any) -> None:
    try:
        info.parse("x", "/x", untrusted)
    except info.InfoError:
        return


@given(st.dictionaries(st.sampled_from(["name", "capabilities", "configuration", "vendor"]), VALUES))
def test_any_description_with_the_right_fields_is_a_driver_or_refused(untrusted: Mapping[str, Any]) -> None:
    rest = dict.fromkeys(("name", "description", "vendor", "copyright", "driver_version", "required_api_version"), "x")
    try:
        info.parse("x", "/x", {**rest, "capabilities": [], "configuration": [], **untrusted})
    except info.InfoError:
        return


@given(st.one_of(VALUES, st.dictionaries(st.sampled_from(["params", "params_nbd", "xenstore_data"]), VALUES)))
def test_any_answer_of_attach_is_a_place_or_refused(untrusted: Any) -> None:
    try:
        backends(SR, VdiId(VDI), read_answer(AttachMode.RO, untrusted))
    except AttachmentError:
        return


@given(st.one_of(st.text(), DOCUMENTS.map(lambda data: data.decode(errors="replace"))))
def test_any_document_of_a_probe_is_shown(untrusted: str) -> None:
    assert probe.complete({}, untrusted).document == untrusted
    assert probe.stage({}, 107, untrusted).missing == "SCSIid"


@given(
    st.one_of(st.text(), st.lists(st.sampled_from(['field "a"', " and", "or ", "not", "(", ")", "=", '"b"', "true"])))
)
def test_any_expression_is_a_test_or_refused(untrusted: str | list[str]) -> None:
    try:
        parse(untrusted if isinstance(untrusted, str) else "".join(untrusted))({"a": "b"})
    except ApiFailure:
        return


class Nothing:
    """A plugin host that does what it is asked."""

    async def update_sr(self, sr: str) -> None:
        """Done."""

    async def scan_sr(self, sr: str) -> None:
        """Done."""

    async def snapshot_vdi(self, sr: str, vdi: str, driver_params: Mapping[str, str]) -> str:
        """It is its own snapshot."""
        return vdi

    async def call_plugin(self, name: str, function: str, args: Mapping[str, str]) -> str:
        """It says nothing."""
        return ""


async def _call_all(folder: Path, calls: list[tuple[str, list[Any], bool]]) -> None:
    tables, sessions = Tables(Store(folder / "records.db")), Sessions()
    await tables.load()
    host = tables.insert("host", VDI)
    sr = tables.insert("SR", SR)
    vdi = tables.insert("VDI", VDI, SR=sr, location=VDI)
    session = sessions.open(Session(sr))
    api = XenApi(tables, sessions, Nothing(), FakeClock(), structlog.get_logger())
    refs = {"SR": sr, "VDI": vdi, "host": host}
    for method, params, on_object in calls:
        cls = method.removeprefix("Async.").partition(".")[0]
        first = [refs[cls]] if on_object and cls in refs else []
        answer = await api.answer(Call(method, (session, *first, *params)))
        assert isinstance(answer, Mapping)
        assert answer["Status"] in ("Success", "Failure")
        try:
            codec.dump_response(answer)
        except CodecError:
            continue  # text that XML cannot hold did not come as XML
    for _, row in tables.items("VDI"):
        assert isinstance(vdi_of(tables, row, ""), Vdi)
    await api.close()
    await tables.close()


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.tuples(METHODS, st.lists(VALUES, max_size=4), st.booleans()), max_size=25))
@example([("VDI.set_virtual_size", ["²"], True)])
def test_any_call_is_answered_and_leaves_records_that_can_be_told(calls: list[tuple[str, list[Any], bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_call_all(Path(folder), calls))
