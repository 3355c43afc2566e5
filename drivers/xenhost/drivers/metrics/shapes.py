"""Which sources an owner has: the same tuple, as an object, until something about them changes."""

from collections.abc import Callable, Collection, Hashable, Iterable
from typing import Final

from xenhost.core.metrics import Owner, OwnerKind, Source


class Shapes:
    """The tuples handed out last."""

    def __init__(self) -> None:
        self._known: Final[dict[Owner, tuple[Hashable, tuple[Source, ...]]]] = {}
        self._vms: dict[str, Owner] = {}

    def of(self, owner: Owner, key: Hashable, make: Callable[[], Iterable[Source]]) -> tuple[Source, ...]:
        """Made anew when `key` is not what it was."""
        known = self._known.get(owner)
        if known is not None and known[0] == key:
            return known[1]
        made = tuple(make())
        self._known[owner] = key, made
        return made

    def vm(self, uuid: str) -> Owner:
        """That VM as an owner."""
        owner = self._vms.get(uuid)
        if owner is None:
            owner = self._vms[uuid] = Owner(OwnerKind.VM, uuid)
        return owner

    def keep(self, vms: Collection[str]) -> None:
        """Forget the VMs that are not among these."""
        if len(self._vms) > len(vms):
            for uuid in self._vms.keys() - set(vms):
                self._known.pop(self._vms.pop(uuid), None)
