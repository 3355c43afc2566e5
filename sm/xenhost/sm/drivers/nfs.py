"""SR type `nfs`: image files on an NFS server."""

from collections.abc import Mapping
from typing import Final
from xml.sax.saxutils import escape

from xenhost.core.storage import Capability as C
from xenhost.core.storage import ConfigKey, DriverInfo, ProbeEntry, ProbeReport
from xenhost.core.storage_errors import backend_failure
from xenhost.sm.command import CommandError
from xenhost.sm.drivers.declared import directory_capabilities, driver_info
from xenhost.sm.drivers.remote import RemoteDirectoryDriver
from xenhost.sm.mount import config
from xenhost.sm.mount.mounts import Recipe

VERSIONS: Final = ("3", "4", "4.0", "4.1", "4.2")
SERVER_MISSING: Final = 102
PATH_MISSING: Final = 101
PATH_BAD: Final = 103
_TARGET: Final = 108
_VERSION: Final = 72
_MOUNT: Final = 73
_TIMEOUT: Final = 30.0
_MOST_EXPORTS: Final = 1000
KEYS: Final = (
    ConfigKey("server", "host name or address of the NFS server", required=True),
    ConfigKey("serverpath", "path on the server", required=True),
    ConfigKey("nfsversion", "3, 4, 4.0, 4.1 or 4.2; by default what both sides know"),
    ConfigKey("options", "further mount options; hard (the default) waits for a server that is away, softerr gives up"),
)


class NfsDriver(RemoteDirectoryDriver):
    """Directories on NFS servers as SRs."""

    info: DriverInfo = driver_info(
        "nfs",
        "NFS",
        "SR plugin which stores disks as qcow2, raw and VHD files on a remote NFS server",
        directory_capabilities(C.SR_PROBE),
        KEYS,
    )
    create_failure = 88
    delete_failure = 76
    unmount_failure = 74

    def recipe(self, device_config: Mapping[str, str]) -> Recipe:
        """`RemoteDirectoryDriver.recipe`."""
        return nfs_recipe(device_config)

    async def probe(self, device_config: Mapping[str, str], sm_config: Mapping[str, str]) -> ProbeReport:
        """`SrDriver.probe`: without a path the exports of the server, with one the SRs below it."""
        if not device_config.get("server"):
            return ProbeReport((), code=SERVER_MISSING, missing="server")
        server = config.host(device_config, "server", SERVER_MISSING)
        if not device_config.get("serverpath"):
            exports = await self._exports(server)
            entries = tuple(
                ProbeEntry({**device_config, "serverpath": path}, complete=False, extra={"accesslist": hosts})
                for path, hosts in exports
            )
            return ProbeReport(entries, _exports_document(server, exports), PATH_MISSING, "serverpath")
        entries = await self.found(device_config)
        return ProbeReport(entries, _srs_document(entries, await self._versions(server)))

    async def _exports(self, server: str) -> list[tuple[str, str]]:
        try:
            result = await self._context.commands.run("showmount", "--no-headers", "-e", server, timeout=_TIMEOUT)
        except CommandError as error:
            text = f"NFS server {server} does not tell what it exports: {error}; give the serverpath"
            raise backend_failure(_TARGET, text) from error
        found = []
        for line in result.text().splitlines()[:_MOST_EXPORTS]:
            path, _, hosts = line.rstrip().rpartition(" ")
            if path.strip().startswith("/"):
                found.append((path.strip(), hosts))
        return found

    async def _versions(self, server: str) -> list[str]:
        """What its port mapper says; one without it may serve version 4 all the same."""
        try:
            result = await self._context.commands.run("rpcinfo", "-p", server, timeout=_TIMEOUT)
        except CommandError:
            return ["4"]
        rows = (line.split() for line in result.text().splitlines())
        return sorted({row[1] for row in rows if len(row) >= 2 and row[0] == "100003" and row[1] in ("3", "4")})


def nfs_recipe(device_config: Mapping[str, str]) -> Recipe:
    """How an NFS path is mounted. Raises SrBackendFailure."""
    server = config.host(device_config, "server", SERVER_MISSING)
    path = config.path(device_config, "serverpath", PATH_MISSING)
    chosen = config.options(device_config, "options", _MOUNT)
    version = device_config.get("nfsversion", "")
    if version and version not in VERSIONS:
        raise backend_failure(_VERSION, f"nfsversion {version[:20]!r} is not known; {', '.join(VERSIONS)} are")
    given = {each.partition("=")[0] for each in chosen}
    ours = ["proto=tcp", "acdirmin=0", "acdirmax=0", "timeo=100"]
    if not given & {"hard", "soft", "softerr"}:
        ours.append("hard")
    if version:
        ours.append(f"vers={version}")
    kept = tuple(each for each in ours if each.partition("=")[0] not in given)
    address = f"[{server}]" if ":" in server and not server.startswith("[") else server
    return Recipe("nfs", f"{address}:{path}", (*kept, *chosen), failure=_MOUNT)


def _exports_document(server: str, exports: list[tuple[str, str]]) -> str:
    found = "".join(
        f"\t<Export>\n\t\t<Target>{escape(server)}</Target>\n\t\t<Path>{escape(path)}</Path>\n"
        f"\t\t<Accesslist>{escape(hosts)}</Accesslist>\n\t</Export>\n"
        for path, hosts in exports
    )
    return f'<?xml version="1.0" ?>\n<nfs-exports>\n{found}</nfs-exports>\n'


def _srs_document(entries: tuple[ProbeEntry, ...], versions: list[str]) -> str:
    srs = "".join(f"\t<SR>\n\t\t<UUID>{entry.sr}</UUID>\n\t</SR>\n" for entry in entries)
    known = "".join(f"\t\t<Version>{version}</Version>\n" for version in versions)
    return f'<?xml version="1.0" ?>\n<SRlist>\n{srs}\t<SupportedVersions>\n{known}\t</SupportedVersions>\n</SRlist>\n'
