"""Names of groups and volumes say what they are, and nothing else is taken for ours."""

import pytest

from xenhost.core.storage import SrId, VdiId
from xenhost.sm.lvm import names

SR = SrId("5f3a0d62-8f19-4a9e-9d4b-0c1d2e3f4a5b")
VDI = VdiId("0c1d2e3f-8f19-4a9e-9d4b-5f3a0d62aaaa")


def test_a_group_is_named_after_its_sr() -> None:
    assert names.sr_of_group(names.group_name(SR)) == SR


@pytest.mark.parametrize("name", ["VG_XenStorage-", "vg0", f"VG_XenStorage-{SR}x", "VG_XenStorage-../../etc", ""])
def test_another_group_is_no_sr(name: str) -> None:
    assert names.sr_of_group(name) is None


def test_volumes_tell_vdi_generation_and_kind() -> None:
    assert names.parse_volume(names.data_volume(VDI)) == (VDI, 0, True)
    assert names.parse_volume(names.data_volume(VDI, 12)) == (VDI, 12, True)
    assert names.parse_volume(names.map_volume(VDI)) == (VDI, 0, False)


@pytest.mark.parametrize("name", ["pool", f"VHD-{VDI}", f"VDI-{VDI}.0", f"VDI-{VDI}.01", f"CBT-{VDI}.1", f"VDI-{VDI}."])
def test_other_volumes_are_not_ours(name: str) -> None:
    assert names.parse_volume(name) is None


def test_volumes_of_xenserver_are_recognised() -> None:
    assert all(names.is_xenserver_volume(name) for name in ("MGT", f"VHD-{VDI}", f"LV-{VDI}", f"{VDI}.cbtlog"))
    assert not names.is_xenserver_volume(f"VDI-{VDI}")


def test_hyphens_are_doubled_in_device_names() -> None:
    assert names.device_path("VG_a-b", "VDI-c") == "/dev/mapper/VG_a--b-VDI--c"
