import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from kit.clock import FakeClock
from kit.pool_heart import Heart, heart
from xenhost.pool.call import ApiError, Context, Ref
from xenhost.pool.engine.subscriptions import parse


async def events(pool: Heart, token: str, *classes: str, timeout: float = 0.0) -> tuple[list[dict[str, Any]], str]:
    batch: Any = await pool.call("event.from", classes or ["*"], token, timeout)
    return list(batch["events"]), batch["token"]


def brief(found: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(event["operation"], event["class"], event["ref"]) for event in found]


async def test_an_empty_token_gets_everything_as_made(tmp_path: Path) -> None:
    async with heart(tmp_path) as pool:
        vm = await pool.make("VM", name_label="a")
        found, token = await events(pool, "", "vm", "unheard_of")
        assert brief(found) == [("add", "vm", vm)]
        assert found[0]["snapshot"]["name_label"] == "a"
        assert found[0]["obj_uuid"] == found[0]["snapshot"]["uuid"]
        assert await events(pool, token, "vm") == ([], token)


async def test_changes_since_a_token_in_order_each_object_once(tmp_path: Path) -> None:
    async with heart(tmp_path) as pool:
        vm, gone = await pool.make("VM"), await pool.make("VM")
        _, token = await events(pool, "")
        for name in "xyz":
            await pool.call("VM.set_name_label", vm, name)
        vbd = await pool.make("VBD", VM=vm)
        await pool.database.change(lambda t: t.delete("VM", gone))
        found, token = await events(pool, token, "VM", "VBD")
        assert brief(found) == [("add", "vbd", vbd), ("mod", "vm", vm), ("del", "vm", gone)]
        assert found[1]["snapshot"]["VBDs"] == (vbd,)
        assert "snapshot" not in found[2]
        assert [event["id"] for event in found] == sorted(event["id"] for event in found)


async def test_what_came_and_went_between_two_tokens_is_not_told(tmp_path: Path) -> None:
    async with heart(tmp_path) as pool:
        _, token = await events(pool, "")
        vm = await pool.make("VM")
        await pool.database.change(lambda t: t.delete("VM", vm))
        assert (await events(pool, token))[0] == []


async def test_a_watcher_is_woken_by_what_it_wants_only(tmp_path: Path) -> None:
    async with heart(tmp_path) as pool:
        vm, other = await pool.make("VM"), await pool.make("VM")
        _, token = await events(pool, "")
        waiting = asyncio.create_task(events(pool, token, f"vm/{vm}", timeout=30.0))
        await asyncio.sleep(0)
        await pool.call("VM.set_name_label", other, "x")
        await pool.make("network")
        assert not waiting.done()
        await pool.call("VM.set_name_label", vm, "x")
        assert brief((await waiting)[0]) == [("mod", "vm", vm)]


async def test_nothing_happened_is_an_answer_after_the_timeout(tmp_path: Path) -> None:
    from xenhost.system.clock import SystemClock

    async with heart(tmp_path, SystemClock()) as pool:
        found, token = await events(pool, "", "vm", timeout=0.05)
        assert found == []
        assert (await events(pool, token, "vm", timeout=0.01))[0] == []


async def test_an_injected_event_comes_after_its_token(tmp_path: Path) -> None:
    async with heart(tmp_path) as pool:
        ref = await pool.make("pool")
        token = str(await pool.call("event.inject", "pool", ref))
        found, later = await events(pool, token, "pool")
        assert brief(found) == [("mod", "pool", ref)]
        assert later > token
        with pytest.raises(ApiError, match="HANDLE_INVALID"):
            await pool.call("event.inject", "VM", ref)


async def test_counts_of_objects_come_with_events(tmp_path: Path) -> None:
    async with heart(tmp_path) as pool:
        vm = await pool.make("VM")
        await pool.make("VM")
        await pool.database.change(lambda t: t.delete("VM", vm))
        pool.tasks.create(Context(), "x")
        batch: Any = await pool.call("event.from", ["vm"], "", 0.0)
        assert (batch["valid_ref_counts"]["vm"], batch["valid_ref_counts"]["task"]) == (1, 1)


async def test_who_missed_a_removal_has_lost_events(tmp_path: Path) -> None:
    async with heart(tmp_path, forgotten=3) as pool:
        _, token = await events(pool, "")
        for _ in range(5):
            vm = await pool.make("VM")
            await pool.database.change(lambda t, vm=vm: t.delete("VM", vm))  # type: ignore[misc]  # bound now
        with pytest.raises(ApiError, match="EVENTS_LOST"):
            await events(pool, token)
        with pytest.raises(ApiError, match="EVENTS_LOST"):
            await events(pool, "00000000000000000001,00000000000000000001")


@pytest.mark.parametrize("token", ["x", "1", "1,2,3", "-1,0", "1" * 30 + ",1"])
async def test_a_token_of_nobody_is_refused(tmp_path: Path, token: str) -> None:
    async with heart(tmp_path) as pool:
        with pytest.raises(ApiError, match="EVENT_FROM_TOKEN_PARSE_FAILURE"):
            await events(pool, token)


@pytest.mark.parametrize("item", ["", "/x", "vm/"])
def test_a_subscription_that_means_nothing_is_refused(item: str) -> None:
    with pytest.raises(ApiError, match="EVENT_SUBSCRIPTION_PARSE_FAILURE"):
        parse([item])


async def test_sessions_and_secrets_make_no_events(tmp_path: Path) -> None:
    async with heart(tmp_path) as pool:
        await pool.make("session")
        await pool.make("secret", value="s3cret")
        assert (await events(pool, ""))[0] == []


async def test_registered_events_come_with_next(tmp_path: Path) -> None:
    me = Context(session=Ref("OpaqueRef:s"))
    async with heart(tmp_path) as pool:
        with pytest.raises(ApiError, match="SESSION_NOT_REGISTERED"):
            await pool.call("event.next", context=me)
        await pool.make("VM")
        await pool.call("event.register", ["vm"], context=me)
        waiting = asyncio.create_task(pool.call("event.next", context=me))
        await asyncio.sleep(0)
        await pool.make("network")
        vm = await pool.make("VM")
        found: Any = await waiting
        assert brief(list(found)) == [("add", "vm", vm)]
        assert pool.log.current >= found[0]["id"]


async def test_a_follower_sees_what_there_is_whatever_happens(tmp_path: Path) -> None:
    """It applies events to a copy, at random moments; the copy is always right."""
    rng = random.Random(11)
    async with heart(tmp_path, FakeClock(auto=False), forgotten=100_000) as pool:
        copy: dict[str, Any] = {}
        token = ""
        for _ in range(400):
            vms = list(pool.database.rows("VM"))
            match rng.randrange(4):
                case 0 | 1:
                    await pool.make(
                        "VM", name_label=str(rng.random()), parent=rng.choice(vms) if vms else "OpaqueRef:NULL"
                    )
                case 2 if vms:
                    await pool.call("VM.set_name_label", rng.choice(vms), str(rng.random()))
                case 3 if vms:
                    await pool.database.change(lambda t, vms=vms: t.delete("VM", rng.choice(vms)))  # type: ignore[misc]  # bound now
            if rng.random() < 0.2:
                found, token = await events(pool, token, "vm")
                for event in found:
                    if event["operation"] == "del":
                        del copy[event["ref"]]
                    else:
                        assert (event["operation"] == "add") == (event["ref"] not in copy)
                        copy[event["ref"]] = event["snapshot"]
                assert copy == dict(pool.database.rows("VM"))
