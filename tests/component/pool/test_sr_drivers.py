"""Types of SRs: told by agents as SM records, refused where their driver cannot, in a whole pool master."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from component.harness.agent import Agent as HostAgent
from component.pool.conftest import Master
from component.pool.test_certificates import Pool, pool
from component.pool.test_storage import uuid
from component.pool.test_vms import vdi_record
from kit.thin_cli import xe
from xenhost.core.events import ChangeKind, ObjectKind, ObjectRef
from xenhost.pool.call import NULL_REF, Ref


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.02)


async def records(found: Pool) -> dict[str, dict[str, Any]]:
    return {record["type"]: record for record in (await found.call("SM.get_all_records")).values()}


async def test_a_pool_knows_the_types_of_srs_that_its_hosts_can_drive(tmp_path: Path) -> None:
    async with pool(tmp_path, https=False) as found:
        database = found.master.database
        await until(lambda: database.rows("SM"))
        there = await records(found)
        assert set(there) == {"dummy", "file"} == set(await found.call("SR.get_supported_types"))
        file, dummy = there["file"], there["dummy"]
        own = {info.type: info for info in await found.agent.storage.drivers()}["file"]
        assert file["features"] == {str(word): version for word, version in own.capabilities.items()}
        assert set(file["capabilities"]) == set(file["features"])
        assert (file["features"]["VDI_RESET_ON_BOOT"], dummy["features"]["VDI_SNAPSHOT"]) == (2, 1)
        assert (file["name_label"], file["vendor"]) == (own.name, "xenhost")
        assert set(file["supported_image_formats"]) == {"qcow2", "raw", "vhd"}
        assert "location" in file["configuration"]
        assert "host_pending_features" not in file
        port = found.master.front.listener.http_ports[0]
        listed = await xe(port, "sm-list", "params=type", "--minimal", "username=root", "password=x")
        assert set(listed.out[0].split(",")) == {"dummy", "file"}
        gone = next(ref for ref, record in database.rows("SM").items() if record["type"] == "dummy")
        await database.change(lambda t: t.delete("SM", gone))
        found.agent.engine.hub.publish(ObjectRef(ObjectKind.SM, "dummy"), ChangeKind.ADDED)
        await until(lambda: {record["type"] for record in database.rows("SM").values()} == {"dummy", "file"})
        before = {kind: record["uuid"] for kind, record in (await records(found)).items()}
    async with pool(tmp_path, https=False) as found:
        assert {kind: record["uuid"] for kind, record in (await records(found)).items()} == before
        await found.call("host.destroy", await lost(found))
        assert await records(found) == {}


async def lost(found: Pool) -> Ref:
    """The pool's host, which has gone; another one is the master."""
    await found.master.database.change(lambda t: t.set("pool", found.ref, {"master": NULL_REF}))
    await found.call("host.disable", found.host)
    return found.host


async def dummy_sr(master: Master) -> Ref:
    return await master.ref("SR.create", master.only("host").ref, {}, 0, "d", "", "Dummy", "user", False, {})


async def test_an_sr_of_a_type_that_nobody_knows_is_not_made(master: Master, agent: HostAgent) -> None:
    host = master.only("host").ref
    for kind in ("nosuch", "../no such"):
        error = await master.refused("SR_UNKNOWN_DRIVER", "SR.create", host, {}, 0, "x", "", kind, "user", False, {})
        assert error[1:] == [kind]
        assert (await master.refused("SR_UNKNOWN_DRIVER", "SR.probe", host, {}, kind, {}))[1:] == [kind]
    assert not master.database.rows("SR")


async def test_what_a_driver_cannot_do_is_not_allowed_and_refused_with_the_sr(master: Master, agent: HostAgent) -> None:
    sr = await dummy_sr(master)
    assert master.only("SR")["type"] == "dummy"
    vdi = await master.ref("VDI.create", vdi_record(sr))
    for method, *params in (("enable_cbt",), ("data_destroy",), ("set_on_boot", "reset")):
        error = await master.refused("SR_OPERATION_NOT_SUPPORTED", f"VDI.{method}", vdi, *params)
        assert error == ["SR_OPERATION_NOT_SUPPORTED", sr], method
    allowed = set(await master.call("VDI.get_allowed_operations", vdi))
    assert {"snapshot", "clone", "resize", "destroy"} <= allowed
    assert not {"enable_cbt", "set_on_boot", "resize_online"} & allowed
    allowed = set(await master.call("SR.get_allowed_operations", sr))
    assert {"scan", "vdi_create", "vdi_destroy", "vdi_resize", "vdi_clone", "vdi_snapshot"} <= allowed
    assert not {"vdi_enable_cbt", "vdi_data_destroy", "vdi_set_on_boot", "vdi_revert"} & allowed
    task = await master.ref("Async.VDI.enable_cbt", vdi)
    await master.until(lambda: master.database.get("task", task)["status"] == "failure")
    assert await master.call("task.get_error_info", task) == ("SR_OPERATION_NOT_SUPPORTED", sr)
    assert uuid(master, "SR", sr) != sr
