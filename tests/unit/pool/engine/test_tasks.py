import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from kit.clock import FakeClock
from kit.pool_heart import ROOT, Heart, heart
from xenhost.core.errors import InvalidValue
from xenhost.pool.call import ApiError, Context, FrozenMap, Ref, Role, Value
from xenhost.pool.engine import tasks as module
from xenhost.pool.engine.task_result import task_result

USER = Context(user="u", roles=frozenset({Role.VM_OPERATOR, Role.READ_ONLY}))
OTHER = Context(user="v", roles=frozenset({Role.VM_ADMIN, Role.VM_OPERATOR, Role.READ_ONLY}))


async def forever(context: Context) -> Value:
    await asyncio.Event().wait()
    return None


async def settle(pool: Heart, ref: Ref) -> dict[str, Value]:
    record = await pool.ended(ref)
    assert isinstance(record, dict)
    return record


async def test_a_task_that_fails_has_the_failure(tmp_path: Path) -> None:
    async def fail(context: Context) -> Value:
        raise ApiError("SR_FULL", "10", "5")

    async with heart(tmp_path) as pool:
        record = await settle(pool, pool.tasks.start(ROOT, "x", fail))
        assert (record["status"], record["error_info"]) == ("failure", ("SR_FULL", "10", "5"))


async def test_a_task_that_is_cancelled_says_so(tmp_path: Path) -> None:
    async with heart(tmp_path) as pool:
        ref = pool.tasks.start(ROOT, "x", forever)
        await pool.call("task.cancel", ref)
        assert pool.database.get("task", ref)["status"] == "cancelling"
        record = await settle(pool, ref)
        assert (record["status"], record["error_info"]) == ("cancelled", ("TASK_CANCELLED", ref))
        with pytest.raises(ApiError, match="OPERATION_NOT_ALLOWED"):
            await pool.call("task.cancel", ref)


async def test_work_that_finishes_in_spite_of_a_cancel_has_succeeded(tmp_path: Path) -> None:
    async def stubborn(context: Context) -> Value:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done"
        return None

    async with heart(tmp_path) as pool:
        ref = pool.tasks.start(ROOT, "x", stubborn)
        await asyncio.sleep(0)
        await pool.call("task.cancel", ref)
        assert (await settle(pool, ref))["result"] == "<value>done</value>"


async def test_parts_are_cancelled_with_the_whole(tmp_path: Path) -> None:
    parts: list[Ref] = []

    async def whole(context: Context) -> Value:
        parts.append(pool.tasks.start(context, "part", forever))
        await asyncio.Event().wait()
        return None

    async with heart(tmp_path) as pool:
        ref = pool.tasks.start(ROOT, "whole", whole)
        await asyncio.sleep(0)
        assert pool.database.get("task", ref)["subtasks"] == tuple(parts)
        await pool.call("task.cancel", ref)
        assert (await settle(pool, parts[0]))["status"] == "cancelled"


async def test_a_daemon_that_ends_cancels_what_runs(tmp_path: Path) -> None:
    async with heart(tmp_path) as pool:
        ref = pool.tasks.start(ROOT, "x", forever)
        await asyncio.sleep(0)
    assert pool.database.get("task", ref)["status"] == "cancelled"


async def test_what_ends_the_daemon_passes_as_it_is(tmp_path: Path) -> None:
    async def daemon() -> None:
        async with heart(tmp_path) as pool:
            pool.tasks.start(ROOT, "x", forever)
            raise OSError("the port is taken")

    with pytest.raises(OSError, match="the port is taken"):
        await daemon()


async def test_a_task_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    async with heart(tmp_path) as pool:
        ref = pool.tasks.start(USER, "x", forever)
        for method, params in (("cancel", []), ("destroy", []), ("set_status", ["success"]), ("set_progress", [1.0])):
            with pytest.raises(ApiError, match="RBAC_PERMISSION_DENIED"):
                await pool.call(f"task.{method}", ref, *params, context=OTHER)
        await pool.call("task.cancel", ref, context=USER)
        await settle(pool, ref)


async def test_a_client_finishes_a_task_of_its_own(tmp_path: Path) -> None:
    async with heart(tmp_path) as pool:
        ref = Ref(str(await pool.call("task.create", "mine", "", context=USER)))
        await pool.call("task.set_progress", ref, 0.25, context=USER)
        await pool.call("task.add_to_other_config", ref, "k", "v", context=USER)
        await pool.call("task.set_status", ref, "success", context=USER)
        record = pool.database.get("task", ref)
        assert (record["status"], record["progress"], record["other_config"]) == ("success", 0.25, {"k": "v"})
        await pool.call("task.destroy", ref, context=USER)
        assert pool.database.find("task", ref) is None


async def test_a_task_destroyed_while_it_runs_goes_on(tmp_path: Path) -> None:
    finished = asyncio.Event()

    async def work(context: Context) -> Value:
        await asyncio.sleep(0)
        finished.set()
        return None

    async with heart(tmp_path) as pool:
        ref = pool.tasks.start(ROOT, "x", work)
        await pool.call("task.destroy", ref)
        await finished.wait()


async def test_ended_tasks_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 3)
    clock = FakeClock(auto=False)
    async with heart(tmp_path, clock) as pool:
        refs = [pool.tasks.create(ROOT, str(number)) for number in range(5)]
        for ref in refs:
            pool.tasks.succeed(ref)
        assert list(pool.database.rows("task")) == refs[2:]
        clock.advance(module.KEPT_SECONDS + 1)
        last = pool.tasks.create(ROOT, "last")
        pool.tasks.succeed(last)
        assert list(pool.database.rows("task")) == [last]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("<a>", "<value>&lt;a&gt;</value>"),
        (7, "<value>7</value>"),
        (True, "<value><boolean>1</boolean></value>"),
        (0.5, "<value><double>0.5</double></value>"),
        (("a",), "<value><array><data><value>a</value></data></array></value>"),
        (FrozenMap(k="v"), "<value><struct><member><name>k</name><value>v</value></member></struct></value>"),
    ],
)
def test_results_are_xml_rpc_values(value: Value, text: str) -> None:
    assert task_result(value) == text


async def test_work_that_is_attended_runs_as_the_task_that_the_client_made(tmp_path: Path) -> None:
    async def work(context: Context) -> Value:
        return context.task

    async with heart(tmp_path) as pool:
        ref = pool.tasks.create(ROOT, "mine")
        assert await pool.tasks.attend(replace(ROOT, task=ref), "x", work) == ref
        assert pool.database.get("task", ref)["status"] == "success"
        made = Ref(str(await pool.tasks.attend(replace(ROOT, task=ref), "x", work)))
        assert made != ref, "the first has ended"
        assert pool.database.get("task", made)["name_label"] == "x"


async def test_work_that_is_attended_fails_with_its_task(tmp_path: Path) -> None:
    async def full(context: Context) -> Value:
        raise ApiError("SR_FULL", "10", "5")

    async def wrong(context: Context) -> Value:
        raise InvalidValue("no", field="f", value="v")

    async def broken(context: Context) -> Value:
        raise ZeroDivisionError

    async with heart(tmp_path) as pool:
        for work, failure in ((full, ApiError), (wrong, ApiError), (broken, ZeroDivisionError)):
            with pytest.raises(failure):
                await pool.tasks.attend(ROOT, "x", work)
        found = [tuple(record["error_info"])[:1] for record in pool.database.rows("task").values()]  # type: ignore[arg-type] # it is a tuple
        assert found == [("SR_FULL",), ("INVALID_VALUE",), ("INTERNAL_ERROR",)]


async def test_work_that_is_attended_ends_when_its_task_is_cancelled_or_the_client_goes(tmp_path: Path) -> None:
    async with heart(tmp_path) as pool:
        refs = [pool.tasks.create(ROOT, "a"), pool.tasks.create(ROOT, "b")]
        waits = [asyncio.create_task(pool.tasks.attend(replace(ROOT, task=ref), "x", forever)) for ref in refs]
        await asyncio.sleep(0)
        await pool.call("task.cancel", refs[0])
        with pytest.raises(ApiError, match="TASK_CANCELLED"):
            await waits[0]
        waits[1].cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits[1]
        found = [pool.database.get("task", ref)["status"] for ref in refs]
        assert found == ["cancelled", "failure"]


async def test_a_task_that_was_cancelled_before_its_work_came_stays_so(tmp_path: Path) -> None:
    async with heart(tmp_path) as pool:
        ref = pool.tasks.create(ROOT, "a")
        await pool.call("task.cancel", ref)
        with pytest.raises(ApiError, match="TASK_CANCELLED"):
            await pool.tasks.attend(replace(ROOT, task=ref), "x", forever)
        assert pool.database.get("task", ref)["status"] == "cancelled"


async def test_one_thing_is_done_in_a_task(tmp_path: Path) -> None:
    async with heart(tmp_path) as pool:
        ref = pool.tasks.create(ROOT, "a")
        first = asyncio.create_task(pool.tasks.attend(replace(ROOT, task=ref), "x", forever))
        await asyncio.sleep(0)
        with pytest.raises(ApiError, match="OPERATION_NOT_ALLOWED"):
            await pool.tasks.attend(replace(ROOT, task=ref), "x", forever)
        await pool.call("task.cancel", ref)
        with pytest.raises(ApiError, match="TASK_CANCELLED"):
            await first


async def test_a_fault_in_one_task_ends_no_other(tmp_path: Path) -> None:
    async def faulty(context: Context) -> Value:
        raise ValueError("too big")

    async with heart(tmp_path) as pool:
        other = pool.tasks.start(ROOT, "other", forever)
        ref = pool.tasks.start(ROOT, "faulty", faulty)
        await pool.tasks.wait(ref)
        record = pool.database.get("task", ref)
        assert (record["status"], record["error_info"]) == ("failure", ("INTERNAL_ERROR", "ValueError: too big"))
        assert pool.database.get("task", other)["status"] == "pending"
        await pool.call("task.cancel", other)
