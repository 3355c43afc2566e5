"""Memory promised to starts that have not taken it yet."""

from typing import Final

from xenhost.core.errors import HostNotEnoughFreeMemory
from xenhost.core.ids import OperationId
from xenhost.core.units import human_size
from xenhost.core.vm import VmSpec


class MemoryLedger:
    """Bytes reserved by running operations. In memory only: after a restart there are no starts in flight."""

    def __init__(self) -> None:
        self._reserved: Final[dict[OperationId, int]] = {}
        self._total = 0
        self.changes = 0
        """Counts releases: a look at the host from before a release says too much is free."""

    @property
    def total(self) -> int:
        """Bytes reserved by all."""
        return self._total

    def reserve(self, operation: OperationId, spec: VmSpec, needed: int, free: int) -> None:
        """Promise `needed` bytes of the `free` ones. Raises HostNotEnoughFreeMemory."""
        available = free - self._total
        if needed > available:
            available = max(0, available)
            promised = f" ({human_size(self._total)} more are promised to other starts)" if self._total else ""
            raise HostNotEnoughFreeMemory(
                f"VM {spec.name} needs {human_size(needed)} of memory, {human_size(available)} are free{promised}",
                needed=str(needed),
                available=str(available),
            )
        self._reserved[operation] = needed
        self._total += needed

    def release(self, operation: OperationId) -> None:
        """The domain has its memory, or will never have it. No-op if nothing is reserved."""
        needed = self._reserved.pop(operation, None)
        if needed is not None:
            self._total -= needed
            self.changes += 1
