"""The states of datapaths: what each may do, what a VDI is in through all of them, and which calls lead there. Pure.

As in xapi's vdi_automaton: a datapath is Detached, Attached or Activated, read-only or read-write; the superstate of a
VDI on a host is the highest of its datapaths, and a driver is called for the difference between two superstates only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

from xenhost.core.storage import AttachMode


class DatapathState(StrEnum):
    """Of one datapath, or the superstate of a VDI."""

    DETACHED = auto()
    ATTACHED_RO = auto()
    ATTACHED_RW = auto()
    ACTIVATED_RO = auto()
    ACTIVATED_RW = auto()

    @property
    def activated(self) -> bool:
        """Can bytes be read through it?"""
        return self in {DatapathState.ACTIVATED_RO, DatapathState.ACTIVATED_RW}

    @property
    def mode(self) -> AttachMode | None:
        """How the VDI is used; None: not at all."""
        return _MODES[self]


class OnDatapath(StrEnum):
    """What may be asked of a datapath."""

    ATTACH_RO = auto()
    ATTACH_RW = auto()
    ACTIVATE = auto()
    DEACTIVATE = auto()
    DETACH = auto()


_S = DatapathState
_On = OnDatapath

_MODES: Final[Mapping[DatapathState, AttachMode | None]] = {
    _S.DETACHED: None,
    _S.ATTACHED_RO: AttachMode.RO,
    _S.ATTACHED_RW: AttachMode.RW,
    _S.ACTIVATED_RO: AttachMode.RO,
    _S.ACTIVATED_RW: AttachMode.RW,
}

DATAPATH: Final[Mapping[tuple[DatapathState, OnDatapath], DatapathState]] = {
    (_S.DETACHED, _On.ATTACH_RO): _S.ATTACHED_RO,
    (_S.DETACHED, _On.ATTACH_RW): _S.ATTACHED_RW,
    (_S.DETACHED, _On.DEACTIVATE): _S.DETACHED,
    (_S.DETACHED, _On.DETACH): _S.DETACHED,
    (_S.ATTACHED_RO, _On.ATTACH_RO): _S.ATTACHED_RO,
    (_S.ATTACHED_RO, _On.ACTIVATE): _S.ACTIVATED_RO,
    (_S.ATTACHED_RO, _On.DEACTIVATE): _S.ATTACHED_RO,
    (_S.ATTACHED_RO, _On.DETACH): _S.DETACHED,
    (_S.ATTACHED_RW, _On.ATTACH_RO): _S.ATTACHED_RW,
    (_S.ATTACHED_RW, _On.ATTACH_RW): _S.ATTACHED_RW,
    (_S.ATTACHED_RW, _On.ACTIVATE): _S.ACTIVATED_RW,
    (_S.ATTACHED_RW, _On.DEACTIVATE): _S.ATTACHED_RW,
    (_S.ATTACHED_RW, _On.DETACH): _S.DETACHED,
    (_S.ACTIVATED_RO, _On.ATTACH_RO): _S.ACTIVATED_RO,
    (_S.ACTIVATED_RO, _On.ACTIVATE): _S.ACTIVATED_RO,
    (_S.ACTIVATED_RO, _On.DEACTIVATE): _S.ATTACHED_RO,
    (_S.ACTIVATED_RW, _On.ATTACH_RO): _S.ACTIVATED_RW,
    (_S.ACTIVATED_RW, _On.ATTACH_RW): _S.ACTIVATED_RW,
    (_S.ACTIVATED_RW, _On.ACTIVATE): _S.ACTIVATED_RW,
    (_S.ACTIVATED_RW, _On.DEACTIVATE): _S.ATTACHED_RW,
}
"""What is not in it is a mistake of the caller (LookupError)."""


def state_of(mode: AttachMode, activated: bool) -> DatapathState:
    """Attached or activated in that mode."""
    if activated:
        return _S.ACTIVATED_RW if mode is AttachMode.RW else _S.ACTIVATED_RO
    return _S.ATTACHED_RW if mode is AttachMode.RW else _S.ATTACHED_RO


def connected(state: DatapathState, mode: AttachMode) -> DatapathState:
    """What a datapath is in when it has been attached in that mode and activated. LookupError: it may not be."""
    attached = DATAPATH[state, OnDatapath.ATTACH_RW if mode is AttachMode.RW else OnDatapath.ATTACH_RO]
    return DATAPATH[attached, OnDatapath.ACTIVATE]


def superstate(states: Iterable[DatapathState]) -> DatapathState:
    """Of a VDI over its datapaths: any that writes makes it RW, any that is activated makes it activated."""
    used = [state for state in states if state is not _S.DETACHED]
    if not used:
        return _S.DETACHED
    mode = AttachMode.RW if any(state.mode is AttachMode.RW for state in used) else AttachMode.RO
    return state_of(mode, any(state.activated for state in used))


class Verb(StrEnum):
    """The calls of a driver for one VDI."""

    ATTACH = auto()
    ACTIVATE = auto()
    DEACTIVATE = auto()
    DETACH = auto()


@dataclass(frozen=True, slots=True)
class Call:
    """One call; the mode is of attach and activate."""

    verb: Verb
    mode: AttachMode | None = None


def difference(old: DatapathState, new: DatapathState) -> tuple[Call, ...]:
    """The calls that lead a VDI from one superstate to another, in order."""
    if old is new:
        return ()
    calls = []
    if old.activated and not new.activated:
        calls.append(Call(Verb.DEACTIVATE))
    if new is _S.DETACHED:
        return (*calls, Call(Verb.DETACH))
    if old.mode is not new.mode and (old is _S.DETACHED or new.mode is AttachMode.RW or not new.activated):
        calls.append(Call(Verb.ATTACH, new.mode))
    if new.activated:
        calls.append(Call(Verb.ACTIVATE, new.mode))
    return tuple(calls)
