"""Volumes as VDIs: the keys xapi keeps with a volume, and the UUIDs of volumes whose plugin gives none of ours."""

import calendar
import re
import time
import uuid
from collections.abc import Mapping
from typing import Final

from xenhost.core.storage import OnBoot, SrId, Vdi, VdiId, VdiType
from xenhost.sm.smapiv3.values import BadVolume, Volume

ID: Final = "xenhost-id"
"""`<uuid>@<volume key>`: the UUID that was asked for. With the key, so that a copy of all keys does not copy it."""
TYPE: Final = "vdi-type"
SNAPSHOT_TIME: Final = "snapshot_time"
IS_A_SNAPSHOT: Final = "is_a_snapshot"
SNAPSHOT_OF: Final = "snapshot_of"
CLONE_ON_BOOT: Final = "clone-on-boot"
ON_BOOT: Final = "on-boot"
READ_ONLY: Final = "read-only"
SHARABLE: Final = "sharable"
SM_CONFIG: Final = "_sm_config_"
OF_ONE_VOLUME: Final = frozenset(
    {SNAPSHOT_TIME, IS_A_SNAPSHOT, SNAPSHOT_OF, CLONE_ON_BOOT, ON_BOOT, READ_ONLY, SHARABLE}
)
"""Keys that mean nothing for a copy, which a plugin may copy with it."""
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME: Final = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)T(\d\d):?(\d\d):?(\d\d)(?:\.\d+)?Z")


def id_of(sr: SrId, volume: Volume | BadVolume) -> VdiId:
    """The UUID of a volume: the one we gave it, its plugin's, or one made of its key."""
    if isinstance(volume, Volume):
        given, _, key = volume.keys.get(ID, "").partition("@")
        if key == volume.key and _UUID.fullmatch(given):
            return VdiId(given)
        if _UUID.fullmatch(volume.uuid.lower()):
            return VdiId(volume.uuid.lower())
    if _UUID.fullmatch(volume.key.lower()):
        return VdiId(volume.key.lower())
    return VdiId(str(uuid.uuid5(uuid.UUID(sr), volume.key)))


def mark(vdi: VdiId, key: str) -> str:
    """The value of the key `ID`."""
    return f"{vdi}@{key}"


def vdi_of(id: VdiId, volume: Volume, ids: Mapping[str, VdiId], format: str) -> Vdi:
    """The VDI of a volume; `ids` are the UUIDs of all volumes by key."""
    keys = volume.keys
    return Vdi(
        id=id,
        location=volume.key,
        virtual_size=volume.virtual_size,
        physical_utilisation=volume.physical_utilisation,
        name=volume.name,
        description=volume.description,
        type=_type(keys.get(TYPE, ""), volume.cbt_metadata),
        format=format,
        read_only=not volume.read_write or keys.get(READ_ONLY) == "true",
        sharable=keys.get(SHARABLE, str(volume.sharable).lower()) == "true",
        is_a_snapshot=keys.get(IS_A_SNAPSHOT) == "true",
        snapshot_of=ids.get(keys.get(SNAPSHOT_OF, "")),
        snapshot_time=_seconds(keys.get(SNAPSHOT_TIME, "")),
        on_boot=OnBoot.RESET if keys.get(ON_BOOT) == OnBoot.RESET else OnBoot.PERSIST,
        cbt_enabled=volume.cbt_enabled,
        sm_config={key.removeprefix(SM_CONFIG): keys[key] for key in keys if key.startswith(SM_CONFIG)},
    )


def bad_vdi(id: VdiId, volume: BadVolume, format: str) -> Vdi:
    """A volume whose record cannot be used."""
    return Vdi(id=id, location=volume.key, virtual_size=0, format=format, problem=volume.problem)


def time_text(seconds: float) -> str:
    """As xapi writes times."""
    return time.strftime("%Y%m%dT%H:%M:%SZ", time.gmtime(seconds))


def _seconds(text: str) -> float | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    try:
        return float(calendar.timegm(tuple(map(int, match.groups()))))
    except ValueError:
        return None


def _type(text: str, cbt_metadata: bool) -> VdiType:
    if cbt_metadata:
        return VdiType.CBT_METADATA
    try:
        return VdiType(text)
    except ValueError:
        return VdiType.USER
