"""The records that plugins answer with."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class PluginInfo:
    """What a plugin is."""

    plugin: str
    """Its type of SR, or for a datapath its scheme: the name of its folder, or the last part of that."""
    name: str
    description: str = ""
    vendor: str = ""
    copyright: str = ""
    version: str = "1.0"
    required_api_version: str = "5.0"
    features: Sequence[str] = ()
    """What cannot be seen from the methods that are there: VDI_REVERT, VDI_CONFIG_CBT, VDI_RESIZE_ONLINE, …"""
    configuration: Mapping[str, str] = field(default_factory=dict)
    """Keys of device-config, each with a description."""
    required_cluster_stack: Sequence[str] = ()

    def to_json(self) -> Any:
        """The query_result record."""
        return {**asdict(self), "features": list(self.features), "configuration": dict(self.configuration)}


@dataclass
class SrStat:
    """An SR: space in bytes, and health."""

    sr: str
    """What sr_attach answered."""
    name: str
    description: str
    free_space: int
    total_space: int
    uuid: str | None = None
    datasources: Sequence[str] = ()
    clustered: bool = False
    health: str = "Healthy"
    """Healthy, Recovering, Unreachable, Unavailable."""
    health_text: str = ""

    def to_json(self) -> Any:
        """The sr_stat record."""
        fields = asdict(self)
        text = fields.pop("health_text")
        return {**fields, "datasources": list(self.datasources), "health": [self.health, text]}


@dataclass
class Volume:
    """A volume. Sizes in bytes."""

    key: str
    """Its name in the SR: any text, for instance a file name."""
    name: str
    description: str
    virtual_size: int
    uri: Sequence[str]
    """Ways to its bytes, best first. The scheme of each is the name of a datapath plugin."""
    physical_utilisation: int = 0
    uuid: str | None = None
    read_write: bool = True
    sharable: bool = False
    keys: Mapping[str, str] = field(default_factory=dict)
    """What volume_set stored. Not to be looked into."""
    volume_type: str = "Data"
    """Data, CBT_Metadata, Data_and_CBT_Metadata."""
    cbt_enabled: bool = False

    def to_json(self) -> Any:
        """The volume record."""
        return {**asdict(self), "uri": list(self.uri), "keys": dict(self.keys)}


@dataclass
class ProbeResult:
    """One thing a probe found. Complete: it can be attached (with `sr`), or created (without)."""

    configuration: Mapping[str, str]
    complete: bool
    sr: SrStat | None = None
    """The SR that is there; then the configuration holds its `sr_uuid`."""
    extra_info: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> Any:
        """The probe_result record."""
        record: dict[str, Any] = {
            "configuration": dict(self.configuration),
            "complete": self.complete,
            "extra_info": dict(self.extra_info),
        }
        if self.sr is not None:
            record["sr"] = self.sr.to_json()
        return record


@dataclass
class ChangedBlocks:
    """Which blocks of a volume changed: the first block is the most significant bit of the first byte."""

    granularity: int
    bitmap: bytes

    def to_json(self) -> Any:
        """The changed_blocks record."""
        return {"granularity": self.granularity, "bitmap": b64encode(self.bitmap).decode()}


@dataclass
class BlockDevice:
    """A block device of dom0."""

    path: str

    def to_json(self) -> Any:
        """One implementation."""
        return ["BlockDevice", {"path": self.path}]


@dataclass
class File:
    """A raw file."""

    path: str

    def to_json(self) -> Any:
        """One implementation."""
        return ["File", {"path": self.path}]


@dataclass
class Nbd:
    """An NBD export on a unix socket."""

    socket: str
    export: str

    def to_json(self) -> Any:
        """One implementation."""
        return ["Nbd", {"uri": f"nbd:unix:{self.socket}:exportname={self.export}"}]


@dataclass
class XenDisk:
    """What goes to xenstore for a guest's disk."""

    params: str
    backend_type: str = "vbd"
    extra: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> Any:
        """One implementation."""
        return ["XenDisk", {"params": self.params, "backend_type": self.backend_type, "extra": dict(self.extra)}]


Implementation = BlockDevice | File | Nbd | XenDisk
