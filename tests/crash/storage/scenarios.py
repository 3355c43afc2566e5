"""What is interrupted: a request for an SR or a VDI, what is there before it, and what is right after it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from kit.shelf import Shelf, sr_id, sr_spec, vdi_id
from kit.storage import StorageAgent
from xenhost.core.errors import HandleInvalid, InvalidValue, XenhostError
from xenhost.core.storage import AttachMode, Chore, IoLimits, NewSnapshot, NewVdi, OnBoot, VdiChange, VdiType
from xenhost.core.storage_errors import SrNotAttached, SrUuidExists
from xenhost.core.storage_requests import (
    AttachSr,
    CloneVdi,
    CompareVdis,
    CopyVdi,
    CreateSr,
    CreateVdi,
    DestroySr,
    DestroyVdi,
    DestroyVdiData,
    DetachSr,
    IntroduceVdi,
    PerformChore,
    ResizeVdi,
    RevertVdi,
    ScanSr,
    SetVdiCbt,
    SnapshotVdi,
    StorageRequest,
    UpdateSr,
    UpdateVdi,
)
from xenhost.core.units import MIB

SR, OTHER = sr_id(1), sr_id(2)
DISK, NEW, SNAP, USED = vdi_id(1), vdi_id(2), vdi_id(3), vdi_id(4)
DATAPATH: Final = "vbd/bystander/xvda"

Holds = Callable[[StorageAgent, Shelf], bool]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One operation to interrupt."""

    name: str
    request: StorageRequest
    done: Holds
    """True once it was done."""
    prepare: Sequence[StorageRequest] = ()
    already: tuple[type[XenhostError], ...] = ()
    """How a repetition may be refused because it has been done; none: it just succeeds again."""
    forward: bool = False
    """Once begun it is done, whatever happens."""
    shelf: Callable[[Shelf], None] = lambda shelf: None


def exists(vdi: object) -> Holds:
    return lambda agent, shelf: vdi in shelf.places[SR].vdis


def not_(holds: Holds) -> Holds:
    return lambda agent, shelf: not holds(agent, shelf)


def _loose(shelf: Shelf) -> None:
    shelf.places[SR].loose.add("found.img")


def _chore(shelf: Shelf) -> None:
    shelf.places[SR].chores = [Chore("1", "coalesce", "merging", vdi=DISK)]


def _stray(shelf: Shelf) -> None:
    place = shelf.places[SR]
    place.vdis[NEW] = replace(place.vdis[DISK], id=NEW, location="stray.img")
    place.data[NEW] = b""


SNAPSHOT: Final = SnapshotVdi(DISK, NewSnapshot(SNAP, "snap", time=5.0))
CBT: Final = SetVdiCbt(DISK, True)

SCENARIOS: Final = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "sr-create",
            CreateSr(sr_spec(3)),
            lambda agent, shelf: any(view.spec.id == sr_id(3) and view.attached for view in agent.engine.srs()),
            already=(SrUuidExists,),
            forward=True,
        ),
        Scenario(
            "sr-attach",
            AttachSr(OTHER, multipathing=True),
            lambda agent, shelf: (
                agent.engine.sr(OTHER).attached
                and OTHER in shelf.mounted
                and agent.engine.sr(OTHER).spec.device_config["multipathing"] == "true"
            ),
            (DetachSr(OTHER),),
            forward=True,
        ),
        Scenario(
            "sr-detach",
            DetachSr(OTHER),
            lambda agent, shelf: not agent.engine.sr(OTHER).attached and OTHER not in shelf.mounted,
            already=(SrNotAttached,),
            forward=True,
        ),
        Scenario(
            "sr-scan",
            ScanSr(SR),
            lambda agent, shelf: NEW in {view.vdi.id for view in agent.engine.vdis()},
            forward=True,
            shelf=_stray,
        ),
        Scenario(
            "sr-update",
            UpdateSr(SR, name="new", other_config={"a": "b"}),
            lambda agent, shelf: (
                agent.engine.sr(SR).spec.name == shelf.places[SR].name == "new"
                and agent.engine.sr(SR).spec.other_config == {"a": "b"}
            ),
            forward=True,
        ),
        Scenario(
            "chore",
            PerformChore(SR, "1"),
            lambda agent, shelf: not shelf.places[SR].chores,
            already=(HandleInvalid,),
            shelf=_chore,
        ),
        Scenario("create", CreateVdi(SR, NewVdi(NEW, MIB)), exists(NEW), already=(InvalidValue,)),
        Scenario(
            "introduce",
            IntroduceVdi(SR, NEW, "found.img", "name"),
            lambda agent, shelf: exists(NEW)(agent, shelf) and shelf.places[SR].vdis[NEW].name == "name",
            already=(InvalidValue,),
            forward=True,
            shelf=_loose,
        ),
        Scenario("destroy", DestroyVdi(DISK), not_(exists(DISK)), already=(HandleInvalid,), forward=True),
        Scenario(
            "update",
            UpdateVdi(DISK, VdiChange(name="new")),
            lambda agent, shelf: shelf.places[SR].vdis[DISK].name == agent.engine.vdi(DISK).vdi.name == "new",
            forward=True,
        ),
        Scenario(
            "reset-on-boot",
            UpdateVdi(DISK, VdiChange(on_boot=OnBoot.RESET)),
            lambda agent, shelf: agent.engine.vdi(DISK).vdi.on_boot is OnBoot.RESET and len(shelf.places[SR].vdis) == 3,
            forward=True,
        ),
        Scenario(
            "persist-on-boot",
            UpdateVdi(DISK, VdiChange(on_boot=OnBoot.PERSIST)),
            lambda agent, shelf: (
                agent.engine.vdi(DISK).vdi.on_boot is OnBoot.PERSIST and len(shelf.places[SR].vdis) == 2
            ),
            (UpdateVdi(DISK, VdiChange(on_boot=OnBoot.RESET)),),
            forward=True,
        ),
        Scenario(
            "resize",
            ResizeVdi(DISK, 8 * MIB),
            lambda agent, shelf: shelf.places[SR].vdis[DISK].virtual_size == 8 * MIB,
            forward=True,
        ),
        Scenario(
            "resize-in-use",
            ResizeVdi(USED, 8 * MIB),
            lambda agent, shelf: shelf.places[SR].vdis[USED].virtual_size == shelf.blocks[USED] == 8 * MIB,
            forward=True,
        ),
        Scenario("snapshot", SNAPSHOT, exists(SNAP), already=(InvalidValue,)),
        Scenario(
            "snapshot-in-use", SnapshotVdi(USED, NewSnapshot(NEW, time=5.0)), exists(NEW), already=(InvalidValue,)
        ),
        Scenario("clone", CloneVdi(DISK, NewSnapshot(NEW, time=5.0)), exists(NEW), already=(InvalidValue,)),
        Scenario(
            "revert",
            RevertVdi(DISK, SNAP),
            lambda agent, shelf: shelf.places[SR].data[DISK] == b"first",
            (SNAPSHOT,),
            forward=True,
            shelf=lambda shelf: shelf.places[SR].data.update({DISK: b"second"}),
        ),
        Scenario(
            "copy",
            CopyVdi(DISK, OTHER, NewVdi(NEW, 0)),
            lambda agent, shelf: shelf.places[OTHER].data.get(NEW) == b"first",
            already=(InvalidValue,),
        ),
        Scenario("cbt", CBT, lambda agent, shelf: agent.engine.vdi(DISK).vdi.cbt_enabled, forward=True),
        Scenario(
            "data-destroy",
            DestroyVdiData(SNAP),
            lambda agent, shelf: agent.engine.vdi(SNAP).vdi.type is VdiType.CBT_METADATA,
            (CBT, SNAPSHOT),
            forward=True,
        ),
        Scenario("compare", CompareVdis(DISK, SNAP), lambda agent, shelf: True, (SNAPSHOT,)),
    )
}
DESTROY_SR: Final = DestroySr(OTHER)


async def bystander(agent: StorageAgent) -> None:
    """A VDI that a VM uses all the time."""
    await agent.succeed(CreateSr(sr_spec(1)))
    await agent.succeed(CreateSr(sr_spec(2)))
    await agent.succeed(CreateVdi(SR, NewVdi(DISK, MIB)))
    await agent.succeed(CreateVdi(SR, NewVdi(USED, MIB)))
    await agent.engine.connect(DATAPATH, USED, AttachMode.RW, IoLimits())
