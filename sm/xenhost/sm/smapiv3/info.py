"""What a volume plugin can do: what it says, and what its scripts show."""

import re
from collections.abc import Callable
from typing import Final

from xenhost.core.storage import Capability, ConfigKey, DriverInfo
from xenhost.sm.smapiv3.failures import bad_answer
from xenhost.sm.smapiv3.values import Query

API_VERSIONS: Final = ("5.0", "3.0")
LEGACY: Final = "3.0"
_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_FEATURE: Final = re.compile(r"([A-Z_]{1,48})(?:/([1-9][0-9]{0,3}))?")
_SECRET: Final = re.compile(r"pass|secret|token|chapp", re.IGNORECASE)
_SCRIPTS: Final = {
    "SR.attach": Capability.SR_ATTACH,
    "SR.create": Capability.SR_CREATE,
    "SR.destroy": Capability.SR_DELETE,
    "SR.detach": Capability.SR_DETACH,
    "SR.ls": Capability.SR_SCAN,
    "SR.stat": Capability.SR_UPDATE,
    "SR.probe": Capability.SR_PROBE,
    "Volume.create": Capability.VDI_CREATE,
    "Volume.clone": Capability.VDI_CLONE,
    "Volume.snapshot": Capability.VDI_SNAPSHOT,
    "Volume.resize": Capability.VDI_RESIZE,
    "Volume.destroy": Capability.VDI_DELETE,
    "Volume.stat": Capability.VDI_UPDATE,
}
_ALWAYS: Final = (
    Capability.VDI_ATTACH,
    Capability.VDI_DETACH,
    Capability.VDI_ACTIVATE,
    Capability.VDI_DEACTIVATE,
    Capability.VDI_INTRODUCE,
)


def type_of(folder_name: str) -> str:
    """The type of SR that a plugin's folder serves: the last part of its name."""
    kind = folder_name.rpartition(".")[2].lower()
    if not _TYPE.fullmatch(kind):
        raise bad_answer("Plugin.Query", f"its folder's name ends in {kind[:64]!r}, which is no type of SR")
    return kind


def driver_info(folder: str, name: str, query: Query, has: Callable[[str], bool]) -> tuple[DriverInfo, tuple[str, ...]]:
    """The SM record, and the features that are not known and left out. Raises SrBackendFailure."""
    if query.required_api_version not in API_VERSIONS:
        versions = " and ".join(API_VERSIONS)
        raise bad_answer("Plugin.Query", f"API version {query.required_api_version!r} is not known; {versions} are")
    capabilities: dict[Capability, int] = {}
    unknown: list[str] = []
    for feature in query.features:
        match = _FEATURE.fullmatch(feature)
        word = match[1] if match else feature
        word = "VDI_DELETE" if word == "VDI_DESTROY" else word
        if match is None or word not in Capability.__members__:
            unknown.append(feature)
            continue
        capability = Capability(word)
        capabilities[capability] = max(capabilities.get(capability, 0), int(match[2] or 1))
    for script, capability in _SCRIPTS.items():
        if has(script):
            capabilities.setdefault(capability, 1)
    for capability in _ALWAYS:
        capabilities.setdefault(capability, 1)
    if Capability.VDI_CLONE in capabilities and has("Volume.set"):
        capabilities[Capability.VDI_RESET_ON_BOOT] = 2
    record = DriverInfo(
        type=type_of(name),
        name=query.name or query.plugin,
        description=query.description,
        vendor=query.vendor,
        copyright=query.copyright,
        version=query.version,
        required_api_version=query.required_api_version,
        capabilities=capabilities,
        configuration=tuple(
            ConfigKey(key[:256], text[:1024], secret=bool(_SECRET.search(key)))
            for key, text in query.configuration.items()
        ),
        filename=folder,
        required_cluster_stack=query.required_cluster_stack,
    )
    return record, tuple(unknown)
