"""Which operation is legal when."""

import pytest

from kit.specs import disk, nic, vm_id
from xenhost.core.allowed import (
    LIVES,
    VM_WORDS,
    Busy,
    Verdict,
    Word,
    allowed_operations,
    decide,
    word_of,
)
from xenhost.core.devices import Source, SourceKind
from xenhost.core.errors import OperationNotAllowed, OtherOperationInProgress, VmBadPowerState
from xenhost.core.ids import DevId
from xenhost.core.requests import (
    REQUESTS,
    CheckpointVm,
    PlugVbd,
    PlugVif,
    RebootVm,
    Request,
    ResumeVm,
    ShutdownVm,
    StartVm,
    SuspendVm,
    UnplugVbd,
)
from xenhost.core.states import Life

VM = vm_id()
BUSY = Busy("op", "vm.start", waits=False)
WAITING = Busy("op", "vm.shutdown", waits=True)


@pytest.mark.parametrize(
    ("life", "words"),
    [
        (Life.HALTED, "start destroy"),
        (Life.RUNNING, "clean_shutdown hard_shutdown clean_reboot hard_reboot pause suspend checkpoint"),
        (Life.PAUSED, "hard_shutdown hard_reboot unpause"),
        (Life.STOPPED, "hard_shutdown hard_reboot"),
        (Life.SUSPENDED, "hard_shutdown resume"),
    ],
)
def test_the_words_of_an_idle_vm(life: Life, words: str) -> None:
    assert allowed_operations(VM, life, None, "") == tuple(words.split())


@pytest.mark.parametrize("life", list(Life))
def test_nothing_goes_beside_a_working_operation(life: Life) -> None:
    assert allowed_operations(VM, life, BUSY, "") == ()


@pytest.mark.parametrize("life", list(Life))
def test_a_hard_shutdown_takes_the_place_of_a_waiting_operation(life: Life) -> None:
    assert allowed_operations(VM, life, WAITING, "") == ("hard_shutdown",)
    assert decide(VM, Word.HARD_SHUTDOWN, life, WAITING, "") is Verdict.PREEMPT


@pytest.mark.parametrize("life", list(Life))
def test_a_vm_that_needs_attention_may_only_be_shut_down_hard(life: Life) -> None:
    expected = () if life is Life.HALTED else ("hard_shutdown",)
    assert allowed_operations(VM, life, None, "who knows") == expected


def test_refusals_carry_what_is_expected() -> None:
    refusal = decide(VM, Word.START, Life.RUNNING, None, "")
    assert isinstance(refusal, VmBadPowerState)
    assert refusal.as_xenapi() == ["VM_BAD_POWER_STATE", VM, "halted", "running"]
    refusal = decide(VM, Word.PLUG, Life.STOPPED, None, "")
    assert isinstance(refusal, OperationNotAllowed)
    refusal = decide(VM, Word.START, Life.HALTED, BUSY, "")
    assert isinstance(refusal, OtherOperationInProgress)
    assert refusal.as_xenapi() == ["OTHER_OPERATION_IN_PROGRESS", "VM", VM]


def test_every_word_has_its_lives_and_every_request_its_word() -> None:
    assert set(LIVES) == set(Word)
    assert set(VM_WORDS) < set(Word)
    requests: list[Request] = [
        StartVm(VM),
        ShutdownVm(VM),
        ShutdownVm(VM, hard=True),
        RebootVm(VM),
        RebootVm(VM, hard=True),
        PlugVbd(VM, disk()),
        UnplugVbd(VM, DevId(0)),
        PlugVif(VM, nic()),
        SuspendVm(VM),
        CheckpointVm(VM, Source(SourceKind.VDI, "image")),
        ResumeVm(VM),
    ]
    words = "start clean_shutdown hard_shutdown clean_reboot hard_reboot plug unplug plug suspend checkpoint resume"
    assert [word_of(request) for request in requests] == words.split()
    assert set(REQUESTS) == {
        "vm.start",
        "vm.shutdown",
        "vm.reboot",
        "vm.pause",
        "vm.unpause",
        "vm.suspend",
        "vm.checkpoint",
        "vm.resume",
        "vbd.plug",
        "vbd.unplug",
        "vbd.insert",
        "vbd.eject",
        "vbd.limit",
        "vif.plug",
        "vif.unplug",
        "vif.update",
    }
