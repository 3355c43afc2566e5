"""The pieces of the bed that need no machine: sizes, keys, the cache, ramdisks, CDs, the staged project."""

import io
import shutil
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest

from bed import cpio, iso, kernel, stage
from bed.cache import Cache, key_of
from bed.report import BedError
from bed.spec import Spec, Xenstored, parse_disks, parse_size


@pytest.mark.parametrize(("text", "size"), [("4G", 4 << 30), ("512m", 512 << 20), ("8K", 8192), ("77", 77)])
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1", "0", "4T", "1.5G", "four"])
def test_bad_sizes_are_refused(text: str) -> None:
    with pytest.raises(BedError, match="number of bytes"):
        parse_size(text)


def test_disks_are_counted_and_sized() -> None:
    assert parse_disks("2") == (4 << 30, 4 << 30)
    assert parse_disks("1:2G,2:1M") == (2 << 30, 1 << 20, 1 << 20)


@pytest.mark.parametrize("text", ["0", "17", "x", "2:x", ",", "1:1G,"])
def test_bad_disks_are_refused(text: str) -> None:
    with pytest.raises(BedError):
        parse_disks(text)


def test_different_machines_have_different_keys() -> None:
    specs = [Spec(), Spec(nics=1), Spec(disks=(1,)), Spec(xenstored=Xenstored.OCAML)]
    assert len({spec.key for spec in specs}) == len(specs)


def test_a_key_changes_with_content_name_and_mode(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("a")
    keys = [key_of(file)]
    file.write_text("b")
    keys.append(key_of(file))
    file.chmod(0o755)
    keys.append(key_of(file))
    keys.append(key_of(file.rename(tmp_path / "other")))
    assert len(set(keys)) == len(keys)


def test_parts_of_a_key_do_not_run_together() -> None:
    assert key_of("ab", "c") != key_of("a", "bc")


def test_the_cache_makes_an_entry_once(tmp_path: Path) -> None:
    cache, calls = Cache(tmp_path), []

    def make(entry: Path) -> None:
        calls.append(entry)
        (entry / "it").write_text("made")

    paths = [cache.get("kind", "key", make) for _ in range(3)]
    assert len(calls) == 1
    assert {(path / "it").read_text() for path in paths} == {"made"}


def test_a_maker_that_fails_leaves_no_entry(tmp_path: Path) -> None:
    def fail(entry: Path) -> None:
        (entry / "half").write_text("x")
        raise BedError("no")

    with pytest.raises(BedError, match="no"):
        Cache(tmp_path).get("kind", "key", fail)
    assert [p.name for p in tmp_path.iterdir() if p.name != "locks"] == []


def test_makers_of_one_entry_wait_for_each_other(tmp_path: Path) -> None:
    made, inside, release = [], threading.Event(), threading.Event()

    def make(entry: Path) -> None:
        made.append(entry)
        inside.set()
        assert release.wait(10)

    threads = [threading.Thread(target=Cache(tmp_path).get, args=("k", "1", make)) for _ in "ab"]
    for thread in threads:
        thread.start()
    assert inside.wait(10)
    release.set()
    for thread in threads:
        thread.join(10)
    assert len(made) == 1


@pytest.mark.skipif(not shutil.which("cpio"), reason="no cpio program to read the archive with")
def test_a_ramdisk_is_what_cpio_reads(tmp_path: Path) -> None:
    archive = cpio.archive({"init": b"#!/bin/sh\n", "mods/1/a.ko": b"abc"}, ("dev", "sys"))
    command = ["cpio", "-idm", "--quiet"]
    subprocess.run(command, input=archive, cwd=tmp_path, check=True, timeout=20)
    assert (tmp_path / "mods/1/a.ko").read_bytes() == b"abc"
    assert (tmp_path / "init").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "dev").is_dir()


def test_a_cd_names_its_boot_code() -> None:
    image = iso.bootable(b"\xeb\xfe" + bytes(3000), "tiny")
    assert len(image) % iso.SECTOR == 0
    assert image[16 * 2048 : 16 * 2048 + 6] == b"\x01CD001"
    assert image[17 * 2048 + 7 :].startswith(b"EL TORITO SPECIFICATION")
    catalog = image[19 * 2048 : 19 * 2048 + 64]
    words = [int.from_bytes(catalog[i : i + 2], "little") for i in range(0, 32, 2)]
    assert sum(words) & 0xFFFF == 0
    assert int.from_bytes(catalog[38:40], "little") == 6
    start = int.from_bytes(catalog[40:44], "little")
    assert image[start * 2048 :].startswith(b"\xeb\xfe")


def test_what_is_no_kernel_is_refused() -> None:
    with pytest.raises(BedError, match="bzImage"):
        kernel.uncompressed(bytes(4096))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name, text in {
        "pyproject.toml": '[project]\nname = "p"\nversion = "1.2"\nscripts = {pd = "xenhost.a.m:go"}\n',
        "agent/xenhost/a/m.py": "def go():\n    return 0\n",
        "agent/xenhost/a/__pycache__/m.pyc": "old",
        "native/xenhost/native/_x.so": "elf",
        "native/Makefile": "no",
        "tests/xen/test_t.py": "def test_t(): pass\n",
        "tests/unit/test_u.py": "def test_u(): pass\n",
        "tests/dom0/guest/bed_plugin.py": "x = 1\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "packaging").mkdir()
    return root


def test_the_archive_has_packages_tests_commands_and_nothing_else(project: Path, tmp_path: Path) -> None:
    stage.archive(project, tmp_path / "code", tmp_path / "out.tar")
    with tarfile.open(tmp_path / "out.tar") as tar:
        names = {n for n in tar.getnames() if not n.endswith(".pyc")}
        script = tar.extractfile("opt/xenhost/project/bin/pd")
        assert script is not None
        assert b"from xenhost.a.m import go" in script.read()
    assert names == {
        "opt/xenhost/project/site/xenhost/a/m.py",
        "opt/xenhost/project/site/xenhost/native/_x.so",
        "opt/xenhost/project/site/p-1.2.dist-info/METADATA",
        "opt/xenhost/project/site/p-1.2.dist-info/entry_points.txt",
        "opt/xenhost/project/site/p-1.2.dist-info/INSTALLER",
        "opt/xenhost/project/bin/pd",
        "opt/xenhost/project/src/pyproject.toml",
        "opt/xenhost/project/src/tests/xen/test_t.py",
        "opt/xenhost/project/bed/bed_plugin.py",
    }


@pytest.mark.skipif(sys.version_info[:2] != stage.PYTHON, reason="byte code of dom0's Python")
def test_changed_source_gets_new_byte_code(project: Path, tmp_path: Path) -> None:
    def code() -> bytes:
        stage.archive(project, tmp_path / "code", tmp_path / "out.tar")
        with tarfile.open(fileobj=io.BytesIO((tmp_path / "out.tar").read_bytes())) as tar:
            cached = "opt/xenhost/project/site/xenhost/a/__pycache__/m.cpython-311.pyc"
            file = tar.extractfile(cached)
            assert file is not None
            return file.read()

    first = code()
    assert code() == first
    (project / "agent/xenhost/a/m.py").write_text("def go():\n    return 5\n")
    assert code() != first
