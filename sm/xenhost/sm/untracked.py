"""What SRs without changed block tracking and without upkeep have in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from xenhost.core.storage import Bitmap, Chore, Vdi, VdiId
from xenhost.core.storage_errors import SrOperationNotSupported


class UntrackedSr(ABC):
    """The verbs of `Sr` on changed blocks, refused, and nothing to merge or delete."""

    _TRACKING: ClassVar[str] = "track changes"

    @abstractmethod
    def _unsupported(self, what: str) -> SrOperationNotSupported:
        """That this type of SR cannot do that."""

    async def enable_cbt(self, vdi: VdiId) -> Vdi:
        """`Sr.enable_cbt`."""
        raise self._unsupported(self._TRACKING)

    async def disable_cbt(self, vdi: VdiId) -> Vdi:
        """`Sr.disable_cbt`."""
        raise self._unsupported(self._TRACKING)

    async def destroy_vdi_data(self, vdi: VdiId) -> Vdi:
        """`Sr.destroy_vdi_data`."""
        raise self._unsupported(self._TRACKING)

    async def changed_blocks(self, older: VdiId, newer: VdiId) -> Bitmap:
        """`Sr.changed_blocks`."""
        raise self._unsupported(self._TRACKING)

    async def chores(self) -> Sequence[Chore]:
        """`Sr.chores`."""
        return ()
