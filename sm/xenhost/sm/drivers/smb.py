"""SR type `smb`: image files on a share."""

import re
from collections.abc import Mapping
from typing import Final

from xenhost.core.storage import Capability as C
from xenhost.core.storage import ConfigKey, DriverInfo, ProbeReport
from xenhost.core.storage_errors import backend_failure
from xenhost.sm.directory.create import sr_list
from xenhost.sm.drivers.declared import directory_capabilities, driver_info
from xenhost.sm.drivers.remote import RemoteDirectoryDriver
from xenhost.sm.mount import config
from xenhost.sm.mount.mounts import Recipe

SERVER_MISSING: Final = 102
MOUNT: Final = 111
_SHARE: Final = re.compile(r"//[A-Za-z0-9\[][A-Za-z0-9.:_\]-]{0,254}(/[^\x00-\x1f\x7f,/]{1,255})+/?")
_USER: Final = re.compile(r"[^\x00-\x1f\x7f,\\=]{1,104}")
_STRICT: Final = ("cache=strict", "actimeo=0")
"""Two hosts must not see different bytes."""


class SmbDriver(RemoteDirectoryDriver):
    """Directories on SMB shares as SRs."""

    info: DriverInfo = driver_info(
        "smb",
        "SMB",
        "SR plugin which stores disks as qcow2, raw and VHD files on a remote SMB filesystem",
        directory_capabilities(C.SR_PROBE),
        (
            ConfigKey("server", "share, as //server/share", required=True),
            ConfigKey("username", "user to log in as, or domain\\user"),
            ConfigKey("password", "password of that user", secret=True),
            ConfigKey("options", "further mount options"),
        ),
    )
    create_failure = 116
    delete_failure = 114
    unmount_failure = 112
    image_locks = False

    def recipe(self, device_config: Mapping[str, str]) -> Recipe:
        """`RemoteDirectoryDriver.recipe`."""
        if "nobrl" in config.options(device_config, "options", MOUNT):
            raise backend_failure(MOUNT, "nobrl is not possible: hosts would not see each other's locks")
        return smb_recipe(config.required(device_config, "server", SERVER_MISSING), device_config, "password", "3.0")

    async def probe(self, device_config: Mapping[str, str], sm_config: Mapping[str, str]) -> ProbeReport:
        """`SrDriver.probe`."""
        if not device_config.get("server"):
            return ProbeReport((), code=SERVER_MISSING, missing="server")
        entries = await self.found(device_config)
        return ProbeReport(entries, sr_list(entries))


def smb_recipe(share: str, device_config: Mapping[str, str], password: str, version: str) -> Recipe:
    """How a share is mounted. The password goes by the environment. Raises SrBackendFailure."""
    if not _SHARE.fullmatch(share) or ".." in share.split("/"):
        raise backend_failure(MOUNT, f"{share[:80]!r} is no share such as //server/share")
    domain, separator, user = device_config.get("username", "").rpartition("\\")
    who: tuple[str, ...] = ("guest",)
    if user:
        if not _USER.fullmatch(user) or (separator and not _USER.fullmatch(domain)):
            raise backend_failure(MOUNT, "username holds characters that are not possible")
        who = (f"username={user}", *((f"domain={domain}",) if domain else ()))
    chosen = config.options(device_config, "options", MOUNT)
    given = {each.partition("=")[0] for each in chosen}
    kept = tuple(each for each in (*_STRICT, f"vers={version}") if each.partition("=")[0] not in given)
    return Recipe("cifs", share, (*who, *kept, *chosen), {"PASSWD": device_config.get(password, "")}, MOUNT)
