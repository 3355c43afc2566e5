"""PCI devices: whether dom0 uses them. Which it leaves to VMs is said where Xen is booted from."""

from collections.abc import Mapping
from typing import Final

from xenhost.pool.call import ApiError, Context, Implementation, Ref
from xenhost.pool.database.database import Database

_LEFT: Final = frozenset({"pciback", "xen-pciback"})
"""Drivers that hold a device for VMs."""


class Pcis:
    """Answers for them."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "PCI.get_dom0_access_status": self._status,
            "PCI.enable_dom0_access": self._wish("enabled"),
            "PCI.disable_dom0_access": self._wish("disabled"),
        }

    async def _status(self, context: Context, pci: Ref) -> str:
        return "disabled" if self._database.get("PCI", pci)["driver_name"] in _LEFT else "enabled"

    def _wish(self, wanted: str) -> Implementation:
        async def change(context: Context, pci: Ref) -> str:
            """What is so already stays so. Raises ApiError OPERATION_NOT_ALLOWED."""
            status = await self._status(context, pci)
            if status != wanted:
                device = str(self._database.get("PCI", pci)["pci_id"])
                text = f"boot dom0 with or without xen-pciback.hide=({device}); no boot loader is written here"
                raise ApiError("OPERATION_NOT_ALLOWED", text)
            return status

        return change
