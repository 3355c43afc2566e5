from dataclasses import replace

import pytest

from xenhost.core.devices import DeviceClass, DeviceState, DeviceStatus, Source, SourceKind, Vbd, VbdMode, VbdType, Vif
from xenhost.core.errors import InternalError
from xenhost.core.ids import DevId, DomId
from xenhost.drivers.xen.devices import nodes
from xenhost.drivers.xen.devices.records import DeviceRecord, VbdRecord, VifRecord, decode, device_of, encode, status
from xenhost.drivers.xen.devices.xenbus import XenbusState, can_become, guest_text, parse_state

D = DomId(5)
DISK = Vbd(DevId(51712), Source(SourceKind.FILE, '/srv/größe "1".raw'), VbdMode.RW)
DRIVE = Vbd(DevId(51744), Source(SourceKind.EMPTY), VbdMode.RO, VbdType.CD)
NIC = Vif(DevId(1), "00:16:3e:00:00:01", "xenbr0", 9000, 1000)
FUNCTION = VifRecord(D, replace(NIC, function="0000:03:10.2"), given=True)


@pytest.mark.parametrize(
    "record",
    [
        VbdRecord(D, DISK, "/dev/loop3", "/srv/gr\xc3\xb6\xdf\n"),
        VbdRecord(D, DRIVE, backend=False),
        VifRecord(D, NIC),
        FUNCTION,
    ],
)
def test_a_record_is_read_back_as_it_was_written(record: DeviceRecord) -> None:
    assert decode(D, record.cls, record.devid, encode(record)) == record


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"{}", b'{"kind":"tape"}', b"\xff"])
def test_a_record_that_is_not_ours_is_refused(value: bytes) -> None:
    for cls in DeviceClass:
        with pytest.raises(InternalError):
            decode(D, cls, DevId(0), value)


@pytest.mark.parametrize(
    ("backend", "connected", "state"),
    [
        (XenbusState.INIT_WAIT, True, DeviceState.ATTACHING),
        (XenbusState.CONNECTED, True, DeviceState.ATTACHED),
        (XenbusState.CLOSING, True, DeviceState.DETACHING),
        (XenbusState.CLOSED, True, DeviceState.DETACHED),
        (XenbusState.INITIALISING, True, None),
        (XenbusState.UNKNOWN, True, None),
        (XenbusState.CONNECTED, False, None),
    ],
)
def test_a_device_is_shown_by_its_backend_unless_plugging_was_cut_short(
    backend: XenbusState, connected: bool, state: DeviceState | None
) -> None:
    shown = status(VbdRecord(D, DISK, "/dev/loop3"), backend, connected)
    assert (shown.state if shown else None) is state


def test_every_backend_state_can_be_shown() -> None:
    for backend in XenbusState:
        status(VifRecord(D, NIC), backend, True)


def test_a_virtual_function_is_shown_once_its_guest_has_it() -> None:
    shown = status(FUNCTION, XenbusState.UNKNOWN, False)
    assert shown == DeviceStatus(DeviceClass.VIF, DevId(1), DeviceState.ATTACHED, function="0000:03:10.2")
    assert status(replace(FUNCTION, given=False), XenbusState.UNKNOWN, False) is None


def test_an_empty_drive_is_shown_without_any_backend() -> None:
    shown = status(VbdRecord(D, DRIVE, backend=False), XenbusState.UNKNOWN, False)
    assert shown is not None
    assert (shown.state, shown.source) == (DeviceState.ATTACHED, Source(SourceKind.EMPTY))


@pytest.mark.parametrize("untrusted", [None, b"", b"9", b"44", b"-1", b" 4", b"4\0", b"\xb2", b"four", b"4" * 4000])
def test_a_state_that_is_none_is_unknown(untrusted: bytes | None) -> None:
    assert parse_state(untrusted) is XenbusState.UNKNOWN


def test_words_of_a_guest_are_one_short_printable_line() -> None:
    assert guest_text(b"device in use\0") == "device in use"
    assert guest_text(None) == ""
    text = guest_text(b"\x1b[31m\n\xff" * 4000)
    assert len(text) <= 200
    assert text.isprintable()


def test_a_backend_that_closes_never_takes_the_device() -> None:
    taken = {XenbusState.INIT_WAIT, XenbusState.CONNECTED}
    assert can_become(XenbusState.INITIALISING, taken)
    for state in (XenbusState.CLOSING, XenbusState.CLOSED, XenbusState.UNKNOWN):
        assert not can_become(state, taken)
    assert can_become(XenbusState.CLOSING, {XenbusState.CLOSED})


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/local/domain/0/backend/vbd/5/51712/state", (5, DeviceClass.VBD, 51712)),
        ("/local/domain/0/backend/vif/5/0", (5, DeviceClass.VIF, 0)),
        ("/local/domain/0/backend/vif/5", None),
        ("/local/domain/0/backend/console/5/0/state", None),
        ("/local/domain/3/backend/vif/5/0/state", None),
        ("/local/domain/0/backend/vif/5/x/state", None),
        ("/local/domain/0/backend/vif/²/0/state", None),
    ],
)
def test_a_backend_path_tells_its_device(path: str, place: tuple[int, DeviceClass, int] | None) -> None:
    assert device_of(path) == place


def test_a_rate_becomes_netbacks_credit() -> None:
    assert nodes.rate(1000) == "51200,50000"
    assert nodes.rate(1) == "51,50000"


def test_the_kernel_is_woken_by_the_first_node_and_permissions_come_before_content() -> None:
    record = VbdRecord(D, DISK, "/dev/loop3")
    ends = nodes.vbd_backend(D, DISK, (7, 3)), nodes.vbd_frontend(D, DISK)
    batch, marked = nodes.plug_batch(record, *ends, len)
    sent = [(request.op.name, request.path) for request in batch.requests]
    assert {path for _, path in sent[:marked]} == {"/local/domain/0/backend/vbd/5/51712"}
    for end in ("/local/domain/0/backend/vbd/5/51712", "/local/domain/5/device/vbd/51712"):
        given = sent.index(("SET_PERMS", end))
        assert all(sent.index(each) > given for each in sent if each[1] is not None and each[1].startswith(f"{end}/"))
    values = {request.path: request.body for request in batch.requests}
    assert values["/local/domain/0/backend/vbd/5/51712/physical-device"] == b"7:3"
    assert values["/local/domain/0/backend/vbd/5/51712/mode"] == b"w"
    assert values["/local/domain/0/backend/vbd/5/51712/state"] == b"1"
