import asyncio
from typing import Any

import pytest

from kit.plugins import new_id
from xenhost.sm.smapiv1.xenapi.sessions import Session
from xenhost.sm.smapiv1.xenapi.store import Store
from xenhost.sm.smapiv1.xenapi.tables import Tables, ref_of
from xenhost.system.xmlrpc import Call, DateTime

DRIVER_OWNS = [
    ("VDI", "sharable", True),
    ("VDI", "managed", False),
    ("VDI", "read_only", True),
    ("VDI", "missing", True),
    ("VDI", "virtual_size", "1024"),
    ("VDI", "physical_utilisation", "1024"),
    ("VDI", "is_a_snapshot", True),
    ("VDI", "snapshot_of", "OpaqueRef:x"),
    ("VDI", "snapshot_time", DateTime("20260101T00:00:00Z")),
    ("VDI", "metadata_of_pool", "OpaqueRef:x"),
    ("VDI", "cbt_enabled", True),
    ("SR", "virtual_allocation", "5"),
    ("SR", "physical_size", "5"),
    ("SR", "physical_utilisation", "5"),
]


async def test_a_vdi_is_introduced_read_and_forgotten(client: Any) -> None:
    uuid = new_id()
    ref = await client.introduce(uuid, type="raw")
    assert await client.call("VDI.get_by_uuid", uuid) == ref
    record = await client.call("VDI.get_record", ref)
    assert (record["uuid"], record["SR"], record["virtual_size"], record["managed"]) == (uuid, client.sr, "0", True)
    assert record["snapshot_time"] == DateTime("19700101T00:00:00Z")
    assert (await client.call("SR.get_record", client.sr))["VDIs"] == [ref]
    assert await client.call("SR.get_VDIs", client.sr) == [ref]
    await client.call("VDI.db_forget", ref)
    assert await client.failure("VDI.get_record", ref) == ["HANDLE_INVALID", "VDI", ref]
    assert await client.failure("VDI.get_by_uuid", uuid) == ["UUID_INVALID", "VDI", uuid]


async def test_the_long_form_of_db_introduce_sets_everything(client: Any) -> None:
    uuid = new_id()
    ref = await client.call(
        "VDI.db_introduce",
        *(uuid, "name", "text", client.sr, "system", True, True, {"a": "b"}, "place", {"c": "d"}, {"e": "f"}, False),
        *("2048", "1024", "OpaqueRef:NULL", True, DateTime("20260102T03:04:05Z"), "OpaqueRef:s", True),
    )
    record = await client.call("VDI.get_record", ref)
    wanted = {
        "type": "system",
        "sharable": True,
        "read_only": True,
        "other_config": {"a": "b"},
        "location": "place",
        "xenstore_data": {"c": "d"},
        "sm_config": {"e": "f"},
        "managed": False,
        "virtual_size": "2048",
        "physical_utilisation": "1024",
        "is_a_snapshot": True,
        "snapshot_time": DateTime("20260102T03:04:05Z"),
        "snapshot_of": "OpaqueRef:s",
        "cbt_enabled": True,
    }
    assert {name: record[name] for name in wanted} == wanted


async def test_the_same_uuid_is_not_introduced_twice_nor_one_that_is_none(client: Any) -> None:
    uuid = new_id()
    await client.introduce(uuid)
    args: tuple[Any, ...] = ("name", "text", client.sr, "user", False, False, {}, "x", {}, {})
    assert "Uniqueness" in (await client.failure("VDI.db_introduce", uuid, *args))[1]
    assert (await client.failure("VDI.db_introduce", "../../etc/passwd", *args))[0] == "UUID_INVALID"
    assert (await client.failure("VDI.db_introduce", uuid))[0] == "MESSAGE_PARAMETER_COUNT_MISMATCH"


async def test_add_refuses_a_key_that_is_there_and_remove_one_that_is_not_succeeds(client: Any) -> None:
    ref = await client.introduce(new_id())
    await client.call("VDI.add_to_sm_config", ref, "activating", "True")
    assert await client.failure("VDI.add_to_sm_config", ref, "activating", "True") == [
        *("MAP_DUPLICATE_KEY", "VDI", "sm_config", ref, "activating"),
    ]
    await client.call("VDI.remove_from_sm_config", ref, "activating")
    await client.call("VDI.remove_from_sm_config", ref, "activating")
    assert await client.call("VDI.get_sm_config", ref) == {}


async def test_of_many_that_add_a_key_at_once_one_succeeds(client: Any) -> None:
    ref = await client.introduce(new_id())
    told = await asyncio.gather(*(client.answer("VDI.add_to_sm_config", ref, "activating", str(i)) for i in range(50)))
    assert [each["Status"] for each in told].count("Success") == 1


@pytest.mark.parametrize(("cls", "field", "value"), DRIVER_OWNS)
async def test_what_a_driver_owns_only_its_session_may_set(client: Any, cls: str, field: str, value: Any) -> None:
    vdi = await client.introduce(new_id())
    ref = vdi if cls == "VDI" else client.sr
    other = client.sessions.open(Session("OpaqueRef:another"))
    login = client.sessions.open(Session())
    for session in (other, login):
        assert (await client.failure(f"{cls}.set_{field}", ref, value, session=session))[0] == "PERMISSION_DENIED"
    await client.call(f"{cls}.set_{field}", ref, value)
    assert await client.call(f"{cls}.get_{field}", ref) == value


async def test_forgetting_and_introducing_are_the_drivers_too(client: Any) -> None:
    vdi = await client.introduce(new_id())
    login = client.sessions.open(Session())
    assert (await client.failure("VDI.db_forget", vdi, session=login))[0] == "PERMISSION_DENIED"
    args: tuple[Any, ...] = (new_id(), "name", "text", client.sr, "user", False, False, {}, "x", {}, {})
    assert (await client.failure("VDI.db_introduce", *args, session=login))[0] == "PERMISSION_DENIED"


async def test_without_a_session_nothing_is_answered(client: Any) -> None:
    assert await client.failure("SR.get_all", session="OpaqueRef:made-up") == ["SESSION_INVALID", "OpaqueRef:made-up"]
    told = await client.api.answer(Call("SR.get_all", ()))
    assert told["ErrorDescription"][0] == "MESSAGE_PARAMETER_COUNT_MISMATCH"
    client.sessions.close(client.session)
    assert (await client.failure("SR.get_all"))[0] == "SESSION_INVALID"


async def test_a_plugin_may_log_in_and_out(client: Any) -> None:
    told = await client.api.answer(Call("session.login_with_password", ("root", "", "", "SM")))
    assert (await client.answer("SR.get_all", session=told["Value"]))["Value"] == [client.sr]
    await client.answer("session.logout", session=told["Value"])
    assert (await client.failure("SR.get_all", session=told["Value"]))[0] == "SESSION_INVALID"


async def test_records_are_found_by_an_expression(client: Any) -> None:
    pbd = client.tables.insert("PBD", new_id(), SR=client.sr, host=client.host)
    client.tables.insert("PBD", new_id(), SR="OpaqueRef:other", host=client.host)
    found = await client.call(
        "PBD.get_all_records_where", f'field "SR" = "{client.sr}" andfield "host" = "{client.host}"'
    )
    assert list(found) == [pbd]
    assert found[pbd]["SR"] == client.sr


async def test_calls_that_are_not_offered_are_refused(client: Any) -> None:
    for method in ("VM.start", "VDI.set_uuid", "VDI.destroy", "pool.eject", "nonsense", "VDI.", "Async.VDI.get_record"):
        assert (await client.failure(method, "a"))[0] == "MESSAGE_METHOD_UNKNOWN"
    assert await client.failure("VDI.get_record") == ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VDI.get_record", "1", "0"]


async def test_values_of_the_wrong_type_are_refused(client: Any) -> None:
    ref = await client.introduce(new_id())
    for field, value in (
        ("virtual_size", "much"),
        ("managed", "perhaps"),
        ("sm_config", "x"),
        ("sm_config", {"a": []}),
    ):
        assert (await client.failure(f"VDI.set_{field}", ref, value))[0] == "INVALID_VALUE"


async def test_tasks_messages_and_secrets_are_made_and_destroyed(client: Any) -> None:
    task = await client.call("task.create", "label", "text")
    await client.call("task.set_progress", task, 0.5)
    await client.call("task.cancel", task)
    assert await client.call("task.get_status", task) == "cancelled"
    await client.call("task.destroy", task)
    message = await client.call("message.create", "POST_ATTACH_SCAN_FAILED", 2, "SR", new_id(), "a body")
    assert (await client.call("message.get_record", message))["priority"] == "2"
    secret = await client.call("secret.create", {"value": "hush"})
    uuid = await client.call("secret.get_uuid", secret)
    assert await client.call("secret.get_value", await client.call("secret.get_by_uuid", uuid)) == "hush"


async def test_calls_that_start_drivers_go_to_the_plugin_host(client: Any) -> None:
    uuid = new_id()
    vdi = await client.introduce(uuid)
    sr = (await client.call("SR.get_record", client.sr))["uuid"]
    await client.call("SR.update", client.sr)
    assert await client.call("VDI.snapshot", vdi, {"type": "internal"}) == ref_of("VDI", uuid)
    assert await client.call("host.call_plugin", client.host, "tapdisk-pause", "pause", {"a": "b"}) == "True"
    assert client.verbs.asked == [
        ("update", sr),
        ("snapshot", sr, uuid, "internal"),
        ("call", "tapdisk-pause", "pause", "b"),
    ]
    failed = await client.failure("host.call_plugin", client.host, "missing", "x", {})
    assert failed == ["NOT_IMPLEMENTED", "missing"]
    assert (await client.failure("host.call_plugin", "OpaqueRef:other", "x", "y", {}))[0] == "HANDLE_INVALID"


async def test_an_update_may_be_asked_for_as_a_task(client: Any) -> None:
    task = await client.call("Async.SR.update", client.sr)
    for _ in range(100):
        if await client.call("task.get_status", task) != "pending":
            break
        await asyncio.sleep(0.01)
    assert await client.call("task.get_status", task) == "success"
    assert client.verbs.asked[0][0] == "update"


async def test_records_outlive_the_agent(client: Any) -> None:
    uuid = new_id()
    ref = await client.introduce(uuid, type="raw")
    await client.call("VDI.set_name_label", ref, "new name")
    gone = await client.introduce(new_id())
    await client.call("VDI.db_forget", gone)
    await client.tables.flush()
    again = Tables(Store(client.path))
    await again.load()
    assert [(each, row["name_label"]) for each, row in again.items("VDI")] == [(ref, "new name")]
    assert again.get("SR", client.sr)["name_label"] == "an SR"
    assert list(again.items("host")) == []
    await again.close()


async def test_messages_are_forgotten_when_there_are_very_many(client: Any) -> None:
    for number in range(1100):
        client.tables.insert("message", new_id(), name=str(number))
    left = [row["name"] for _, row in client.tables.items("message")]
    assert len(left) == 1000
    assert left[-1] == "1099"
