"""Which of several installed releases is used."""

from pathlib import Path

from xenhost.drivers.xen.places import newest


def test_the_newest_release_that_has_the_part_is_used(tmp_path: Path) -> None:
    for release in ("xen-4.9", "xen-4.17", "xen-4.20", "xen-common", "xen-tools"):
        (tmp_path / release / "boot").mkdir(parents=True)
    for release in ("xen-4.9", "xen-4.17", "xen-common"):
        (tmp_path / release / "boot" / "hvmloader").touch()
    assert newest("boot/hvmloader", tmp_path) == str(tmp_path / "xen-4.17/boot/hvmloader")
    assert newest("bin/pygrub", tmp_path) is None
