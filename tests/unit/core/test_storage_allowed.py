"""Which operation is legal on an SR or a VDI: XenAPI's rules."""

from dataclasses import replace

import pytest

from xenhost.core.errors import OperationNotAllowed, OtherOperationInProgress, XenhostError
from xenhost.core.storage import AttachMode, Capability, DriverInfo, OnBoot, SrId, Vdi, VdiId, VdiType
from xenhost.core.storage_allowed import (
    SrSituation,
    SrWord,
    VdiSituation,
    VdiWord,
    allowed_sr_operations,
    allowed_vdi_operations,
    check_revert,
    decide_sr,
    decide_use,
    decide_vdi,
)
from xenhost.core.storage_errors import (
    SrAttached,
    SrDeviceInUse,
    SrNotAttached,
    SrNotEmpty,
    SrOperationNotSupported,
    SrUnknownDriver,
    VdiCbtEnabled,
    VdiIncompatibleType,
    VdiInUse,
    VdiIsSharable,
    VdiMissing,
    VdiNoCbtMetadata,
    VdiNotAvailable,
    VdiNotManaged,
    VdiOnBootIncompatible,
    VdiReadonly,
)

INFO = DriverInfo("file", "", "", "", "", "", "", dict.fromkeys(Capability, 1))
SR = SrSituation(SrId("sr"), "file", True, INFO)
VDI = Vdi(VdiId("vdi"), "vdi.img", 1 << 20)
NOW = VdiSituation(SR, VDI)
SNAPSHOT = replace(VDI, is_a_snapshot=True, snapshot_of=VdiId("other"))
RO, RW = (("vbd/a/xvda", AttachMode.RO),), (("vbd/a/xvda", AttachMode.RW),)


def of(vdi: Vdi) -> VdiSituation:
    return replace(NOW, vdi=vdi)


def test_a_healthy_unused_vdi_may_be_changed_in_every_way() -> None:
    refused = {word.value for word in VdiWord} - set(allowed_vdi_operations(NOW))
    assert refused == {"data_destroy", "blocked"}


def test_what_may_be_done_beside_a_writer() -> None:
    allowed = allowed_vdi_operations(replace(NOW, users=RW))
    assert set(allowed) == {
        "snapshot",
        "clone",
        "resize_online",
        "update",
        "enable_cbt",
        "disable_cbt",
        "list_changed_blocks",
    }


def test_readers_allow_reading_too() -> None:
    beside_readers = set(allowed_vdi_operations(replace(NOW, users=RO)))
    assert beside_readers - set(allowed_vdi_operations(replace(NOW, users=RW))) == {"copy", "compare"}


def test_what_is_left_of_a_vdi_without_data() -> None:
    cbt = replace(SNAPSHOT, type=VdiType.CBT_METADATA)
    assert set(allowed_vdi_operations(of(cbt))) == {
        "destroy",
        "forget",
        "update",
        "data_destroy",
        "list_changed_blocks",
    }


@pytest.mark.parametrize(
    ("vdi", "word", "error"),
    [
        (replace(VDI, problem="corrupt header"), VdiWord.SNAPSHOT, VdiNotAvailable),
        (replace(VDI, managed=False), VdiWord.DESTROY, VdiNotManaged),
        (replace(VDI, type=VdiType.HA_STATEFILE), VdiWord.SNAPSHOT, VdiIncompatibleType),
        (replace(VDI, sharable=True), VdiWord.SNAPSHOT, VdiIsSharable),
        (replace(VDI, on_boot=OnBoot.RESET), VdiWord.SNAPSHOT, VdiOnBootIncompatible),
        (replace(VDI, on_boot=OnBoot.RESET), VdiWord.RESIZE, VdiOnBootIncompatible),
        (replace(VDI, read_only=True), VdiWord.RESIZE, VdiReadonly),
        (SNAPSHOT, VdiWord.RESIZE, VdiReadonly),
        (SNAPSHOT, VdiWord.ENABLE_CBT, OperationNotAllowed),
        (SNAPSHOT, VdiWord.DATA_DESTROY, VdiNoCbtMetadata),
        (VDI, VdiWord.DATA_DESTROY, OperationNotAllowed),
        (replace(VDI, cbt_enabled=True), VdiWord.SET_ON_BOOT, VdiCbtEnabled),
    ],
)
def test_the_kind_of_a_vdi_refuses(vdi: Vdi, word: VdiWord, error: type[XenhostError]) -> None:
    assert isinstance(decide_vdi(of(vdi), word), error)


def test_a_damaged_vdi_can_be_destroyed() -> None:
    assert decide_vdi(of(replace(VDI, problem="corrupt header")), VdiWord.DESTROY) is None


def test_a_missing_vdi_can_only_be_forgotten() -> None:
    missing = replace(NOW, missing=True)
    assert allowed_vdi_operations(missing) == ("forget",)
    assert isinstance(decide_vdi(missing, VdiWord.DESTROY), VdiMissing)


def test_only_reading_goes_beside_reading() -> None:
    copying = replace(NOW, busy=(VdiWord.COPY,))
    assert decide_vdi(copying, VdiWord.COPY) is None
    assert isinstance(decide_vdi(copying, VdiWord.SNAPSHOT), OtherOperationInProgress)
    assert isinstance(decide_vdi(replace(NOW, busy=(VdiWord.SNAPSHOT,)), VdiWord.COPY), OtherOperationInProgress)


@pytest.mark.parametrize("word", [word for word in VdiWord if word not in {VdiWord.FORGET, VdiWord.BLOCKED}])
def test_without_any_capability_a_vdi_can_only_be_forgotten(word: VdiWord) -> None:
    bare = replace(INFO, capabilities={})
    error = decide_vdi(replace(NOW, sr=replace(SR, info=bare)), word)
    assert isinstance(error, SrOperationNotSupported)
    assert "lacks" in str(error)


def test_foreign_plugins_have_what_they_need_not_declare() -> None:
    foreign = replace(INFO, capabilities={}, filename="/opt/xensource/sm/XSR")
    assert decide_sr(replace(SR, info=foreign), SrWord.SCAN) is None
    assert isinstance(decide_sr(replace(SR, info=foreign), SrWord.VDI_CREATE), SrOperationNotSupported)


def test_one_writer_or_many_readers_unless_sharable() -> None:
    for mode in AttachMode:
        assert isinstance(decide_use(replace(NOW, users=RW), mode, "b"), VdiInUse)
    assert decide_use(replace(NOW, users=RO), AttachMode.RO, "b") is None
    assert isinstance(decide_use(replace(NOW, users=RO), AttachMode.RW, "b"), VdiInUse)
    assert decide_use(replace(NOW, users=RW), AttachMode.RW, RW[0][0]) is None
    assert decide_use(replace(of(replace(VDI, sharable=True)), users=RW), AttachMode.RW, "b") is None


@pytest.mark.parametrize(
    ("now", "mode", "error"),
    [
        (replace(NOW, sr=replace(SR, attached=False)), AttachMode.RO, SrNotAttached),
        (of(replace(VDI, read_only=True)), AttachMode.RW, VdiReadonly),
        (of(SNAPSHOT), AttachMode.RW, VdiReadonly),
        (of(replace(VDI, type=VdiType.CBT_METADATA)), AttachMode.RO, VdiIncompatibleType),
        (of(replace(VDI, managed=False)), AttachMode.RO, VdiNotManaged),
        (replace(NOW, busy=(VdiWord.DESTROY,)), AttachMode.RO, OtherOperationInProgress),
        (replace(NOW, busy=(VdiWord.COPY,)), AttachMode.RW, OtherOperationInProgress),
    ],
)
def test_a_use_is_refused(now: VdiSituation, mode: AttachMode, error: type[XenhostError]) -> None:
    assert isinstance(decide_use(now, mode, "b"), error)


def test_an_operation_does_not_stand_in_its_own_way() -> None:
    assert decide_use(replace(NOW, busy=(VdiWord.COPY,)), AttachMode.RW, "copy/1", own=True) is None


@pytest.mark.parametrize(
    ("now", "word", "error"),
    [
        (replace(SR, attached=False), SrWord.SCAN, SrNotAttached),
        (replace(SR, info=None), SrWord.PLUG, SrUnknownDriver),
        (SR, SrWord.FORGET, SrAttached),
        (replace(SR, datapaths=("vbd/a/xvda",)), SrWord.UNPLUG, SrDeviceInUse),
        (replace(SR, vdis=1), SrWord.DESTROY, SrNotEmpty),
        (replace(SR, busy=(SrWord.SCAN,)), SrWord.SCAN, OtherOperationInProgress),
        (replace(SR, busy=(SrWord.SCAN,)), SrWord.UNPLUG, OtherOperationInProgress),
        (replace(SR, vdis_busy=True), SrWord.UNPLUG, OtherOperationInProgress),
        (replace(SR, busy=(SrWord.UNPLUG,)), SrWord.VDI_CREATE, OtherOperationInProgress),
    ],
)
def test_an_sr_refuses(now: SrSituation, word: SrWord, error: type[XenhostError]) -> None:
    assert isinstance(decide_sr(now, word), error)


def test_chores_and_creations_stand_in_nobodys_way() -> None:
    assert decide_sr(replace(SR, busy=(SrWord.COALESCE,)), SrWord.UNPLUG) is None
    assert decide_sr(replace(SR, busy=(SrWord.VDI_CREATE,)), SrWord.VDI_CREATE) is None
    assert decide_sr(replace(SR, busy=(SrWord.VDI_CREATE,)), SrWord.SCAN) is None


def test_a_detached_sr_can_be_attached_or_forgotten() -> None:
    assert set(allowed_sr_operations(replace(SR, attached=False))) == {"plug", "forget"}
    assert "plug" not in allowed_sr_operations(SR)


def test_a_vdi_is_reverted_to_its_own_snapshots() -> None:
    assert check_revert(VDI, replace(SNAPSHOT, snapshot_of=VDI.id)) is None
    assert check_revert(VDI, SNAPSHOT) is not None
    assert check_revert(VDI, VDI) is not None
