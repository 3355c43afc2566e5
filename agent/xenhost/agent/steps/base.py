"""What most steps share."""

from typing import ClassVar, Final

from xenhost.core.errors import DomainGone
from xenhost.core.ids import DomId
from xenhost.core.steps import Work

PORT_SECONDS: Final = 120.0
"""How long a port call may take that waits for no guest."""


class BaseStep:
    """Defaults: a quick step whose undo does nothing."""

    __slots__ = ()

    weight: ClassVar[int] = 1
    waits: ClassVar[bool] = False

    @property
    def deadline(self) -> float:
        """For a port call that waits for no guest."""
        return PORT_SECONDS

    async def find(self, work: Work) -> None:
        """Nothing to find out."""

    async def undo(self, work: Work) -> None:
        """Nothing to take back."""

    async def happened(self, work: Work) -> bool:
        """Not known."""
        return False


def domid_of(work: Work) -> DomId:
    """The domain to work on. Raises DomainGone if there is none."""
    if work.domid is None:
        raise DomainGone(f"VM {work.spec.id} has no domain any more", vm=work.spec.id)
    return work.domid
