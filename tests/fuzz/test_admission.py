"""Admission under any request in any situation, and the engine under any sequence of what may happen to it."""

import asyncio
import contextlib
import sqlite3
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.agent import Agent, SimHost
from kit.specs import cd, disk, file_disk, nic, spec, vm_id
from xenhost.agent.engine.admission import Situation, admit, checked_spec
from xenhost.agent.plans.planner import plan_request
from xenhost.agent.steps.registry import decode_plan, encode_plan
from xenhost.core.allowed import Busy, Verdict, Word, allowed_operations, decide, word_of
from xenhost.core.devices import (
    DeviceClass,
    DeviceState,
    DeviceStatus,
    IoLimits,
    Source,
    SourceKind,
    Vbd,
    VbdMode,
    VbdType,
    Vif,
)
from xenhost.core.errors import XenhostError
from xenhost.core.ids import DevId, DomId
from xenhost.core.requests import (
    EjectVbd,
    InsertVbd,
    LimitVbd,
    PauseVm,
    PlugVbd,
    PlugVif,
    RebootVm,
    Request,
    ShutdownVm,
    StartVm,
    UnpauseVm,
    UnplugVbd,
    UnplugVif,
)
from xenhost.core.states import Life
from xenhost.core.vm import PowerState

VM = vm_id()
PLACES = st.sampled_from([disk().devid, file_disk().devid, cd().devid, DevId(0), DevId(1), DevId(2), DevId(99)])
SOURCES = st.builds(
    Source,
    st.sampled_from(SourceKind),
    st.sampled_from(["", "/dev/a", "/srv/a.img", "relative", "/\n", "/" + "x" * 2000]),
)
VBDS = st.sampled_from([disk(), file_disk(), cd(), disk("xvdb", "/dev/other")]) | st.builds(
    Vbd, PLACES, SOURCES, st.sampled_from(VbdMode), st.sampled_from(VbdType)
)
VIFS = st.sampled_from([nic(), nic(1), nic(1, "br1")]) | st.builds(
    Vif,
    st.integers(-1, 20).map(DevId),
    st.sampled_from(["00:16:3E:00:00:01", "01:00:00:00:00:00", "x"]),
    st.sampled_from(["xenbr0", "", "a/b", "x" * 30]),
    st.integers(0, 70_000),
    st.integers(-1, 10),
)
SECONDS = st.sampled_from([0.0, 1.0, 60.0, -1.0, float("inf"), float("nan"), 1e9])
REQUESTS: st.SearchStrategy[Request] = st.one_of(
    st.builds(StartVm, st.just(VM), st.booleans()),
    st.builds(ShutdownVm, st.just(VM), st.booleans(), SECONDS),
    st.builds(RebootVm, st.just(VM), st.booleans(), SECONDS),
    st.builds(PauseVm, st.just(VM)),
    st.builds(UnpauseVm, st.just(VM)),
    st.builds(PlugVbd, st.just(VM), VBDS),
    st.builds(UnplugVbd, st.just(VM), PLACES, st.booleans(), SECONDS),
    st.builds(InsertVbd, st.just(VM), PLACES, SOURCES),
    st.builds(EjectVbd, st.just(VM), PLACES),
    st.builds(LimitVbd, st.just(VM), PLACES, st.builds(IoLimits, st.integers(), st.integers())),
    st.builds(PlugVif, st.just(VM), VIFS),
    st.builds(UnplugVif, st.just(VM), st.integers(-1, 20).map(DevId), st.booleans(), SECONDS),
)
BUSY = st.none() | st.builds(Busy, st.just("op"), st.just("vm.start"), st.booleans())
SPECS = st.builds(
    lambda vbds, vifs: spec(vbds=tuple(vbds), vifs=tuple(vifs)),
    st.lists(st.sampled_from([disk(), file_disk(), cd(), cd("xvde", "/srv/a.iso")]), unique=True),
    st.lists(st.sampled_from([nic(), nic(1)]), unique=True),
)
DEVICES = st.lists(
    st.builds(DeviceStatus, st.sampled_from(DeviceClass), PLACES, st.just(DeviceState.ATTACHED)), max_size=4
).map(tuple)
SITUATIONS = st.builds(Situation, SPECS, st.sampled_from(Life), BUSY, st.sampled_from(["", "unreadable"]), DEVICES)


@given(REQUESTS, SITUATIONS)
def test_admission_refuses_or_makes_a_plan_that_can_be_stored(request: Request, now: Situation) -> None:
    try:
        admitted, verdict = admit(request, now)
    except XenhostError:
        return
    assert decide(VM, word_of(admitted), now.life, now.busy, now.attention) is verdict
    assert (verdict is Verdict.PREEMPT) == (now.busy is not None)
    plan = plan_request(admitted, now.spec, None if now.life is Life.HALTED else DomId(5))
    assert decode_plan(encode_plan(plan)) == plan
    if plan.spec_after is not None:
        assert checked_spec(plan.spec_after) == plan.spec_after


@given(st.sampled_from(Life), BUSY, st.sampled_from(["", "unreadable"]))
def test_what_is_said_to_be_allowed_is_what_is_let_through(life: Life, busy: Busy | None, attention: str) -> None:
    said = allowed_operations(VM, life, busy, attention)
    for word in Word:
        refused = isinstance(decide(VM, word, life, busy, attention), XenhostError)
        assert word not in said or not refused
    if busy is not None and not busy.waits:
        assert not said


GUESTS = st.sampled_from(["poweroff", "reboot", "crash", "silent", "talkative", "never_stop"])
OTHERS = st.sampled_from(["restart", "kill", "cancel", "wait", "vanish"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(REQUESTS | GUESTS | OTHERS, st.integers(0, 40)), max_size=25))
def test_whatever_happens_nothing_leaks_and_everything_ends(acts: list[tuple[Request | str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_play(Path(folder), acts))


async def _play(folder: Path, acts: list[tuple[Request | str, int]]) -> None:
    host = SimHost(folder)
    agent = await host.start()
    await agent.engine.create_vm(spec(vbds=(disk(), file_disk(), cd()), vifs=(nic(),)))
    for act, turns in acts:
        agent = await _act(host, agent, act)
        for _ in range(turns):
            await host.clock.sleep(0)
    await _quiet(host, agent)
    _check(host, agent)
    await agent.close()
    with sqlite3.connect(host.path) as db:
        assert db.execute("SELECT count(*) FROM operation WHERE NOT settled").fetchone() == (0,)
    db.close()


async def _act(host: SimHost, agent: Agent, act: Request | str) -> Agent:
    domid = agent.engine.vm(VM).status.domid
    match act:
        case "restart" | "kill":
            if act == "kill":
                agent.hypervisor.kill()
            await agent.close()
            return await host.start()
        case "cancel":
            with contextlib.suppress(XenhostError):
                await agent.engine.cancel(agent.engine.operations()[-1].id) if agent.engine.operations() else None
        case "wait":
            await host.clock.sleep(20.0)
        case "vanish":
            if domid is not None and domid in host.world.domains and host.world.domains[domid].in_xen:
                host.world.forget(host.world.domains[domid])
        case str():
            if domid is not None and domid in host.world.domains:
                getattr(host.world.guest(domid), act)()
        case _:
            with contextlib.suppress(XenhostError):
                await agent.engine.submit(act)
    return agent


async def _quiet(host: SimHost, agent: Agent) -> None:
    """Until everything has ended, and a look at the world changes nothing any more."""
    for _ in range(4):
        await agent.settled(VM)
        await host.clock.sleep(200.0)
    await agent.settled(VM)


def _check(host: SimHost, agent: Agent) -> None:
    view = agent.engine.vm(VM)
    assert all(operation.state.ended for operation in agent.engine.operations())
    assert agent.engine._services.ledger.total == 0
    assert host.world.leaks() == []
    expected = {view.status.domid} if view.status.domid is not None else set()
    assert set(host.world.domains) == expected
    assert (view.status.power_state is PowerState.HALTED) == (not expected)
    files = [vbd.source.path for vbd in view.spec.vbds if vbd.source.kind is SourceKind.FILE]
    assert sorted(host.world.loops.values()) == (sorted(files) if expected else [])
    if expected:
        assert len(view.status.devices) == len(view.spec.vbds) + len(view.spec.vifs)
