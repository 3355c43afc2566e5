"""Kind -> class of every step, and plans as they are stored."""

from collections.abc import Mapping
from typing import Final, cast

from xenhost.agent.steps.domain import (
    BuildDomain,
    CreateDomain,
    DestroyDomain,
    PauseDomain,
    SetScheduling,
    StartDeviceModel,
    UnpauseDomain,
)
from xenhost.agent.steps.guest import Delay, ShutDownGuest
from xenhost.agent.steps.suspend import (
    CheckImage,
    ConnectImage,
    DisconnectImage,
    DropImage,
    PrepareImage,
    RestoreDomain,
    ResumeGuest,
    SaveDomain,
    SnapshotDisk,
    SuspendGuest,
    TakeImage,
)
from xenhost.agent.steps.vbd import ChangeMedium, PlugVbd, UnplugVbd
from xenhost.agent.steps.vdi import ConnectVdi, DisconnectVdi, DisconnectVdis, LimitVdi
from xenhost.agent.steps.vif import ChangeVif, PlugVif, UnplugVif
from xenhost.core.record import CLASS, BadRecord, Json, decode, encode
from xenhost.core.steps import OnFailure, OnRecovery, Plan, Planned, Stage, Step
from xenhost.core.vm import VmSpec

STEPS: Final[Mapping[str, type[Step]]] = {
    step.kind: step
    for step in (
        CreateDomain,
        BuildDomain,
        StartDeviceModel,
        SetScheduling,
        PauseDomain,
        UnpauseDomain,
        DestroyDomain,
        ShutDownGuest,
        Delay,
        PlugVbd,
        UnplugVbd,
        ChangeMedium,
        PlugVif,
        UnplugVif,
        ChangeVif,
        ConnectVdi,
        DisconnectVdi,
        DisconnectVdis,
        LimitVdi,
        ConnectImage,
        PrepareImage,
        SuspendGuest,
        SaveDomain,
        SnapshotDisk,
        ResumeGuest,
        RestoreDomain,
        CheckImage,
        TakeImage,
        DropImage,
        DisconnectImage,
    )
}
"""Never take one out: a journal may hold it. Never change what a field means: add a field with a default."""


def encode_plan(plan: Plan) -> Json:
    """As `decode_plan` reads it."""
    return {
        "stages": [
            {
                "on_failure": stage.on_failure.value,
                "on_recovery": stage.on_recovery.value,
                "steps": [_encode_planned(planned) for planned in stage.steps],
            }
            for stage in plan.stages
        ],
        "spec_after": encode(plan.spec_after),
    }


def decode_plan(untrusted_value: Json) -> Plan:
    """The plan that was stored. Raises BadRecord: for an unknown kind of step too, which is never guessed."""
    try:
        body = cast(dict[str, Json], untrusted_value)
        stages = tuple(_decode_stage(cast(dict[str, Json], stage)) for stage in cast(list[Json], body["stages"]))
        spec = body["spec_after"]
        return Plan(stages, None if spec is None else decode(VmSpec, spec))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRecord(f"plan: {error}") from None


def _encode_planned(planned: Planned) -> Json:
    fields = cast(dict[str, Json], encode(planned.step))
    return {
        "kind": planned.step.kind,
        "fields": {name: value for name, value in fields.items() if name != CLASS},
        "after": list(planned.after),
        "undone_with": planned.undone_with,
    }


def _decode_stage(body: dict[str, Json]) -> Stage:
    steps = tuple(_decode_planned(cast(dict[str, Json], step)) for step in cast(list[Json], body["steps"]))
    return Stage(steps, OnFailure(cast(str, body["on_failure"])), OnRecovery(cast(str, body["on_recovery"])))


def _decode_planned(body: dict[str, Json]) -> Planned:
    kind = body["kind"]
    cls = STEPS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise BadRecord(f"unknown kind of step {kind!r:.60}")
    undone_with = body["undone_with"]
    if undone_with is not None and type(undone_with) is not int:
        raise BadRecord(f"undone_with is {undone_with!r:.60}")
    return Planned(decode(cls, body["fields"]), _positions(body["after"]), undone_with)


def _positions(value: Json) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise BadRecord(f"after is {value!r:.60}")
    return tuple(cast(list[int], value))
