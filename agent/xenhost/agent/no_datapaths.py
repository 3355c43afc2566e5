"""An agent without storage repositories."""

from collections.abc import Sequence

from xenhost.core.devices import IoLimits, Source
from xenhost.core.errors import HandleInvalid
from xenhost.core.storage import AttachMode, Connection, VdiId


class NoDatapaths:
    """There is no VDI."""

    async def connect(self, datapath: str, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Connection:
        """Raises HandleInvalid."""
        raise HandleInvalid(f"there is no VDI {vdi}", class_name="VDI", handle=vdi)

    async def disconnect(self, datapath: str) -> None:
        """Nothing is connected."""

    def source(self, datapath: str) -> Source | None:
        """Nothing is connected."""
        return None

    def datapaths(self) -> Sequence[str]:
        """Nothing is connected."""
        return ()
