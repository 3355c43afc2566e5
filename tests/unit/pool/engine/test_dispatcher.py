import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kit.pool_heart import ROOT, heart
from xenhost.core.errors import HandleInvalid
from xenhost.pool.call import NULL_REF, ApiError, Context, Ref, Role, Value
from xenhost.pool.engine.registry import Answer
from xenhost.pool.model.catalogue import MODEL

OPAQUE = re.compile(r"OpaqueRef:[0-9a-f-]{36}")
VBD = {"userdevice": "0", "mode": "RW", "type": "Disk", "VDI": "OpaqueRef:NULL"}


async def test_accessors_of_an_object(tmp_path: Path) -> None:
    async with heart(tmp_path) as pool:
        vm = str(
            await pool.call("VM.create", {"name_label": "a", "memory_static_max": "1024", "affinity": "", **ACTIONS})
        )
        assert OPAQUE.fullmatch(vm)
        assert await pool.call("VM.get_name_label", vm) == "a"
        assert await pool.call("VM.get_memory_static_max", vm) == 1024
        await pool.call("VM.set_name_label", vm, "b")
        await pool.call("VM.add_tags", vm, "x")
        await pool.call("VM.add_tags", vm, "x")
        record = await pool.call("VM.get_record", vm)
        assert isinstance(record, dict)
        assert (record["name_label"], record["tags"], record["affinity"]) == ("b", ("x",), NULL_REF)
        assert record["snapshot_time"] == datetime(1970, 1, 1, tzinfo=UTC)
        assert await pool.call("VM.get_by_uuid", record["uuid"]) == vm
        assert await pool.call("VM.get_by_name_label", "b") == (vm,)
        assert await pool.call("VM.get_all") == (vm,)
        assert await pool.call("VM.get_all_records") == {vm: record}
        assert await pool.call("VM.get_all_records_where", 'field "name__label" = "b"') == {vm: record}
        assert await pool.call("VM.get_all_records_where", "false") == {}


ACTIONS: dict[str, Value] = {
    "actions_after_shutdown": "destroy",
    "actions_after_reboot": "restart",
    "actions_after_crash": "restart",
    "is_a_template": False,
}


async def test_a_record_of_one_object_makes_another_and_unknown_members_are_ignored(tmp_path: Path) -> None:
    async with heart(tmp_path) as pool:
        vm = await pool.make("VM")
        one = await pool.call("VBD.create", {**VBD, "VM": vm, "unheard_of": "1"})
        record = await pool.call("VBD.get_record", one)
        other = await pool.call("VBD.create", record)
        assert other != one
        assert await pool.call("VBD.get_uuid", other) != await pool.call("VBD.get_uuid", one)
        assert await pool.call("VM.get_VBDs", vm) == (one, other)


@pytest.mark.parametrize(
    ("method", "params", "failure"),
    [
        ("VM.no_such", [], ["MESSAGE_METHOD_UNKNOWN", "VM.no_such"]),
        ("Async.VM.get_all", [], ["MESSAGE_METHOD_UNKNOWN", "Async.VM.get_all"]),
        ("VM.get_record", [], ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.get_record", "2", "1"]),
        ("VM.get_all", ["x"], ["MESSAGE_PARAMETER_COUNT_MISMATCH", "VM.get_all", "1", "2"]),
        ("VM.get_record", ["OpaqueRef:x"], ["HANDLE_INVALID", "VM", "OpaqueRef:x"]),
        ("VM.get_record", [""], ["HANDLE_INVALID", "VM", "OpaqueRef:NULL"]),
        ("VM.start", ["OpaqueRef:x", False, False], ["NOT_IMPLEMENTED", "VM.start"]),
        ("VM.get_by_uuid", ["x"], ["UUID_INVALID", "VM", "x"]),
        ("VM.start", ["OpaqueRef:x", "maybe", False], ["FIELD_TYPE_ERROR", "start_paused"]),
        ("VBD.create", [{**VBD, "mode": "RW"}], ["FIELD_TYPE_ERROR", "VM"]),
        ("VBD.create", [{**VBD, "mode": "XX"}], ["INVALID_VALUE", "mode", "XX"]),
        ("host_patch.apply", ["OpaqueRef:x"], ["MESSAGE_DEPRECATED"]),
        ("VMPP.protect_now", ["OpaqueRef:x"], ["MESSAGE_REMOVED"]),
        ("host.dmesg_clear", ["OpaqueRef:x"], ["NOT_IMPLEMENTED", "host.dmesg_clear"]),
    ],
)
async def test_failures(tmp_path: Path, method: str, params: list[Value], failure: list[str]) -> None:
    async with heart(tmp_path) as pool:
        with pytest.raises(ApiError) as failed:
            await pool.call(method, *params)
        assert failed.value.as_xenapi() == failure


async def test_maps_as_clients_use_them(tmp_path: Path) -> None:
    async with heart(tmp_path) as pool:
        ref = await pool.make("pool", uuid="u")
        await pool.call("pool.remove_from_other_config", ref, "xo:x")
        await pool.call("pool.add_to_other_config", ref, "xo:x", "1")
        with pytest.raises(ApiError) as failed:
            await pool.call("pool.add_to_other_config", ref, "xo:x", "1")
        assert failed.value.as_xenapi() == ["MAP_DUPLICATE_KEY", "pool", "other_config", "u", "xo:x"]


async def test_an_implementation_gets_all_parameters_with_their_types(tmp_path: Path) -> None:
    got: list[object] = []

    async def snapshot(context: Context, *params: Value) -> Value:
        got.extend(params)
        return NULL_REF

    async with heart(tmp_path) as pool:
        pool.implementations.register("VM.snapshot", snapshot)
        vm = await pool.make("VM")
        await pool.call("VM_snapshot", vm, "name")
        assert got == [vm, "name", ()]
        with pytest.raises(ApiError, match="HANDLE_INVALID"):
            await pool.call("VM.snapshot", "OpaqueRef:x", "name")
        assert pool.implementations.answer(MODEL.messages["VM.snapshot"]) is Answer.IMPLEMENTED
        assert pool.implementations.answer(MODEL.messages["VM.start"]) is Answer.MISSING


async def test_errors_of_the_agent_are_errors_of_the_api_and_faults_of_ours_are_internal(tmp_path: Path) -> None:
    async def handle(context: Context, *params: Value) -> Value:
        raise HandleInvalid("no such VM", class_name="VM", handle="r")

    async def fault(context: Context, *params: Value) -> Value:
        raise KeyError("x")

    async with heart(tmp_path) as pool:
        vm = await pool.make("VM")
        pool.implementations.register("VM.pause", handle)
        pool.implementations.register("VM.unpause", fault)
        with pytest.raises(ApiError, match="HANDLE_INVALID"):
            await pool.call("VM.pause", vm)
        with pytest.raises(ApiError, match="INTERNAL_ERROR"):
            await pool.call("VM.unpause", vm)


async def test_a_deadline_ends_a_call(tmp_path: Path) -> None:
    async def forever(context: Context, *params: Value) -> Value:
        await asyncio.Event().wait()
        return None

    async with heart(tmp_path) as pool:
        vm = await pool.make("VM")
        pool.implementations.register("VM.pause", forever)
        with pytest.raises(ApiError, match="took too long"):
            await pool.call("VM.pause", vm, context=Context(deadline=0.01))


async def test_what_the_wire_asks_of_methods(tmp_path: Path) -> None:
    async with heart(tmp_path) as pool:
        find = pool.dispatcher.find
        assert find("nothing") is None
        assert find("Async.event.from") is None
        start = find("Async.VM.start")
        assert start is not None
        assert (start.name, start.task, start.session) == ("VM.start", True, True)
        assert start.roles == frozenset(Role) - {Role.READ_ONLY}
        login = find("session.login_with_password")
        assert login is not None
        assert (login.session, login.secret) == (False, frozenset({1}))
        for name, secret in (
            ("session.get_uuid", {0}),
            ("VM.recover", {1}),
            ("host.install_server_certificate", {2}),
            ("host.call_plugin", {3}),
            ("VM.start", set()),
        ):
            method = find(name)
            assert method is not None
            assert method.secret == secret, name
        from_ = find("event_from")
        assert from_ is not None
        assert from_.name == "event.from"
        add = find("pool.add_to_other_config")
        assert add is not None
        assert add.key_roles["folder"] >= {Role.VM_OPERATOR}
        names = pool.dispatcher.names()
        assert len(names) == len(set(names)) > 2000
        assert not [name for name in names if name.startswith("Async")]


def test_registering_twice_or_what_does_not_exist_is_an_error(tmp_path: Path) -> None:
    from xenhost.pool.engine.registry import Implementations

    async def answer(context: Context) -> Value:
        return None

    found = Implementations(MODEL)
    found.register("VM.start", answer)
    for method in ("VM.start", "VM.fly"):
        with pytest.raises(KeyError):
            found.register(method, answer)


async def test_an_async_call_is_a_task(tmp_path: Path) -> None:
    async def clone(context: Context, vm: Ref, name: str) -> Value:
        pool.tasks.progress(context.task, 0.5)
        return await pool.make("VM", name_label=name)

    async with heart(tmp_path) as pool:
        pool.implementations.register("VM.clone", clone)
        vm = await pool.make("VM")
        record = await pool.ended(await pool.call("Async.VM.clone", vm, "a & b", context=ROOT))
        assert isinstance(record, dict)
        (made,) = (await pool.call("VM.get_by_name_label", "a & b")) or ()  # type: ignore[misc]  # a set of one
        assert (record["status"], record["result"]) == ("success", f"<value>{made}</value>")
        assert record["progress"] == 1.0
        assert record["name_label"] == "Async.VM.clone"
