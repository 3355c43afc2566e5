"""Plugins that are broken, hang, lie or change are isolated, and their failures say what happened."""

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from kit.scripts import example, plugin, script
from unit.sm.smapiv3.conftest import SR, Place, spec
from xenhost.core.errors import TaskCancelled, XenhostError
from xenhost.core.storage import AttachMode, Capability, Health, IoLimits, NewVdi, SrId, VdiId
from xenhost.core.storage_errors import (
    SrBackendFailure,
    SrNotAttached,
    SrOperationNotSupported,
    SrUuidExists,
    VdiInUse,
    VdiMissing,
)
from xenhost.core.units import MIB
from xenhost.sm.smapiv3.host import Broken
from xenhost.sm.smapiv3.sr import V3Sr

A, B = "5f3a1c1e-0000-4000-8000-0000000000a1", "5f3a1c1e-0000-4000-8000-0000000000b1"
HEALTHY = '{"sr": "h", "name": "", "description": "", "free_space": 1, "total_space": 3, "health": ["Healthy", ""]}'
BASE = {"SR.attach": "echo '\"h\"'", "SR.detach": "echo null", "SR.stat": f"echo '{HEALTHY}'", "SR.ls": "echo '[]'"}


def _record(key: str, **more: object) -> str:
    fields = {"key": key, "name": "n", "description": "", "virtual_size": MIB, "physical_utilisation": 0}
    return json.dumps({**fields, "uri": ["x:///dev/null"], "keys": {}, "read_write": True, **more})


async def _attached(place: Place, **scripts: str) -> V3Sr:
    plugin(place.volume(), {**BASE, **{name.replace("_", ".", 1): lines for name, lines in scripts.items()}})
    return await (await place.driver()).attach(spec())


async def test_features_come_from_scripts_and_from_what_is_declared(place: Place) -> None:
    scripts = {"sr.ATTACH": "echo", "Volume.clone": "echo", "Volume.set": "echo"}
    plugin(place.volume(), scripts, '"VDI_DESTROY", "VDI_REVERT/3", "NOT_KNOWN"')
    info = (await place.driver()).info
    assert info.can(Capability.SR_ATTACH)
    assert info.can(Capability.VDI_DELETE)
    assert info.can(Capability.VDI_REVERT, 3)
    assert info.can(Capability.VDI_RESET_ON_BOOT, 2)
    assert info.can(Capability.VDI_INTRODUCE)
    assert not info.can(Capability.SR_CREATE)
    assert info.filename == str(place.volume())


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("exit 1", "no JSON"),
        ("echo nonsense", "no JSON"),
        ("kill -9 $$", "signal 9"),
        ("echo '[1]'", "a struct is right"),
        ("""echo '{"plugin": "x", "required_api_version": "9.0"}'""", "9.0"),
        ("yes '[[[[[[[[[[' | head -c 300000", "no JSON"),
    ],
)
async def test_a_broken_plugin_is_left_out_with_the_reason(place: Place, query: str, problem: str) -> None:
    plugin(place.volume(), {})
    script(place.root / "volume" / "org.example.broken", "Plugin.Query", query)
    host = await place.host()
    assert set(await host.drivers()) == {"x"}
    (broken,) = [each for each in await host.examine() if isinstance(each, Broken)]
    assert problem in broken.problem


async def test_plugins_that_are_added_changed_or_removed_are_found(place: Place) -> None:
    host = await place.host()
    assert not await host.drivers()
    plugin(place.volume(), {})
    first = (await host.drivers())["x"]
    assert (await host.drivers())["x"] is first
    await asyncio.sleep(0.01)
    plugin(place.volume(), {"SR.probe": "echo '[]'"})
    assert (await host.drivers())["x"].info.can(Capability.SR_PROBE)
    for path in place.volume().iterdir():
        path.unlink()
    place.volume().rmdir()
    assert not await host.drivers()


async def test_a_plugin_that_comes_or_goes_while_the_agent_runs_is_told(place: Place) -> None:
    plugin(place.volume(), {})
    told: list[set[str]] = []
    host = await place.host()
    await host.drivers()
    watch = asyncio.create_task(host.watch(lambda drivers: told.append(set(drivers)), every=0.05))
    try:
        await asyncio.sleep(0.3)
        assert told == []
        plugin(place.root / "volume" / "new", {})
        async with asyncio.timeout(20):
            while not told or told[-1] != {"x", "new"}:
                await asyncio.sleep(0.05)
            shutil.rmtree(place.root / "volume" / "new")
            while told[-1] != {"x"}:
                await asyncio.sleep(0.05)
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def test_a_plugin_that_hangs_is_killed_with_its_children(place: Place, tmp_path: Path) -> None:
    plugin(place.volume(), {**BASE, "SR.attach": f"(sleep 3; touch {tmp_path}/survived) & sleep 100"})
    driver = await place.driver(timeout_factor=0.002)
    with pytest.raises(SrBackendFailure, match="did not end within"):
        await driver.attach(spec())
    await asyncio.sleep(3)
    assert not (tmp_path / "survived").exists()


@pytest.mark.parametrize(
    ("code", "params", "error"),
    [
        ("Volume_does_not_exist", ["k"], VdiMissing),
        ("Unimplemented", ["x"], SrOperationNotSupported),
        ("Sr_not_attached", ["x"], SrNotAttached),
        ("Cancelled", ["x"], TaskCancelled),
        ("Activated_on_another_host", ["other"], VdiInUse),
        ("SR_BACKEND_FAILURE_44", ["full"], SrBackendFailure),
        ("SR_does_not_exist", ["x"], SrBackendFailure),
        ("SR_BACKEND_FAILURE", ["a", "b"], SrBackendFailure),
        ("Anything\\u0007 else", [], SrBackendFailure),
    ],
)
async def test_codes_of_failures_become_errors(
    place: Place, code: str, params: list[str], error: type[XenhostError]
) -> None:
    report = f'{{"code": "{code}", "params": {json.dumps(params)}, "backtrace": {{}}}}'
    sr = await _attached(place, SR_ls=f"echo why >&2; echo '{report}'; exit 1")
    with pytest.raises(error) as raised:
        await sr.scan()
    assert str(raised.value).isprintable()
    if "44" in code:
        assert raised.value.reason == "SR_BACKEND_FAILURE_44"
        assert raised.value.values["detail"] == "why"


async def test_a_failure_without_a_code_carries_what_was_said(place: Place) -> None:
    sr = await _attached(place, SR_ls="echo 'Traceback: no such thing' >&2; exit 3")
    with pytest.raises(SrBackendFailure, match=r"exit status 3.*no such thing"):
        await sr.scan()


async def test_one_bad_record_spoils_only_itself(place: Place) -> None:
    bad = _record(B, virtual_size=-1)
    sr = await _attached(place, SR_ls=f"echo '[{_record(A)}, {bad}, 5, {_record(A)}]'")
    report = await sr.scan()
    assert {vdi.id: bool(vdi.problem) for vdi in report.vdis} == {VdiId(A): False, VdiId(B): True}
    assert len(report.ignored) == 2


@pytest.mark.parametrize("answer", ["{}", "5", '{"a": []}', "[[[", '[{"key": null}]', "null"])
async def test_a_listing_that_is_no_listing_forgets_nothing(place: Place, answer: str) -> None:
    sr = await _attached(place, SR_ls=f"echo '{answer}'")
    if answer == '[{"key": null}]':
        assert (await sr.scan()).vdis == ()
    else:
        with pytest.raises(SrBackendFailure):
            await sr.scan()


async def test_an_sr_that_is_not_healthy_is_not_scanned(place: Place) -> None:
    stat = HEALTHY.replace('["Healthy", ""]', '["Recovering", "rebuilding"]')
    sr = await _attached(place, SR_stat=f"echo '{stat}'")
    with pytest.raises(SrBackendFailure, match="rebuilding"):
        await sr.scan()
    found = await sr.stat()
    assert (found.health, found.problem, found.physical_utilisation) == (Health.RECOVERING, "rebuilding", 2)


async def test_stat_of_a_plugin_that_fails_is_an_answer(place: Place) -> None:
    sr = await _attached(place, SR_stat="exit 1")
    assert (await sr.stat()).health is Health.UNREACHABLE


async def test_volumes_without_uuids_have_the_same_id_each_time(place: Place) -> None:
    sr = await _attached(place, SR_ls=f"echo '[{_record('lun 1')}]'")
    (first,) = (await sr.scan()).vdis
    (again,) = (await sr.scan()).vdis
    assert first.id == again.id
    assert first.location == "lun 1"


async def test_an_id_that_was_copied_with_the_keys_is_not_believed(place: Place) -> None:
    keys = {"xenhost-id": f"{A}@one"}
    sr = await _attached(place, SR_ls=f"echo '[{_record('one', keys=keys)}, {_record('two', keys=keys)}]'")
    found = {vdi.location: vdi.id for vdi in (await sr.scan()).vdis}
    assert found["one"] == A
    assert found["two"] != A


async def test_a_volume_that_came_out_too_small_is_destroyed_again(place: Place, tmp_path: Path) -> None:
    create, destroy = f"echo '{_record(B, virtual_size=5)}'", f"touch {tmp_path}/destroyed; echo null"
    sr = await _attached(place, Volume_create=create, Volume_destroy=destroy)
    with pytest.raises(SrBackendFailure, match="5 bytes"):
        await sr.create_vdi(NewVdi(VdiId(A), MIB))
    assert (tmp_path / "destroyed").exists()


async def test_without_a_place_for_keys_the_vdi_has_the_plugins_id(place: Place) -> None:
    sr = await _attached(place, Volume_create=f"echo '{_record(B)}'")
    assert (await sr.create_vdi(NewVdi(VdiId(A), MIB))).id == B


async def test_a_volume_without_a_datapath_is_refused_with_the_reason(place: Place) -> None:
    sr = await _attached(place, SR_ls=f"echo '[{_record(A)}]'")
    with pytest.raises(SrBackendFailure, match=r"no URI that a datapath plugin serves.*there are: none"):
        await sr.attach_vdi(VdiId(A), AttachMode.RO)


@pytest.mark.parametrize(
    "answer",
    [
        '{"implementations": 5}',
        '{"implementations": [["File"]]}',
        "null",
        '{"implementations": [["File", {"path": "x"}]]}',
    ],
)
async def test_a_datapath_that_names_nothing_usable_is_undone(place: Place, tmp_path: Path, answer: str) -> None:
    log = f"echo $0 >> {tmp_path}/calls; cat > /dev/null; echo null"
    names = ("activate", "deactivate", "detach")
    plugin(
        place.root / "datapath" / "x",
        {"Datapath.attach": f"echo '{answer}'", **{f"Datapath.{name}": log for name in names}},
    )
    sr = await _attached(place, SR_ls=f"echo '[{_record(A)}]'")

    async def begin() -> None:
        await sr.attach_vdi(VdiId(A), AttachMode.RO)
        await sr.activate_vdi(VdiId(A), AttachMode.RO, IoLimits())

    with pytest.raises(SrBackendFailure):
        await begin()
    assert not await sr.active_vdis()
    assert (tmp_path / "calls").read_text().splitlines()[-1].endswith(("detach", "deactivate"))


async def test_an_answer_of_create_is_given_to_attach_even_after_a_reboot(place: Place, tmp_path: Path) -> None:
    scripts = {
        **BASE,
        "SR.create": """echo '{"made": "so"}'""",
        "SR.attach": f"cat > {tmp_path}/given; echo '\"h\"'",
    }
    plugin(place.volume(), scripts)
    await (await place.driver()).create(spec(path="/x"))
    await (await place.driver()).attach(spec(path="/x"))
    given = json.loads((tmp_path / "given").read_text())["configuration"]
    assert given == {"path": "/x", "made": "so", "sr_uuid": SR}


async def test_an_sr_is_not_made_where_another_is(place: Place, tmp_path: Path) -> None:
    example(place.root)
    driver = await place.driver("rawdir")
    (tmp_path / "there").mkdir()
    config = {"path": str(tmp_path / "there")}
    await driver.create(spec("rawdir", **config))
    other = spec("rawdir", **config)
    with pytest.raises(SrUuidExists, match=SR):
        await driver.create(replace(other, id=SrId(A)))
    report = await driver.probe(config, {})
    assert [(entry.sr, entry.complete) for entry in report.entries] == [(SR, True)]
    staged = await driver.probe({}, {})
    assert not staged.entries[0].complete


async def test_an_old_plugin_gets_its_uri_apart(place: Place, tmp_path: Path) -> None:
    plugin(place.volume(), {**BASE, "SR.attach": f"cat > {tmp_path}/given; echo '\"h\"'"})
    query = place.volume() / "Plugin.Query"
    query.write_text(query.read_text().replace("5.0", "3.0"))
    driver = await place.driver()
    with pytest.raises(SrBackendFailure, match="uri"):
        await driver.attach(spec())
    await driver.attach(spec(uri="pvs://x"))
    assert json.loads((tmp_path / "given").read_text())["uri"] == "pvs://x"
