"""SRs on RBD against a stand-in for Ceph's commands, which answers in their words; tests/bare has a real cluster."""

import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from contract.storage_ground import NO_LIMITS, fresh
from contract.storage_host import StorageHost, new_sr
from xenhost.core.storage import AttachMode, Backend, BackendKind, Health, NewVdi, SrSpec, VdiChange, VdiId
from xenhost.core.storage_errors import (
    SrBackendFailure,
    SrNotEmpty,
    VdiInUse,
    VdiMissing,
    VdiReadonly,
    VdiTooSmall,
)
from xenhost.core.units import MIB
from xenhost.sm.drivers.rbd import RbdDriver

RBD = """\
    import json, os, pathlib, sys
    state = pathlib.Path(__file__).with_name("state.json")
    db = json.loads(state.read_text()) if state.exists() else {"images": {}, "mapped": {}, "busy": []}
    words = sys.argv[1:]
    assert words[:2] == ["--id", "storage"], words
    words = words[2:]
    assert "-m" not in words
    name = words[-1].removeprefix("vms/")
    images, mapped = db["images"], db["mapped"]
    def fail(status, text):
        sys.stderr.write(text)
        sys.exit(status)
    if name == "wrong":
        fail(1, "-1 monclient(hunting): handle_auth_bad_method server allowed_methods [2] but i only support [2,1]\\n"
            "rbd: couldn't connect to the cluster!")
    elif name == "forbidden":
        fail(13, "rbd: listing images failed: (13) Permission denied")
    elif words[0] == "df":
        print(json.dumps({"pools": [{"name": "vms", "stats": {"stored": 5, "max_avail": 95}}]}))
    elif words[-1].split("/")[0] != "vms" and words[0] in ("ls", "create"):
        fail(2, "rbd: error opening pool: (2) No such file or directory")
    elif words[0] == "ls":
        rows = [{"image": key, "id": "1", "size": image["size"], "format": 2} for key, image in images.items()]
        print(json.dumps([*rows, {"image": "x", "snapshot": "s", "size": 4}, {"image": 3}]))
    elif words[0] == "showmapped":
        print(json.dumps([
            {"id": str(number), "pool": "vms", "namespace": "", "name": key, "snap": "-", "device": f"/dev/rbd{number}"}
            for number, key in enumerate(mapped)
        ]))
    elif words[0] == "create":
        if name in images:
            fail(17, "rbd: create error: (17) File exists")
        images[name] = {"size": int(words[2]) << 20, "meta": {}}
    elif words[:2] == ["image-meta", "set"]:
        images[words[2].removeprefix("vms/")]["meta"][words[3]] = words[4]
    elif name not in images and words[0] != "unmap":
        fail(2, "rbd: error opening image: (2) No such file or directory")
    elif words[:2] == ["image-meta", "list"]:
        print(json.dumps(images[name]["meta"]) if images[name]["meta"] else "")
    elif words[0] == "rm":
        if name in mapped:
            fail(16, "rbd: error: image still has watchers")
        del images[name]
    elif words[0] == "resize":
        images[name]["size"] = int(words[3]) << 20
    elif words[0] == "map":
        if "--exclusive" in words and name in db["busy"]:
            fail(30, "rbd: sysfs write failed\\nrbd: map failed: (30) Read-only file system")
        mapped[name] = words[1]
        print(f"/dev/rbd{len(mapped) - 1}")
    elif words[0] == "unmap":
        del mapped[list(mapped)[int(words[1].removeprefix("/dev/rbd"))]]
    else:
        fail(1, f"unheard of: {words}")
    whole = state.with_name(f"state.{os.getpid()}")  # a scan runs several at once: none may read half of it
    whole.write_text(json.dumps(db))
    whole.replace(state)
"""


@pytest.fixture
async def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RbdDriver:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "rbd.py").write_text(dedent(RBD))
    for name in ("rbd", "ceph"):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {programs}/rbd.py "$@"\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return RbdDriver(await StorageHost(tmp_path).context())


def spec_of(**config: str) -> SrSpec:
    return SrSpec(new_sr(), "rbd", {"pool": "vms", "user": "storage", **config}, "name")


def denied(path: Path, vdi: str) -> None:
    """Another host writes to it."""
    state = path / "bin" / "state.json"
    state.write_text(state.read_text().replace('"busy": []', f'"busy": ["{vdi}"]'))


async def test_vdis_live_and_die_in_a_pool(driver: RbdDriver) -> None:
    spec = spec_of()
    with pytest.raises(SrBackendFailure):
        await driver.attach(spec)
    for _ in range(2):
        await driver.create(spec)
    assert [entry.sr for entry in (await driver.probe(spec.device_config, {})).entries] == [spec.id]
    assert (await driver.probe({}, {})).missing == "pool"
    sr = await driver.attach(spec)
    stat = await sr.stat()
    assert (stat.physical_size, stat.physical_utilisation, stat.health) == (100, 5, Health.HEALTHY)
    new = NewVdi(fresh(), 8 * MIB - 1, "größer")
    for _ in range(2):
        assert (await sr.create_vdi(new)).virtual_size == 8 * MIB
    with pytest.raises(SrBackendFailure):
        await sr.create_vdi(replace(new, virtual_size=99 * MIB))
    await sr.update_vdi(new.id, VdiChange(description="d"))
    sr = await driver.attach(spec)
    (found,) = (await sr.scan()).vdis
    assert (found.id, found.name, found.description, found.problem) == (new.id, "größer", "d", "")
    assert (await sr.resize_vdi(new.id, 16 * MIB)).virtual_size == 16 * MIB
    with pytest.raises(VdiTooSmall):
        await sr.resize_vdi(new.id, MIB)
    with pytest.raises(SrNotEmpty):
        await sr.destroy()
    for _ in range(2):
        await sr.destroy_vdi(new.id)
    with pytest.raises(VdiMissing):
        await sr.stat_vdi(new.id)
    await sr.destroy()
    with pytest.raises(SrBackendFailure):
        await driver.attach(spec)


async def test_a_writer_has_an_image_for_itself(driver: RbdDriver, tmp_path: Path) -> None:
    spec = spec_of()
    await driver.create(spec)
    sr = await driver.attach(spec)
    one, two = VdiId(fresh()), VdiId(fresh())
    for vdi in (one, two):
        await sr.create_vdi(NewVdi(vdi, MIB))
    denied(tmp_path, f"VDI-{spec.id}.{two}")
    for _ in range(2):
        assert await sr.activate_vdi(one, AttachMode.RW, NO_LIMITS) == (Backend(BackendKind.BLOCK, "/dev/rbd0"),)
    with pytest.raises(VdiInUse):
        await sr.activate_vdi(two, AttachMode.RW, NO_LIMITS)
    await sr.destroy_vdi(two)  # it was not activated
    sr = await driver.attach(spec)
    assert await sr.active_vdis() == {one: AttachMode.RW}
    with pytest.raises(VdiInUse):
        await sr.destroy_vdi(one)
    for _ in range(2):
        await sr.deactivate_vdi(one)
    assert await sr.active_vdis() == {}
    await sr.update_vdi(one, VdiChange(read_only=True))
    with pytest.raises(VdiReadonly):
        await sr.attach_vdi(one, AttachMode.RW)


async def test_a_damaged_record_is_a_problem_of_one_vdi(driver: RbdDriver, tmp_path: Path) -> None:
    spec = spec_of()
    await driver.create(spec)
    sr = await driver.attach(spec)
    good, bad = fresh(), fresh()
    for vdi in (good, bad):
        await sr.create_vdi(NewVdi(vdi, MIB))
    state = tmp_path / "bin" / "state.json"
    text = state.read_text()
    at = text.index('"meta"', text.index(bad))
    state.write_text(text[:at] + text[at:].replace('"xenhost": "{', '"xenhost": "', 1))
    problems = {vdi.id: vdi.problem for vdi in (await sr.scan()).vdis}
    assert problems == {good: "", bad: "its record is damaged"}


async def test_a_pool_that_is_not_there_is_told_so(driver: RbdDriver) -> None:
    spec = spec_of(pool="none")
    for work in (driver.probe(spec.device_config, {}), driver.create(spec), driver.attach(spec)):
        with pytest.raises(SrBackendFailure, match="no pool none") as caught:
            await work
        assert caught.value.number == 47


@pytest.mark.parametrize("wrong", [{"user": "-m evil"}, {"pool": "--help"}, {"pool": "a b"}, {"keyfile": "-x"}])
async def test_values_that_would_be_options_are_refused(driver: RbdDriver, wrong: dict[str, str]) -> None:
    with pytest.raises(SrBackendFailure) as caught:
        await driver.attach(spec_of(**wrong))
    assert caught.value.number == 115


async def test_without_cephs_client_it_says_what_to_install(driver: RbdDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SrBackendFailure, match="install the Debian package ceph-common"):
        await driver.create(spec_of())


@pytest.mark.parametrize("pool", ["wrong", "forbidden"])
async def test_a_key_that_the_cluster_does_not_take_is_named_as_the_reason(pool: str, driver: RbdDriver) -> None:
    with pytest.raises(SrBackendFailure, match="refuses user storage: the key is wrong") as refused:
        await driver.probe({"pool": pool, "user": "storage"}, {})
    assert refused.value.number == 47
