"""What the host adds to plugins: keys of volumes, copies for one boot, limits, changed blocks, restarts."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from kit.scripts import example, plugin
from unit.sm.image.images import blocks
from unit.sm.smapiv3.conftest import Place, spec
from xenhost.core.storage import (
    AttachMode,
    BackendKind,
    IoLimits,
    NewSnapshot,
    NewVdi,
    OnBoot,
    SrId,
    VdiChange,
    VdiId,
    VdiType,
)
from xenhost.core.storage_errors import SrBackendFailure, VdiReadonly
from xenhost.core.units import KIB, MIB
from xenhost.sm.smapiv3 import changes
from xenhost.sm.smapiv3.sr import V3Sr

A, B = VdiId("5f3a1c1e-0000-4000-8000-0000000000a1"), VdiId("5f3a1c1e-0000-4000-8000-0000000000b1")
NO_LIMITS = IoLimits()


@pytest.fixture
async def sr(place: Place, tmp_path: Path) -> V3Sr:
    example(place.root)
    (tmp_path / "data").mkdir()
    driver = await place.driver("rawdir")
    wanted = spec("rawdir", path=str(tmp_path / "data"))
    await driver.create(wanted)
    return await driver.attach(wanted)


def _keys(tmp_path: Path) -> list[dict[str, str]]:
    return [json.loads(path.read_text())["keys"] for path in (tmp_path / "data").glob("*-*.json")]


def _scribble(path: Path) -> None:
    with path.open("r+b") as disk:
        disk.write(b"x" * KIB)


async def test_a_vdi_keeps_what_xapi_keeps_with_a_volume(sr: V3Sr, tmp_path: Path) -> None:
    new = NewVdi(A, MIB, type=VdiType.SUSPEND, sm_config={"base": "x"}, read_only=True)
    made = await sr.create_vdi(new)
    assert (made.type, made.sm_config, made.read_only, made.id) == (VdiType.SUSPEND, {"base": "x"}, True, A)
    (keys,) = _keys(tmp_path)
    assert keys["vdi-type"] == "suspend"
    assert keys["_sm_config_base"] == "x"
    with pytest.raises(VdiReadonly):
        await sr.attach_vdi(A, AttachMode.RW)


async def test_an_id_that_is_taken_by_a_smaller_vdi_is_not_given_twice(sr: V3Sr) -> None:
    await sr.create_vdi(NewVdi(A, MIB))
    with pytest.raises(SrBackendFailure, match="already"):
        await sr.create_vdi(NewVdi(A, 2 * MIB))
    assert [vdi.virtual_size for vdi in (await sr.scan()).vdis] == [MIB]


async def test_a_snapshot_is_marked_as_xapi_marks_it(sr: V3Sr, tmp_path: Path) -> None:
    origin = await sr.create_vdi(NewVdi(A, MIB, name="disk"))
    made = await sr.snapshot_vdi(A, NewSnapshot(B, name="snap", description="of it", time=1_700_000_000.0))
    assert (made.is_a_snapshot, made.snapshot_of, made.snapshot_time) == (True, A, 1_700_000_000.0)
    assert (made.name, made.description, made.read_only) == ("snap", "of it", True)
    marked = next(keys for keys in _keys(tmp_path) if "is_a_snapshot" in keys)
    assert marked["snapshot_time"] == "20231114T22:13:20Z"
    assert marked["snapshot_of"] == origin.location
    clone = await sr.clone_vdi(B, NewSnapshot(VdiId("5f3a1c1e-0000-4000-8000-0000000000c1")))
    assert not clone.is_a_snapshot
    assert not clone.read_only


async def test_a_vdi_that_is_reset_on_boot_forgets_what_was_written(sr: V3Sr, tmp_path: Path) -> None:
    await sr.create_vdi(NewVdi(A, MIB))
    assert (await sr.update_vdi(A, VdiChange(on_boot=OnBoot.RESET))).on_boot is OnBoot.RESET
    for _ in range(2):
        await sr.attach_vdi(A, AttachMode.RW)
        (backend,) = await sr.activate_vdi(A, AttachMode.RW, NO_LIMITS)
        assert not any(Path(backend.path).read_bytes())
        _scribble(Path(backend.path))
        assert [vdi.id for vdi in (await sr.scan()).vdis] == [A]
        await sr.deactivate_vdi(A)
        await sr.detach_vdi(A)
    assert len(list((tmp_path / "data").glob("*.raw"))) == 1
    assert (await sr.update_vdi(A, VdiChange(on_boot=OnBoot.PERSIST))).on_boot is OnBoot.PERSIST


async def test_a_copy_that_a_crash_left_is_replaced_at_the_next_boot(sr: V3Sr, place: Place, tmp_path: Path) -> None:
    await sr.create_vdi(NewVdi(A, MIB))
    await sr.update_vdi(A, VdiChange(on_boot=OnBoot.RESET))
    await sr.attach_vdi(A, AttachMode.RW)
    for path in (await place.storage.context()).run_dir.rglob("*.vdi.json"):
        path.unlink()  # the host started again
    await sr.attach_vdi(A, AttachMode.RW)
    assert len(list((tmp_path / "data").glob("*.raw"))) == 2
    await sr.detach_vdi(A)
    assert len(list((tmp_path / "data").glob("*.raw"))) == 1


async def test_limits_put_an_image_server_in_between(sr: V3Sr) -> None:
    await sr.create_vdi(NewVdi(A, MIB))
    await sr.attach_vdi(A, AttachMode.RW)
    (plain,) = await sr.activate_vdi(A, AttachMode.RW, NO_LIMITS)
    assert plain.kind is BackendKind.FILE
    await sr.deactivate_vdi(A)
    limited = await sr.activate_vdi(A, AttachMode.RW, IoLimits(iops=100))
    assert limited[0].kind is BackendKind.NBD
    await sr.deactivate_vdi(A)
    assert list(await sr.activate_vdi(A, AttachMode.RW, NO_LIMITS)) == [plain]
    await sr.deactivate_vdi(A)
    await sr.detach_vdi(A)


async def test_an_existing_volume_is_introduced_by_its_key(sr: V3Sr) -> None:
    made = await sr.create_vdi(NewVdi(A, MIB))
    introduced = await sr.introduce_vdi(B, made.location, {})
    assert introduced.id == B
    assert [vdi.id for vdi in (await sr.scan()).vdis] == [B]


def test_changed_blocks_are_read_most_significant_bit_first() -> None:
    answer = {"granularity": 64 * KIB, "bitmap": base64.b64encode(b"\x80\x01").decode()}
    assert blocks(changes.bitmap(answer, MIB)) == [0, 15]


def test_changed_blocks_of_another_granularity_are_converted() -> None:
    fine = {"granularity": 4 * KIB, "bitmap": base64.b64encode(b"\0\0\x40" + bytes(29)).decode()}
    assert blocks(changes.bitmap(fine, MIB)) == [1]
    coarse = {"granularity": MIB, "bitmap": base64.b64encode(b"\x40").decode()}
    assert blocks(changes.bitmap(coarse, 2 * MIB)) == list(range(16, 32))


@pytest.mark.parametrize(
    "answer",
    [
        {"granularity": 65536, "bitmap": "!"},
        {"granularity": 65535, "bitmap": ""},
        {"granularity": 65536, "bitmap": ""},
        {"granularity": 1 << 60, "bitmap": "AA=="},
        [],
    ],
)
def test_a_bitmap_that_cannot_be_right_is_refused(answer: object) -> None:
    with pytest.raises(SrBackendFailure):
        changes.bitmap(answer, MIB)


async def test_a_plugin_that_dies_while_it_lists_is_a_failure_of_that_call_only(place: Place, sr: V3Sr) -> None:
    plugin(place.volume(), {"SR.attach": "kill -9 $$"})
    hosts = await place.host()
    drivers = await hosts.drivers()
    with pytest.raises(SrBackendFailure, match="signal 9"):
        await drivers["x"].attach(replace(spec("x"), id=SrId(B)))
    await sr.create_vdi(NewVdi(A, MIB))
    assert [vdi.id for vdi in (await sr.scan()).vdis] == [A]
