"""Packages of a Debian tree for another machine, and ZFS among them."""

import tarfile
from pathlib import Path

import pytest

from bed import zfs
from bed.packed import pack
from bed.report import BedError


def test_packages_are_packed_with_what_they_need_in_the_folders_that_the_machine_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    lists = root / "var/lib/dpkg/info"
    for folder in (lists, root / "usr/bin", root / "usr/lib", root / "usr/share/doc/a"):
        folder.mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    for name, files in (
        ("ceph-common", ["/usr/bin", "/usr/bin/rbd", "/usr/bin/radosgw-admin", "/usr/share/doc/a/b"]),
        ("liba:amd64", ["/lib/liba.so"]),
        ("libc6:amd64", ["/lib/libc.so"]),
        ("other", ["/usr/bin/other"]),
    ):
        (lists / f"{name}.list").write_text("\n".join(files))
        for file in files:
            if not (root / file[1:]).is_dir():
                (root / file[1:]).write_text(file)
    said = "ceph-common\t\tvirtual-a (>= 1) | x, libc6\nliba\tvirtual-a (= 2)\tlibc6\nother\t\tliba\n"
    monkeypatch.setattr("bed.packed.run", lambda *argv, **more: said)
    pack(root, ["ceph-common"], tmp_path / "out.tar", ["/usr/bin/radosgw-admin"])
    with tarfile.open(tmp_path / "out.tar") as out:
        assert sorted(out.getnames()) == ["usr/bin/rbd", "usr/lib/liba.so"]


def test_contrib_is_added_to_every_source_and_nothing_else_changes() -> None:
    sources = "Types: deb\nComponents: main\n\nTypes: deb\nSuites: security\nComponents: main\n"
    assert zfs.with_contrib(sources) == sources.replace("main", "main contrib")


def test_modules_of_another_kernel_are_no_modules(tmp_path: Path) -> None:
    made = tmp_path / "usr/lib/modules/6.1/updates/dkms"
    made.mkdir(parents=True)
    (made / "zfs.ko").touch()
    with pytest.raises(BedError, match=r"no module for Linux 6\.2"):
        zfs.pack(tmp_path, "6.2", tmp_path / "out.tar")
