"""Memory promised to starts."""

import pytest

from kit.specs import spec
from xenhost.agent.inventory.ledger import MemoryLedger
from xenhost.core.errors import HostNotEnoughFreeMemory
from xenhost.core.ids import OperationId

ONE, TWO = OperationId("1"), OperationId("2")


def test_what_is_promised_is_not_promised_again() -> None:
    ledger = MemoryLedger()
    ledger.reserve(ONE, spec(), 60, 100)
    with pytest.raises(HostNotEnoughFreeMemory) as refusal:
        ledger.reserve(TWO, spec(), 60, 100)
    assert refusal.value.as_xenapi() == ["HOST_NOT_ENOUGH_FREE_MEMORY", "60", "40"]
    assert "60 B more are promised" in str(refusal.value)
    ledger.reserve(TWO, spec(), 40, 100)
    assert ledger.total == 100


def test_a_release_counts_once() -> None:
    ledger = MemoryLedger()
    ledger.reserve(ONE, spec(), 60, 100)
    ledger.release(ONE)
    ledger.release(ONE)
    ledger.release(TWO)
    assert (ledger.total, ledger.changes) == (0, 1)


def test_less_than_nothing_is_never_available() -> None:
    ledger = MemoryLedger()
    ledger.reserve(ONE, spec(), 100, 100)
    with pytest.raises(HostNotEnoughFreeMemory) as refusal:
        ledger.reserve(TWO, spec(), 1, 10)
    assert refusal.value.values["available"] == "0"
