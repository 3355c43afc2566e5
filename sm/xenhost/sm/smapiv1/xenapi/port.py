"""What the callback service asks of the plugin host: the calls that start a driver or a plugin of the host again."""

from collections.abc import Mapping
from typing import Protocol


class Verbs(Protocol):
    """Done while a driver may be waiting for the answer. Raise XenhostErrors."""

    async def update_sr(self, sr: str) -> None:
        """Let the driver of an SR (UUID) report its size anew."""
        ...

    async def scan_sr(self, sr: str) -> None:
        """Let the driver of an SR compare its records with what there is."""
        ...

    async def snapshot_vdi(self, sr: str, vdi: str, driver_params: Mapping[str, str]) -> str:
        """A snapshot as the driver takes it; the answer is its UUID."""
        ...

    async def call_plugin(self, name: str, function: str, args: Mapping[str, str]) -> str:
        """Run a plugin of this host (`tapdisk-pause`)."""
        ...


class SrVerbs(Protocol):
    """The part of it that concerns one attached SR."""

    async def update_records(self) -> None:
        """Let the driver report the size of the SR anew."""
        ...

    async def scan_records(self) -> None:
        """Let the driver compare its records with what there is."""
        ...

    async def snapshot_record(self, vdi: str, driver_params: Mapping[str, str]) -> str:
        """A snapshot as the driver takes it; the answer is its UUID."""
        ...
